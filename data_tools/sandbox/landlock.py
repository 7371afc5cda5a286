"""Which files a snippet may reach: Landlock, the kernel's file rules for processes without privileges.

Decides: the interpreter and its packages may be read, the scratch folder holds plain files only (no folders, links, sockets or
devices, so that cleaning up is simple); nothing may be executed, connected to, or signalled outside.
Does not: hide that a file exists (``stat`` works everywhere), or cover chmod and its like, which ``seccomp.py`` refuses. What
the running kernel's ABI does not know yet is left to ``seccomp.py`` too.
"""

import ctypes
import os
import struct
from collections.abc import Iterable

from data_tools.sandbox import linux

WRITE_FILE, READ_FILE, READ_DIR, REMOVE_FILE, MAKE_REG, TRUNCATE = 1 << 1, 1 << 2, 1 << 3, 1 << 5, 1 << 8, 1 << 14
FILE_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
"""ABI to every file right it knows; later ones add none of files."""
NET_RIGHTS = 0b11
SCOPES = 0b11
"""Abstract Unix sockets, and signals (ABI 6)."""
SCRATCH_RIGHTS = WRITE_FILE | READ_FILE | READ_DIR | REMOVE_FILE | MAKE_REG | TRUNCATE
READ_RIGHTS = READ_FILE | READ_DIR
RIGHTS_OF_A_FILE = READ_FILE | WRITE_FILE | TRUNCATE


def abi() -> int:
    """Return the kernel's Landlock ABI; 0 where it has none or it is switched off."""
    try:
        return linux.syscall("landlock_create_ruleset", None, 0, 1)
    except OSError:
        return 0


def restrict(readable: Iterable[str], scratch: str, devices: Iterable[str] = ()) -> None:
    """Confine this process for good. Paths that do not exist are passed over. Raises OSError where Landlock is missing."""
    version = abi()
    handled = FILE_RIGHTS[min(version, 5)] if version else 0
    attributes = struct.pack("QQQ", handled, NET_RIGHTS, SCOPES)[: 8 if version < 4 else 16 if version < 6 else 24]
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    ruleset = linux.syscall("landlock_create_ruleset", ctypes.c_void_p(ctypes.addressof(buffer)), len(attributes), 0)
    try:
        for path in readable:
            _allow(ruleset, path, READ_RIGHTS & handled)
        for path in devices:
            _allow(ruleset, path, (READ_FILE | WRITE_FILE) & handled)
        _allow(ruleset, scratch, SCRATCH_RIGHTS & handled)
        linux.syscall("landlock_restrict_self", ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return
    try:
        is_folder = os.fstat(descriptor).st_mode & 0o170000 == 0o040000
        rule = struct.pack("=Qi", rights if is_folder else rights & RIGHTS_OF_A_FILE, descriptor)
        buffer = ctypes.create_string_buffer(rule, len(rule))
        beneath_a_path = 1
        linux.syscall("landlock_add_rule", ruleset, beneath_a_path, ctypes.c_void_p(ctypes.addressof(buffer)), 0)
    finally:
        os.close(descriptor)
