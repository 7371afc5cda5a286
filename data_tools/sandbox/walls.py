"""Builds the walls around a process that is about to run code we did not write.

Decides: which walls there are and the order they go up in: resource limits → another user → death with the parent →
no_new_privs → Landlock → seccomp. Every wall is tried; one that this machine does not have is reported, and it is an error only
when the floor names it.
Does not: judge whether the walls hold (``probe.py`` tries them), and cannot take one down again.
"""

import os
import resource
import signal
import site
import stat
import sys
import sysconfig
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from data_tools.sandbox import landlock, linux, seccomp
from data_tools.sandbox.outcome import Limits

WALLS = ("rlimits", "own_user", "no_new_privs", "landlock", "seccomp", "namespaces")
DEFAULT_FLOOR = ("rlimits", "no_new_privs", "landlock", "seccomp")
OWN_USER_ID = 65_533
"""An id that no account uses, within the 65,536 that a container usually maps."""
MAX_THREADS = 1024
OPEN_FILES = 64
LIBRARY_PATHS = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache", "/etc/localtime", "/usr/share/zoneinfo")
READABLE_DEVICES = ("/dev/urandom", "/dev/random", "/dev/zero")
WRITABLE_DEVICES = ("/dev/null",)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a zygote finds out once for all its children."""

    readable: tuple[str, ...]
    keep_reading: bool
    """The interpreter lies where only CAP_DAC_READ_SEARCH leads (under root's home), so it is kept: to read, never to write;
    Landlock narrows it to the packages."""
    user_tasks: int
    """Threads of this user now: the kernel counts RLIMIT_NPROC over all of them."""
    namespaces: str
    """"" when the zygote has namespaces of its own, else why not."""


class WallDown(Exception):
    """A wall of the floor could not be built; the text says which and why."""


def make_plan(namespaces: str) -> Plan:
    """Look at this machine. Call it before any wall is up."""
    readable = _readable_paths()
    hidden = not all(map(_others_may_reach, readable))
    return Plan(readable, hidden, _tasks_of_user(os.geteuid()), namespaces)


def _readable_paths() -> tuple[str, ...]:
    packages = Path(__file__).parents[2]
    ours = [packages / name for name in ("data_tools", "megatron_mathcoder")]
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    python = [sysconfig.get_path(name) for name in names] + [sysconfig.get_path("stdlib", vars={"base": sys.base_prefix})]
    python += [*site.getsitepackages(), f"{sys.base_prefix}/lib"]
    found = [*python, *map(str, ours), *LIBRARY_PATHS, *READABLE_DEVICES]
    return tuple(dict.fromkeys(os.path.realpath(path) for path in found if path and os.path.exists(path)))  # noqa: PTH110


def _others_may_reach(path: str) -> bool:
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in Path(path).parents)


def _tasks_of_user(user: int) -> int:
    count = 0
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if entry.stat().st_uid == user:
                count += sum(1 for _ in (entry / "task").iterdir())
        except OSError:
            continue
    return count


def raise_walls(plan: Plan, limits: Limits, parent: int, scratch: str, floor: Iterable[str]) -> dict[str, str]:
    """Build every wall this machine allows; return each name with "" (up) or the reason it is down.

    ``parent``: the zygote's process id. Raises WallDown when one of ``floor`` is down. Afterwards the process can do little:
    import and read what it needs before.
    """
    steps: dict[str, Callable[[], None]] = {
        "rlimits": lambda: _limit_resources(plan, limits),
        "own_user": _become_own_user,
        "no_new_privs": lambda: _give_up_privileges(plan, parent),
        "landlock": lambda: landlock.restrict(plan.readable, scratch, WRITABLE_DEVICES),
        "seccomp": seccomp.install,
    }
    walls = {"namespaces": plan.namespaces}
    for name, step in steps.items():
        try:
            step()
            walls[name] = ""
        except OSError as error:
            walls[name] = error.strerror or str(error)
    for name in floor:
        if walls[name]:
            raise WallDown(f"{name}: {walls[name]}")
    return walls


def _limit_resources(plan: Plan, limits: Limits) -> None:
    with suppress(OSError):
        # Should the machine run out of memory in spite of the limits, the kernel takes this process and not its caller.
        Path("/proc/self/oom_score_adj").write_text("1000")
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    address_space = pages * resource.getpagesize() + limits.memory_bytes
    # The zygote measures to the millisecond and decides; the kernel's whole seconds hold should it be gone.
    cpu = int(limits.lifetime_cpu_seconds or limits.cpu_seconds) + 2
    tasks = plan.user_tasks + MAX_THREADS if os.geteuid() else MAX_THREADS
    for kind, soft, hard in (
        (resource.RLIMIT_CPU, cpu, cpu + 1),
        (resource.RLIMIT_AS, address_space, address_space),
        (resource.RLIMIT_FSIZE, limits.scratch_bytes // 4, limits.scratch_bytes // 4),
        (resource.RLIMIT_NOFILE, OPEN_FILES, OPEN_FILES),
        (resource.RLIMIT_NPROC, tasks, tasks),
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_MEMLOCK, 0, 0),
        (resource.RLIMIT_MSGQUEUE, 0, 0),
        (resource.RLIMIT_RTPRIO, 0, 0),
    ):
        highest = resource.getrlimit(kind)[1]
        if highest != resource.RLIM_INFINITY:
            soft, hard = min(soft, highest), min(hard, highest)
        resource.setrlimit(kind, (soft, hard))


def _become_own_user() -> None:
    if os.geteuid() != 0:
        raise OSError("needs root")
    os.setgroups([])
    os.setresgid(OWN_USER_ID, OWN_USER_ID, OWN_USER_ID)
    linux.prctl(linux.PR_SET_KEEPCAPS, 1)
    os.setresuid(OWN_USER_ID, OWN_USER_ID, OWN_USER_ID)


def _drop_capabilities(plan: Plan) -> None:
    try:
        linux.set_capabilities(linux.CAP_DAC_READ_SEARCH if plan.keep_reading else 0)
    except PermissionError:
        # It never had that one; then there is nothing to keep.
        linux.set_capabilities(0)


def _give_up_privileges(plan: Plan, parent: int) -> None:
    _drop_capabilities(plan)
    # After the change of user, which clears the parent-death signal.
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise OSError("the parent is gone")
    # Not dumpable: no core file, and nobody of the same user looks in.
    linux.prctl(linux.PR_SET_DUMPABLE, 0)
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
