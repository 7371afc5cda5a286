"""The few system calls that Python's standard library does not offer, through ctypes.

Decides: how a failure looks: an ``OSError`` with the call's name.
Does not: decide when any of them is made. No environment, no global but the C library's handle.
"""

import ctypes
import os

from data_tools.sandbox.syscalls import number

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_KEEPCAPS = 8
PR_SET_NO_NEW_PRIVS = 38

CAP_DAC_READ_SEARCH = 1 << 2
MS_REC, MS_PRIVATE = 0x4000, 0x40000
CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def _checked(result: int, call: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{call}: {os.strerror(code)}")
    return result


def prctl(option: int, value: int = 0) -> int:
    """Call ``prctl(option, value, 0, 0, 0)``."""
    unused = ctypes.c_ulong(0)
    return _checked(_libc.prctl(option, ctypes.c_ulong(value), unused, unused, unused), f"prctl({option})")


def syscall(name: str, *arguments: int | ctypes.c_void_p | None) -> int:
    """Make a system call of ``syscalls.NUMBERS`` by name. Integers are passed as 64 bits, pointers as ``c_void_p``."""
    call = number(name)
    if call is None:
        raise OSError(38, f"{name}: this processor has no such call")
    passed = [ctypes.c_ulong(item & 0xFFFFFFFFFFFFFFFF) if isinstance(item, int) else item for item in arguments]
    return _checked(_libc.syscall(ctypes.c_long(call), *passed), name)


def unshare(flags: int) -> None:
    """Leave the namespaces that ``flags`` names; the next fork of CLONE_NEWPID is process 1 of a new one."""
    _checked(_libc.unshare(ctypes.c_int(flags - (1 << 32) if flags >= 1 << 31 else flags)), "unshare")


def mount(source: str, target: str, kind: str, flags: int) -> None:
    """Mount a file system, or change a mount by ``flags``."""
    _checked(_libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), None), f"mount {target}")


def set_capabilities(mask: int) -> None:
    """Make ``mask`` (of the first 32 capabilities) the only permitted and effective ones; nothing is inheritable."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    # effective, permitted, inheritable: first of the capabilities 0-31, then of 32-63
    data = (ctypes.c_uint32 * 6)(mask, mask, 0, 0, 0, 0)
    syscall("capset", _address(header), _address(data))


def _address(value: ctypes.Array[ctypes.c_uint32]) -> ctypes.c_void_p:
    return ctypes.c_void_p(ctypes.addressof(value))
