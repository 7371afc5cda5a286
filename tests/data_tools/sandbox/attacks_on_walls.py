# ruff: noqa: E501
"""Hostile snippets that try to get through the walls. One that gets what it wants prints PWNED.

``TARGET`` is a file that every user may read and write, in a folder that every user may write: only the sandbox protects it.
``PARENT`` is the process above. ``attempt(function)`` prints PWNED unless the function fails.
"""

PRELUDE = """
import ctypes, os, platform, sys
TARGET = {target!r}
PARENT = os.getppid()
libc = ctypes.CDLL(None, use_errno=True)
ARM = platform.machine() == "aarch64"
def attempt(function):
    try:
        result = function()
    except BaseException as error:
        print(type(error).__name__)
    else:
        print("PWNED", repr(result)[:200])
def refused(number, *arguments):
    # A raw system call must fail: numbers are given for x86-64 and aarch64.
    number = number[ARM] if isinstance(number, tuple) else number
    if number is None:
        return
    result = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])
    print("PWNED %d" % result if result >= 0 else "refused %d" % ctypes.get_errno())
"""

ENDED = ("ok", "exception")

FILES = {
    "read a world-readable file": "attempt(lambda: open(TARGET).read())",
    "read /etc/passwd": "attempt(lambda: open('/etc/passwd').read())",
    "read /etc/shadow": "attempt(lambda: open('/etc/shadow').read())",
    "read its own environment": "attempt(lambda: open('/proc/self/environ').read())",
    "read the first process's environment": "attempt(lambda: open('/proc/1/environ').read())",
    "read the parent's environment": "attempt(lambda: open(f'/proc/{PARENT}/environ').read())",
    "read its own memory": "attempt(lambda: open('/proc/self/mem', 'rb').read(1))",
    "write its own memory": "attempt(lambda: open('/proc/self/mem', 'r+b'))",
    "read the parent's memory": "attempt(lambda: open(f'/proc/{PARENT}/mem', 'rb'))",
    "read the parent's maps": "attempt(lambda: open(f'/proc/{PARENT}/maps').read())",
    "list the parent's descriptors": "attempt(lambda: os.listdir(f'/proc/{PARENT}/fd'))",
    "list processes": "attempt(lambda: os.listdir('/proc'))",
    "read kernel memory": "attempt(lambda: open('/proc/kcore', 'rb').read(1))",
    "read the disk": "attempt(lambda: open('/dev/vda', 'rb').read(1)); attempt(lambda: open('/dev/sda', 'rb').read(1))",
    "open the terminal": "attempt(lambda: open('/dev/tty'))",
    "list the root": "attempt(lambda: os.listdir('/'))",
    "list a home": "attempt(lambda: os.listdir(os.path.expanduser('~root')))",
    "list where other scratch folders are": "attempt(lambda: os.listdir('..'))",
    "walk up from the scratch folder": "attempt(lambda: open('../' * 12 + 'etc/passwd').read())",
    "change directory and read": "os.chdir('/etc'); attempt(lambda: open('passwd').read())",
    "open a folder by descriptor and read": (
        "d = os.open('/etc', os.O_PATH); attempt(lambda: os.open('passwd', os.O_RDONLY, dir_fd=d))"
    ),
    "reopen a path descriptor": "d = os.open('/etc/passwd', os.O_PATH); attempt(lambda: open(f'/proc/self/fd/{d}').read())",
    "read through a symbolic link": "attempt(lambda: os.symlink('/etc/passwd', 'link'))",
    "read through a hard link": "attempt(lambda: os.link(TARGET, 'link'))",
    "read with sendfile": "d = os.open('/etc/passwd', os.O_PATH); attempt(lambda: os.sendfile(1, d, 0, 10))",
    "open by handle": "refused((304, 265), -100, 0, 0)",
    "read the kernel's log": "refused((103, 116), 3, ctypes.create_string_buffer(100), 100)",
    "write a world-writable file": "attempt(lambda: open(TARGET, 'w').write('x'))",
    "append to a world-writable file": "attempt(lambda: open(TARGET, 'a').write('x'))",
    "truncate by path": "attempt(lambda: os.truncate(TARGET, 0))",
    "truncate while opening for reading": "attempt(lambda: os.open(TARGET, os.O_RDONLY | os.O_TRUNC))",
    "remove a file": "attempt(lambda: os.unlink(TARGET))",
    "rename a file": "attempt(lambda: os.rename(TARGET, TARGET + '.moved'))",
    "put a file in its place": "open('new', 'w').close(); attempt(lambda: os.rename('new', TARGET))",
    "change a mode": "attempt(lambda: os.chmod(TARGET, 0o777))",
    "change a mode in the scratch folder": "open('x', 'w').close(); attempt(lambda: os.chmod('x', 0o4777))",
    "change an owner": "attempt(lambda: os.chown(TARGET, os.getuid(), os.getgid()))",
    "change a time": "attempt(lambda: os.utime(TARGET, (0, 0)))",
    "set an extended attribute": "attempt(lambda: os.setxattr(TARGET, 'user.x', b'1'))",
    "make a fifo": "attempt(lambda: os.mkfifo('fifo'))",
    "make a device": "attempt(lambda: os.mknod('null', 0o20666, os.makedev(1, 3)))",
    "make a folder": "attempt(lambda: os.mkdir('folder'))",
    "write into the packages": "attempt(lambda: open(os.path.dirname(os.__file__) + '/evil.py', 'w'))",
    "replace a module": "attempt(lambda: open(os.__file__, 'r+'))",
    "remove a module": "attempt(lambda: os.unlink(os.__file__))",
    "write to /tmp": "attempt(lambda: open('/tmp/mathcoder-evil', 'w'))",
    "write to shared memory": "attempt(lambda: open('/dev/shm/mathcoder-evil', 'w'))",
    "make named shared memory": (
        "from multiprocessing import shared_memory as m; attempt(lambda: m.SharedMemory('evil', True, 9))"
    ),
    "remove its own scratch folder": "here = os.getcwd(); os.chdir('/'); attempt(lambda: os.rmdir(here))",
    "mount": "refused((165, 40), b'none', b'/tmp', b'tmpfs', 0, 0)",
    "change the root": "attempt(lambda: os.chroot('.'))",
    "lock a file of the interpreter": "import fcntl; f = open(os.__file__); attempt(lambda: fcntl.flock(f, fcntl.LOCK_EX))",
    "watch files": "refused((254, None), 0); refused((294, 26), 0)",
    "write its own memory through a thread's file": "attempt(lambda: os.open(f'/proc/self/task/{os.getpid()}/mem', os.O_WRONLY))",
    "read the parent's arguments": "attempt(lambda: open(f'/proc/{PARENT}/cmdline').read())",
    "read its own arguments": "attempt(lambda: open('/proc/self/cmdline').read())",
    "follow the parent's root": "attempt(lambda: os.listdir(f'/proc/{PARENT}/root'))",
    "follow its own root": "attempt(lambda: open('/proc/self/root/etc/passwd').read())",
    "follow its own working folder upwards": "attempt(lambda: open('/proc/self/cwd/../../../etc/passwd').read())",
    "read where the parent's descriptors lead": "attempt(lambda: os.readlink(f'/proc/{PARENT}/fd/0'))",
    "read where the parent's program lies": "attempt(lambda: os.readlink(f'/proc/{PARENT}/exe'))",
    "open the parent's standard streams": "[attempt(lambda n=n: os.open(f'/proc/{PARENT}/fd/{n}', os.O_RDWR)) for n in range(9)]",
    "find an inherited descriptor": (
        "import stat\nfor n in range(5, 4096):\n    try: print('PWNED', n, os.fstat(n))\n    except OSError: pass\n"
        "print('PWNED' if stat.S_ISSOCK(os.fstat(0).st_mode) else 'none')"
    ),
    "find the answers in memory": (
        "import gc; gc.unfreeze(); found = [o for o in gc.get_objects() if isinstance(o, dict) and 'SECRET_TOKEN' in o]\n"
        "print('PWNED' if found or 'SECRET_TOKEN' in os.environ else 'none')"
    ),
    "read the environment that libc keeps": (
        "e = ctypes.POINTER(ctypes.c_char_p).in_dll(libc, 'environ'); n = 0\n"
        "while e[n]:\n    if e[n].startswith(b'SECRET'): print('PWNED')\n    n += 1"
    ),
    "read the environment at the top of the stack": (
        "m = ctypes.string_at(ctypes.POINTER(ctypes.c_void_p).in_dll(libc, 'environ')[0], 150)\n"
        "print('PWNED' if b'SECRET_TOKEN' in m else 'none')"
    ),
    "watch a folder by a file's notifications": "import fcntl; d = os.open('.', os.O_RDONLY); attempt(lambda: fcntl.fcntl(d, fcntl.F_NOTIFY, 1))",
    "copy between files in the kernel": "a = open(os.__file__, 'rb'); b = open('x', 'wb'); refused((326, 285), a.fileno(), 0, b.fileno(), 0, 10, 0)",
    "watch the whole file system": "refused((300, 262), 0, 0); refused((301, 263), 0, 1, 1, -100, b'/')",
    "change to the folder of another run": "for n in range(1, 200):\n    if os.path.basename(os.getcwd()) != str(n): attempt(lambda: open(f'../{n}/x', 'w'))",
    "swap its folder's name": "here = os.getcwd(); attempt(lambda: os.rename(here, here + 'x'))",
    "exchange two names": "open('a', 'w').close(); refused((316, 276), -100, b'a', -100, TARGET.encode(), 2)",
    "race a link against a check": "for _ in range(200):\n    for make in (os.symlink, os.link):\n        try: make(TARGET, 'race'); print('PWNED')\n        except OSError: pass",
    "a socket file": "refused((133, 33), -100, b'sock', 0o140777, 0); refused((133, None), b'sock', 0o140777, 0)",
    "an unnamed temporary file outside": "attempt(lambda: os.open('/tmp', os.O_TMPFILE | os.O_RDWR))",
    "write with a set-user-id bit": "d = os.open('x', os.O_CREAT | os.O_WRONLY, 0o4755); attempt(lambda: os.fchmod(d, 0o4755))",
    "change an attribute of a file": "import fcntl; d = os.open('x', os.O_CREAT | os.O_RDWR); attempt(lambda: fcntl.ioctl(d, 0x40086602, b'\\x20' + b'\\0' * 7))",
    "map a file twice": "import fcntl; d = os.open('x', os.O_CREAT | os.O_RDWR); attempt(lambda: fcntl.ioctl(d, 0x40049409, 0))",
    "write to the null device's node": "attempt(lambda: os.unlink('/dev/null')); attempt(lambda: open('/dev/full', 'w'))",
    "read a device": "attempt(lambda: open('/dev/mem', 'rb')); attempt(lambda: open('/dev/kmsg', 'rb')); attempt(lambda: open('/dev/fuse', 'r+b'))",
    "read the kernel's settings": "attempt(lambda: open('/proc/sys/kernel/core_pattern').read()); attempt(lambda: os.listdir('/sys'))",
    "change the kernel's settings": "attempt(lambda: open('/proc/sys/kernel/core_pattern', 'w')); attempt(lambda: open('/proc/sysrq-trigger', 'w'))",
    "protect itself from the memory killer": "attempt(lambda: open('/proc/self/oom_score_adj', 'w').write('-1000'))",
    "read the control groups": "attempt(lambda: open('/proc/self/cgroup').read()); attempt(lambda: os.listdir('/sys/fs/cgroup'))",
    "reserve space beyond the file": "f = open('x', 'wb'); [refused((285, 47), f.fileno(), mode, 0, 1 << 34) for mode in (1, 2, 3, 0x10, 0x20)]",
    "reserve more than a file may have": "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); f = open('x', 'wb'); attempt(lambda: os.posix_fallocate(f.fileno(), 0, 1 << 34))",
    "a sparse file of a terabyte": "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); f = open('x', 'wb'); attempt(lambda: os.ftruncate(f.fileno(), 1 << 40))",
    "read the tests' answers": "import data_tools; attempt(lambda: os.listdir(os.path.dirname(os.path.dirname(data_tools.__file__)))); attempt(lambda: os.listdir(os.path.dirname(os.path.dirname(data_tools.__file__)) + '/tests'))",
}

