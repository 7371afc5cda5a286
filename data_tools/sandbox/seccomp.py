"""The system calls a snippet may make: a list of what mathematics needs, and everything else is refused.

Decides: which calls pass, and for ten of them with which arguments. A refused call fails with EPERM, so that harmless code that
tries one (a library probing for a feature) sees an ordinary ``OSError``; calls of another processor's ABI kill the process.
Does not: judge paths (Landlock does) or amounts (resource limits do). The filter is classic BPF, ``linux/seccomp.h``.
"""

import ctypes
import os
import struct
from collections.abc import Iterator

from data_tools.sandbox import linux
from data_tools.sandbox.syscalls import NUMBERS, machine_column, number

LOAD, AND, RETURN, IF_EQUAL, IF_AT_LEAST = 0x20, 0x54, 0x06, 0x15, 0x35
ALLOW, KILL_PROCESS, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
EPERM, ENOSYS = ERRNO | 1, ERRNO | 38
X32_BIT = 0x40000000

RESTRICTED = ("clone", "kill", "tgkill", "prctl", "prlimit64", "ioctl", "fcntl", "fallocate", "open", "openat")
NOT_THERE = ("clone3", "openat2")
WALL_BUILDERS = ("landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self", "seccomp", "capset")

THREAD_FLAGS = 0x00010F00
"""CLONE_THREAD | CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND: a thread as libc makes it. Without the first two it would be
a new process; without CLONE_FILES each thread would have 64 descriptors of its own."""
NO_THREAD_FLAGS = 0x7E826000
"""CLONE_NEW*, CLONE_UNTRACED, CLONE_VFORK, CLONE_PTRACE."""
PRCTL_OPTIONS = (15, 16, 3, 0x53564D41)
"""PR_SET_NAME, PR_GET_NAME, PR_GET_DUMPABLE, PR_SET_VMA."""
IOCTL_REQUESTS = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
"""TCGETS (is it a terminal), TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX."""
FCNTL_COMMANDS = (0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030)
"""Duplicating, flags and locks; not F_SETOWN, leases, notifications, pipe sizes or seals."""
O_ACCMODE, O_TRUNC = 0o3, 0o1000

Instruction = tuple[int, int, int, int]
"""code, jump if true, jump if false, constant"""


def _load_argument(index: int, high: bool = False) -> Instruction:
    return LOAD, 0, 0, 16 + 8 * index + (4 if high else 0)


def _one_of(index: int, values: tuple[int, ...]) -> list[Instruction]:
    """Allow when the low half of an argument is one of ``values``; these arguments are ints to the kernel."""
    tests = [instruction for value in values for instruction in ((IF_EQUAL, 0, 1, value), (RETURN, 0, 0, ALLOW))]
    return [_load_argument(index), *tests, (RETURN, 0, 0, EPERM)]


def _no_truncating_reader(flags_index: int) -> list[Instruction]:
    """Refuse O_RDONLY|O_TRUNC, which empties a file and which Landlock before ABI 3 takes for reading."""
    return [
        _load_argument(flags_index),
        (AND, 0, 0, O_ACCMODE | O_TRUNC),
        (IF_EQUAL, 0, 1, O_TRUNC),
        (RETURN, 0, 0, EPERM),
        (RETURN, 0, 0, ALLOW),
    ]


def _restricted(name: str, process: int) -> list[Instruction]:
    if name == "clone":
        looked_at = (AND, 0, 0, THREAD_FLAGS | NO_THREAD_FLAGS)
        return [_load_argument(0), looked_at, (IF_EQUAL, 0, 1, THREAD_FLAGS), (RETURN, 0, 0, ALLOW), (RETURN, 0, 0, EPERM)]
    if name in ("kill", "tgkill"):
        return _one_of(0, (process,))
    if name == "prctl":
        return _one_of(0, PRCTL_OPTIONS)
    if name == "ioctl":
        return _one_of(1, IOCTL_REQUESTS)
    if name == "fcntl":
        return _one_of(1, FCNTL_COMMANDS)
    if name == "fallocate":
        # Any mode but 0 may reserve space beyond the file's end, which the limit on file sizes does not count.
        return _one_of(1, (0,))
    if name == "prlimit64":
        # Reading only: the pointer to new limits is null in both halves, and the process is this one.
        null = [step for high in (False, True) for step in (_load_argument(2, high), (IF_EQUAL, 1, 0, 0), (RETURN, 0, 0, EPERM))]
        return [*null, *_one_of(0, (0, process))]
    return _no_truncating_reader(1 if name == "open" else 2)


def _answers(process: int) -> Iterator[tuple[str, list[Instruction]]]:
    """Yield each named call with the instructions that answer it."""
    for name in NUMBERS:
        if name in WALL_BUILDERS:
            continue
        if name in NOT_THERE:
            yield name, [(RETURN, 0, 0, ENOSYS)]
        elif name in RESTRICTED:
            yield name, _restricted(name, process)
        else:
            yield name, [(RETURN, 0, 0, ALLOW)]


def program(process: int) -> bytes:
    """Return the filter for the process with this id, as the kernel reads it: 8 bytes an instruction."""
    _, arch = machine_column()
    steps: list[Instruction] = [(LOAD, 0, 0, 4), (IF_EQUAL, 1, 0, arch), (RETURN, 0, 0, KILL_PROCESS), (LOAD, 0, 0, 0)]
    steps += [(IF_AT_LEAST, 0, 1, X32_BIT), (RETURN, 0, 0, KILL_PROCESS)]
    for name, answer in _answers(process):
        if (call := number(name)) is not None:
            # An answer ends in a return, so that what follows it sees the call's number, not an argument.
            steps += [(IF_EQUAL, 0, len(answer), call), *answer]
    steps.append((RETURN, 0, 0, EPERM))
    return b"".join(struct.pack("HBBI", *step) for step in steps)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def install() -> None:
    """Put the filter on this process, for good. It needs no_new_privs or privileges. Raises OSError."""
    code = program(os.getpid())
    buffer = ctypes.create_string_buffer(code, len(code))
    wanted = _Program(len(code) // 8, ctypes.addressof(buffer))
    set_mode_filter = 1
    linux.syscall("seccomp", set_mode_filter, 0, ctypes.c_void_p(ctypes.addressof(wanted)))
