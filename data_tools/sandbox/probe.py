"""Tries the walls from inside, as the first thing that runs in a new sandbox.

Decides: what counts as a wall that holds, and that harmless work still goes (a sandbox that fails to start stops every attack
too).
Does not: prove anything about attacks it does not try; ``tests/data_tools/sandbox/`` tries hundreds.
"""

import os
import resource
import socket
from collections.abc import Callable
from pathlib import Path

from data_tools.sandbox.walls import OPEN_FILES, OWN_USER_ID


def try_walls() -> dict[str, str]:
    """Return each wall that lets something through, with what that was. Raises when harmless work does not go."""
    _harmless_work()
    found: dict[str, str] = {}
    for name, what, attempt in _ATTEMPTS:
        try:
            attempt()
        except OSError:
            continue
        found.setdefault(name, what)
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] != OPEN_FILES:
        found["rlimits"] = "the number of open files is not limited"
    if os.getuid() not in (OWN_USER_ID, os.geteuid()) or os.getuid() == 0:
        found["own_user"] = "still root"
    return found


def _harmless_work() -> None:
    path = Path("probe.txt")
    path.write_text("1")
    if path.read_text() != "1":
        raise OSError("a file in the scratch folder did not keep its content")
    path.unlink()
    # The interpreter's own files can be read, or late imports would fail.
    if "def " not in Path(os.__file__).read_text():
        raise OSError("the standard library cannot be read")


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)
    os.wait()


_ATTEMPTS: tuple[tuple[str, str, Callable[[], object]], ...] = (
    ("landlock", "/etc/passwd could be read", lambda: Path("/etc/passwd").read_bytes()),
    ("landlock", "/proc/self/environ could be read", lambda: Path("/proc/self/environ").read_bytes()),
    ("landlock", "the file system's root could be listed", lambda: list(Path("/").iterdir())),
    ("landlock", "a file could be written outside the scratch folder", lambda: Path("../outside").write_bytes(b"")),
    ("seccomp", "a socket could be made", socket.socket),
    ("seccomp", "a process could be forked", _fork),
    ("seccomp", "a file's mode could be changed", lambda: Path().chmod(0o700)),
    ("seccomp", "a signal could be sent to the parent", lambda: os.kill(os.getppid(), 0)),
)
