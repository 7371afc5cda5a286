"""Namespaces for a zygote and all its children: one more wall where the machine allows it, and nothing where it does not.

Decides: no network devices but an unused loopback, no System V memory, no host name, process ids that end at the zygote.
Does not: hide files. Containers and some distributions forbid all of it; then the reason is reported and the other walls stand.
"""

import os
import signal
from pathlib import Path

from data_tools.sandbox import linux

FLAGS = linux.CLONE_NEWNS | linux.CLONE_NEWNET | linux.CLONE_NEWIPC | linux.CLONE_NEWUTS | linux.CLONE_NEWPID


def enter() -> str:
    """Move this process into namespaces of its own; return "" or the reason why not.

    With process ids: the function returns in a child that is process 1 of the new namespace. The caller's process waits in here
    for that child and ends with it. Call it from a process with one thread.
    """
    reason = _tried_in_a_child()
    if reason:
        return reason
    _unshare()
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    _mount_own_proc()
    return ""


def _mount_own_proc() -> None:
    """Let /proc show this namespace's ids. Some containers forbid it; then nobody here may look a process up there."""
    try:
        linux.mount("none", "/", "none", linux.MS_REC | linux.MS_PRIVATE)
        linux.mount("proc", "/proc", "proc", 0)
    except OSError:
        return


def proc_shows_own_ids() -> bool:
    """Return whether ``/proc/N`` is the process that this one knows as N."""
    return os.path.realpath("/proc/self") == f"/proc/{os.getpid()}"


def _tried_in_a_child() -> str:
    """Return why it cannot be done, found out in a process that may end half way (a new user namespace without its map)."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        return "" if code == 0 else f"unshare: {os.strerror(code)}" if code > 0 else f"unshare: signal {-code}"
    try:
        _unshare()
        # Capabilities held outside count for nothing in there, and the interpreter may lie where only they lead.
        list(Path(os.__file__).parent.iterdir())
        os._exit(0)
    except OSError as error:
        os._exit(error.errno or 1)


def _unshare() -> None:
    user, group = os.geteuid(), os.getegid()
    if user == 0:
        linux.unshare(FLAGS)
        return
    linux.unshare(FLAGS | linux.CLONE_NEWUSER)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        descriptor = os.open(f"/proc/self/{name}", os.O_WRONLY)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)