PROCESSES = {
    "fork": "attempt(os.fork)",
    "vfork": "refused((58, None))",
    "clone without threads": "refused((56, 220), 17, 0, 0, 0, 0)",
    "clone3": "refused(435, ctypes.create_string_buffer(88), 88)",
    "clone into new namespaces": "refused((56, 220), 0x10000000 | 17, 0, 0, 0, 0)",
    "fork bomb": "\nfor _ in range(10_000):\n    try: os.fork(); print('PWNED')\n    except OSError: pass",
    "run a program": "import subprocess; attempt(lambda: subprocess.run(['/bin/true']))",
    "run a shell": "print('PWNED' if os.system('true') == 0 else 'refused')",
    "replace itself": "attempt(lambda: os.execv('/bin/sh', ['sh', '-c', 'echo PWNED']))",
    "spawn": "attempt(lambda: os.posix_spawn('/bin/true', ['true'], {}))",
    "run another interpreter": "attempt(lambda: os.execv(sys.executable, [sys.executable, '-c', 'print(\"PWNED\")']))",
    "run from memory": "attempt(lambda: os.memfd_create('evil'))",
    "run by descriptor": "d = os.open('/bin/true', os.O_PATH); refused((322, 281), d, b'', 0, 0, 0x1000)",
    "multiprocessing": "import multiprocessing as m; attempt(lambda: m.get_context('fork').Process(target=print).start())",
    "a pseudo terminal": "import pty; attempt(pty.fork)",
    "leave the session": "attempt(os.setsid)",
    "change the process group": "attempt(lambda: os.setpgid(0, 0))",
    "trace the parent": "refused((101, 117), 16, PARENT, 0, 0)",
    "trace itself": "refused((101, 117), 0, 0, 0, 0)",
    "read another process's memory": "refused((310, 270), PARENT, 0, 0, 0, 0, 0)",
    "write another process's memory": "refused((311, 271), PARENT, 0, 0, 0, 0, 0)",
    "compare kernel objects": "refused((312, 272), PARENT, os.getpid(), 0, 0, 0)",
    "get a process descriptor": "refused(434, PARENT, 0)",
    "take another process's descriptor": "refused(438, 0, 0, 0)",
    "limit the parent": "import resource as r; attempt(lambda: r.prlimit(PARENT, r.RLIMIT_CPU, (1, 1)))",
    "slow down the parent": "attempt(lambda: os.setpriority(os.PRIO_PROCESS, PARENT, 19))",
    "make a file in memory and run it": "refused((319, 279), b'x', 1); refused((322, 281), 5, b'', 0, 0, 0x1000)",
    "run with an empty path and itself": "d = os.open(sys.executable, os.O_PATH); refused((322, 281), d, b'', 0, 0, 0x1000)",
    "a thread in namespaces of its own": "[refused((56, 220), 0x10F00 | flag, 0, 0, 0, 0) for flag in (0x20000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000)]",
    "a thread with descriptors of its own": "refused((56, 220), 0x10900 | 0x200, 0, 0, 0, 0)",
    "a thread that cannot be traced": "refused((56, 220), 0x10F00 | 0x800000, 0, 0, 0, 0)",
    "a sibling instead of a child": "refused((56, 220), 0x8000 | 17, 0, 0, 0, 0)",
    "a child that shares memory": "refused((56, 220), 0x100 | 17, 0, 0, 0, 0)",
    "clone3 with a namespace": "import struct; b = ctypes.create_string_buffer(struct.pack('11Q', 0x10000000, *[0] * 10)); refused(435, b, 88)",
    "wait for somebody else": "attempt(lambda: os.waitpid(PARENT, os.WNOHANG)); attempt(lambda: os.waitid(os.P_PID, PARENT, os.WEXITED | os.WNOHANG))",
    "move pages": "refused((279, 239), PARENT, 0, 0, 0, 0); refused((256, 238), PARENT, 8, 0, 0)",
    "advise on another process's memory": "refused(440, 0, 0, 0, 0, 0); refused(448, 0, 0, 0)",
    "let others trace it": "refused((157, 167), 0x59616D61, -1, 0, 0, 0)",
    "become the reaper of orphans": "refused((157, 167), 36, 1, 0, 0, 0)",
    "ask for another's limits": "refused((302, 261), PARENT, 6, 0, ctypes.create_string_buffer(16))",
    "run a program of another kind": "open('x.sh', 'w').write('#!/bin/sh\\necho PWNED'); attempt(lambda: os.execv('x.sh', ['x.sh']))",
    "use the sandbox from inside": "from data_tools.sandbox.sandbox import Sandbox; attempt(lambda: Sandbox(workers=1))",
    "asyncio with a subprocess": "import asyncio; attempt(lambda: asyncio.run(asyncio.create_subprocess_exec('true')))",
}

