"""Numbers of the system calls that the sandbox names, for both processors it knows.

Decides: nothing; it is a table (Linux uapi ``asm/unistd_64.h`` for x86-64, ``asm-generic/unistd.h`` for aarch64). ``None``:
that processor never had the call.
Does not: say what is allowed; ``seccomp.py`` does.
"""

import platform

from megatron_mathcoder.config.errors import PlatformError

# fmt: off
NUMBERS: dict[str, tuple[int | None, int | None]] = {
    # files already open
    "read": (0, 63), "write": (1, 64), "readv": (19, 65), "writev": (20, 66), "pread64": (17, 67), "pwrite64": (18, 68),
    "preadv": (295, 69), "pwritev": (296, 70), "lseek": (8, 62), "close": (3, 57), "close_range": (436, 436), "fstat": (5, 80),
    "newfstatat": (262, None), "fstatat": (None, 79), "fcntl": (72, 25), "fsync": (74, 82), "fdatasync": (75, 83),
    "ftruncate": (77, 46), "fallocate": (285, 47), "fadvise64": (221, 223), "dup": (32, 23), "dup2": (33, None),
    "dup3": (292, 24), "pipe": (22, None), "pipe2": (293, 59),
    # paths, which Landlock judges
    "open": (2, None), "openat": (257, 56), "creat": (85, None), "stat": (4, None), "lstat": (6, None), "statx": (332, 291),
    "access": (21, None), "faccessat": (269, 48), "faccessat2": (439, 439), "readlink": (89, None), "readlinkat": (267, 78),
    "getdents": (78, None), "getdents64": (217, 61), "getcwd": (79, 17), "chdir": (80, 49), "fchdir": (81, 50),
    "statfs": (137, 43), "fstatfs": (138, 44), "rename": (82, None), "renameat": (264, 38), "renameat2": (316, 276),
    "mkdir": (83, None), "mkdirat": (258, 34), "rmdir": (84, None), "unlink": (87, None), "unlinkat": (263, 35),
    "umask": (95, 166),
    # waiting
    "poll": (7, None), "ppoll": (271, 73), "select": (23, None), "pselect6": (270, 72), "epoll_create": (213, None),
    "epoll_create1": (291, 20), "epoll_ctl": (233, 21), "epoll_wait": (232, None), "epoll_pwait": (281, 22),
    "pause": (34, None), "nanosleep": (35, 101), "clock_nanosleep": (230, 115), "futex": (202, 98),
    "restart_syscall": (219, 128), "wait4": (61, 260), "waitid": (247, 95),
    # memory
    "mmap": (9, 222), "mprotect": (10, 226), "munmap": (11, 215), "mremap": (25, 216), "brk": (12, 214), "madvise": (28, 233),
    "msync": (26, 227), "membarrier": (324, 283),
    # signals to itself, timers
    "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "rt_sigpending": (127, 136),
    "rt_sigtimedwait": (128, 137), "rt_sigsuspend": (130, 133), "sigaltstack": (131, 132), "getitimer": (36, 102),
    "setitimer": (38, 103), "alarm": (37, None),
    # who and when
    "getpid": (39, 172), "gettid": (186, 178), "getppid": (110, 173), "getuid": (102, 174), "geteuid": (107, 175),
    "getgid": (104, 176), "getegid": (108, 177), "getgroups": (115, 158), "getresuid": (118, 148), "getresgid": (120, 150),
    "getpgid": (121, 155), "getpgrp": (111, None), "getsid": (124, 156), "uname": (63, 160), "gettimeofday": (96, 169),
    "time": (201, None), "clock_gettime": (228, 113), "clock_getres": (229, 114), "getrlimit": (97, 163),
    "getrusage": (98, 165), "sysinfo": (99, 179), "times": (100, 153), "getcpu": (309, 168), "capget": (125, 90),
    "getrandom": (318, 278),
    # threads and the end
    "sched_yield": (24, 124), "sched_getaffinity": (204, 123), "sched_getparam": (143, 121), "sched_getscheduler": (145, 120),
    "sched_get_priority_max": (146, 125), "sched_get_priority_min": (147, 126), "getpriority": (140, 141),
    "set_tid_address": (218, 96), "set_robust_list": (273, 99), "rseq": (334, 293), "exit": (60, 93), "exit_group": (231, 94),
    # allowed for some arguments only (seccomp.py)
    "clone": (56, 220), "kill": (62, 129), "tgkill": (234, 131), "prctl": (157, 167), "prlimit64": (302, 261),
    "ioctl": (16, 29),
    # answered ENOSYS, so that libc falls back
    "clone3": (435, 435), "openat2": (437, 437),
    # used to build the walls
    "landlock_create_ruleset": (444, 444), "landlock_add_rule": (445, 445), "landlock_restrict_self": (446, 446),
    "seccomp": (317, 277), "capset": (126, 91),
}
# fmt: on
"""Name to (x86-64, aarch64)."""

MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""Machine to (column above, AUDIT_ARCH constant of ``linux/audit.h``)."""


def machine_column() -> tuple[int, int]:
    """Return this machine's column and AUDIT_ARCH. Raises PlatformError for a processor without a table."""
    machine = platform.machine()
    if machine not in MACHINES:
        raise PlatformError(f"the sandbox has no system-call table for {machine!r}; it runs on {' and '.join(MACHINES)}")
    return MACHINES[machine]


def number(name: str) -> int | None:
    """Return the number of a call on this machine, or None where it does not exist."""
    return NUMBERS[name][machine_column()[0]]