SIGNALS = {
    "kill the parent": "attempt(lambda: os.kill(PARENT, 9))",
    "test for the parent": "attempt(lambda: os.kill(PARENT, 0))",
    "kill everything": "attempt(lambda: os.kill(-1, 9))",
    "kill its group": "attempt(lambda: os.killpg(os.getpgid(PARENT), 9))",
    "kill group zero": "attempt(lambda: os.kill(0, 9))",
    "kill the first process": "attempt(lambda: os.kill(1, 9))",
    "signal a thread of the parent": "refused((234, 131), PARENT, PARENT, 9)",
    "signal any thread": "refused((200, 130), PARENT, 9)",
    "queue a signal to the parent": "refused((129, 138), PARENT, 9, ctypes.create_string_buffer(128))",
    "have the kernel signal the parent": "import fcntl; r, w = os.pipe(); attempt(lambda: fcntl.fcntl(r, fcntl.F_SETOWN, PARENT))",
    "make a timer that signals": "refused((222, 107), 1, 0, ctypes.create_string_buffer(8))",
    "outlive the parent": "refused((157, 167), 1, 0, 0, 0, 0)",
    "signal a process by descriptor": "refused(424, 0, 9, 0, 0)",
    "kill by a negative id": "attempt(lambda: os.kill(-os.getpid(), 9)); attempt(lambda: os.kill(-PARENT, 9))",
    "kill with bits above the id": "refused((62, 129), (1 << 32) | PARENT, 9)",
    "signal every process id near": "for n in range(1, 300):\n    if n != os.getpid(): attempt(lambda n=n: os.kill(n, 0))",
    "signal by a timer": "refused((222, 107), 0, ctypes.create_string_buffer(64), ctypes.create_string_buffer(8))",
    "have a pipe signal": "import fcntl; r, w = os.pipe(); attempt(lambda: fcntl.fcntl(r, fcntl.F_SETSIG, 9)); attempt(lambda: fcntl.fcntl(r, 15, b'\\0' * 8))",
    "take a lease": "import fcntl; f = open('x', 'w'); attempt(lambda: fcntl.fcntl(f, fcntl.F_SETLEASE, fcntl.F_WRLCK))",
}

NETWORK = {
    "tcp": "import socket; attempt(socket.socket)",
    "udp": "import socket; attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))",
    "ipv6": "import socket; attempt(lambda: socket.socket(socket.AF_INET6))",
    "unix socket": "import socket; attempt(lambda: socket.socket(socket.AF_UNIX))",
    "netlink": "import socket; attempt(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW))",
    "raw packets": "import socket; attempt(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))",
    "virtual machine sockets": "import socket; attempt(lambda: socket.socket(40, socket.SOCK_STREAM))",
    "socket pair": "import socket; attempt(socket.socketpair)",
    "download": "import urllib.request; attempt(lambda: urllib.request.urlopen('http://127.0.0.1:80', timeout=1))",
    "name look-up": "import socket; attempt(lambda: socket.getaddrinfo('example.com', 80))",
    "reach every socket that is open": "import socket\nfor n in range(64): attempt(lambda n=n: socket.socket(fileno=n).getsockname())",
    "send over an inherited descriptor": "refused((46, 211), 4, ctypes.create_string_buffer(56), 0)",
    "take a descriptor over a socket": "refused((47, 212), 3, ctypes.create_string_buffer(56), 0)",
    "an abstract socket": "import socket; attempt(lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).bind('\\0evil'))",
    "a socket of every family": "import socket\nfor f in range(46): attempt(lambda f=f: socket.socket(f, socket.SOCK_DGRAM))",
    "a raw socket call": "refused((41, 198), 2, 1, 0); refused((53, 199), 1, 1, 0, ctypes.create_string_buffer(8))",
    "a server": "import http.server; attempt(lambda: http.server.HTTPServer(('127.0.0.1', 0), None))",
}

KERNEL = {
    "bpf": "refused((321, 280), 0, 0, 0)",
    "io_uring": "refused(425, 8, ctypes.create_string_buffer(120))",
    "userfaultfd": "refused((323, 282), 1)",
    "keyctl": "refused((250, 219), 0, -3, 1)",
    "add_key": "refused((248, 217), b'user', b'x', b'y', 1, -3)",
    "performance counters": "refused((298, 241), ctypes.create_string_buffer(128), 0, -1, -1, 0)",
    "new namespaces": "refused((272, 97), 0x10000000)",
    "enter a namespace": "refused((308, 268), 0, 0)",
    "new mount interface": "refused(430, b'tmpfs', 0); refused(428, -100, b'/', 1)",
    "load a module": "refused((175, 105), 0, 0, b'')",
    "reboot": "refused((169, 142), 0xFEE1DEAD, 672274793, 0, 0)",
    "swap": "refused((167, 224), b'/x', 0)",
    "set the clock": "refused((227, 112), 0, ctypes.create_string_buffer(16))",
    "set the host name": "refused((170, 161), b'evil', 4)",
    "raise a limit": "import resource as r; attempt(lambda: r.setrlimit(r.RLIMIT_CPU, (r.RLIM_INFINITY,) * 2))",
    "lower a limit": "import resource as r; attempt(lambda: r.setrlimit(r.RLIMIT_NOFILE, (8, 8)))",
    "pin to a core": "attempt(lambda: os.sched_setaffinity(0, {0}))",
    "real-time priority": "attempt(lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)))",
    "be nice": "attempt(lambda: os.nice(1))",
    "become root": "attempt(lambda: os.setuid(0)); attempt(lambda: os.setresuid(0, 0, 0))",
    "change groups": "attempt(lambda: os.setgroups([0]))",
    "take capabilities": "refused((126, 91), ctypes.create_string_buffer(8), ctypes.create_string_buffer(24))",
    "new filter": "refused((317, 277), 1, 0, ctypes.create_string_buffer(16))",
    "undo no_new_privs": "refused((157, 167), 38, 0, 0, 0, 0)",
    "change the personality": "refused((135, 92), 0x0040000)",
    "system V memory": "refused((29, 194), 0, 4096, 0o1666)",
    "system V semaphores": "refused((64, 190), 0, 1, 0o1666)",
    "system V messages": "refused((68, 186), 0, 0o1666)",
    "message queue": "refused((240, 180), b'evil', 0o102, 0o666, 0)",
    "named semaphore": "import multiprocessing as m; attempt(lambda: m.Semaphore())",
    "lock memory": "refused((151, 230), 3)",
    "splice": "r, w = os.pipe(); refused((275, 76), r, 0, w, 0, 1, 0)",
    "secret memory": "refused(447, 0)",
    "a call that does not exist": "refused(9999)",
    "a terminal's input": "import fcntl; attempt(lambda: fcntl.ioctl(0, 0x5412, b'x'))",
    "io_uring's other calls": "refused(426, 0, 1, 1, 0, 0, 0); refused(427, 0, 0, 0, 0)",
    "enlarge a pipe": "import fcntl; r, w = os.pipe(); attempt(lambda: fcntl.fcntl(w, 1031, 1 << 20))",
    "fill a pipe from user memory": "r, w = os.pipe(); refused((278, 75), w, ctypes.create_string_buffer(16), 1, 8)",
    "tee": "r, w = os.pipe(); r2, w2 = os.pipe(); refused((276, 77), r, w2, 1, 0)",
    "load a kernel by descriptor": "refused((313, 273), 0, b'', 0); refused((320, 294), 0, 0, 0, 0, 0)",
    "protection keys and secret memory": "refused((329, 288), 0, 4096, 1, 0); refused(447, 1)",
    "shadow stacks and descriptors of the processor": "refused((154, None), 0, 0, 0); refused((158, None), 0x1002, 0)",
    "direct access to ports": "refused((172, None), 3); refused((173, None), 0, 100, 1)",
    "the system's log and accounting": "refused((163, 89), b'x'); refused((103, 116), 10, 0, 0)",
    "quotas": "refused((179, 60), 0x800002, 0, 0, 0); refused(443, 0, 0, 0, 0)",
    "change the clock's speed": "refused((159, 171), ctypes.create_string_buffer(208)); refused((305, 266), 0, ctypes.create_string_buffer(208))",
    "move into another control group's scheduler": "refused((314, 274), 0, ctypes.create_string_buffer(48), 0)",
    "change its input and output priority": "refused((251, 30), 1, 0, 0)",
    "keep secrets in the kernel's keyring": "refused((249, 218), b'user', b'x', 0, -3)",
    "make it dumpable again": "refused((157, 167), 4, 1, 0, 0, 0)",
    "forget its memory's layout": "refused((157, 167), 35, 1, 0, 0, 0)",
    "switch off the speculation guards": "refused((157, 167), 53, 0, 2, 0, 0)",
    "add a filter through prctl": "refused((157, 167), 22, 2, 0, 0, 0)",
    "an asynchronous read": "refused((206, 0), 1, ctypes.create_string_buffer(8))",
    "old calls": "refused((139, None), 1); refused((134, None), 0); refused((153, 58))",
    "a call number beyond all": "refused(0x3FFFFFFF)",
    "another user name": "attempt(lambda: os.setegid(0)); attempt(lambda: os.setfsuid(0) if hasattr(os, 'setfsuid') else os.seteuid(0)); refused((122, 151), 0)",
}

GROUPS = {
    group: {name: (PRELUDE + code, ENDED) for name, code in snippets.items()}
    for group, snippets in (
        ("FILES", FILES),
        ("PROCESSES", PROCESSES),
        ("SIGNALS", SIGNALS),
        ("NETWORK", NETWORK),
        ("KERNEL", KERNEL),
    )
}
"""Group → name → (snippet, the statuses it may end with)."""
