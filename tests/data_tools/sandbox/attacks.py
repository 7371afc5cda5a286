# ruff: noqa: E501, ISC004
"""Hostile snippets, each with the endings that are allowed to it. A snippet that gets what it wants prints PWNED.

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
}

OTHER_WAYS = {
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
    "reach every socket that is open": "import socket\nfor n in range(64): attempt(lambda n=n: socket.socket(fileno=n).getsockname())",
    "send over an inherited descriptor": "refused((46, 211), 4, ctypes.create_string_buffer(56), 0)",
    "take a descriptor over a socket": "refused((47, 212), 3, ctypes.create_string_buffer(56), 0)",
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
    "an abstract socket": "import socket; attempt(lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).bind('\\0evil'))",
    "a socket of every family": "import socket\nfor f in range(46): attempt(lambda f=f: socket.socket(f, socket.SOCK_DGRAM))",
    "a raw socket call": "refused((41, 198), 2, 1, 0); refused((53, 199), 1, 1, 0, ctypes.create_string_buffer(8))",
    "io_uring's other calls": "refused(426, 0, 1, 1, 0, 0, 0); refused(427, 0, 0, 0, 0)",
    "make a file in memory and run it": "refused((319, 279), b'x', 1); refused((322, 281), 5, b'', 0, 0, 0x1000)",
    "run with an empty path and itself": "d = os.open(sys.executable, os.O_PATH); refused((322, 281), d, b'', 0, 0, 0x1000)",
    "a thread in namespaces of its own": "[refused((56, 220), 0x10F00 | flag, 0, 0, 0, 0) for flag in (0x20000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000)]",
    "a thread with descriptors of its own": "refused((56, 220), 0x10900 | 0x200, 0, 0, 0, 0)",
    "a thread that cannot be traced": "refused((56, 220), 0x10F00 | 0x800000, 0, 0, 0, 0)",
    "a sibling instead of a child": "refused((56, 220), 0x8000 | 17, 0, 0, 0, 0)",
    "a child that shares memory": "refused((56, 220), 0x100 | 17, 0, 0, 0, 0)",
    "clone3 with a namespace": "import struct; b = ctypes.create_string_buffer(struct.pack('11Q', 0x10000000, *[0] * 10)); refused(435, b, 88)",
    "signal a process by descriptor": "refused(424, 0, 9, 0, 0)",
    "wait for somebody else": "attempt(lambda: os.waitpid(PARENT, os.WNOHANG)); attempt(lambda: os.waitid(os.P_PID, PARENT, os.WEXITED | os.WNOHANG))",
    "kill by a negative id": "attempt(lambda: os.kill(-os.getpid(), 9)); attempt(lambda: os.kill(-PARENT, 9))",
    "kill with bits above the id": "refused((62, 129), (1 << 32) | PARENT, 9)",
    "signal every process id near": "for n in range(1, 300):\n    if n != os.getpid(): attempt(lambda n=n: os.kill(n, 0))",
    "signal by a timer": "refused((222, 107), 0, ctypes.create_string_buffer(64), ctypes.create_string_buffer(8))",
    "have a pipe signal": "import fcntl; r, w = os.pipe(); attempt(lambda: fcntl.fcntl(r, fcntl.F_SETSIG, 9)); attempt(lambda: fcntl.fcntl(r, 15, b'\\0' * 8))",
    "take a lease": "import fcntl; f = open('x', 'w'); attempt(lambda: fcntl.fcntl(f, fcntl.F_SETLEASE, fcntl.F_WRLCK))",
    "watch a folder by a file's notifications": "import fcntl; d = os.open('.', os.O_RDONLY); attempt(lambda: fcntl.fcntl(d, fcntl.F_NOTIFY, 1))",
    "enlarge a pipe": "import fcntl; r, w = os.pipe(); attempt(lambda: fcntl.fcntl(w, 1031, 1 << 20))",
    "fill a pipe from user memory": "r, w = os.pipe(); refused((278, 75), w, ctypes.create_string_buffer(16), 1, 8)",
    "copy between files in the kernel": "a = open(os.__file__, 'rb'); b = open('x', 'wb'); refused((326, 285), a.fileno(), 0, b.fileno(), 0, 10, 0)",
    "tee": "r, w = os.pipe(); r2, w2 = os.pipe(); refused((276, 77), r, w2, 1, 0)",
    "load a kernel by descriptor": "refused((313, 273), 0, b'', 0); refused((320, 294), 0, 0, 0, 0, 0)",
    "move pages": "refused((279, 239), PARENT, 0, 0, 0, 0); refused((256, 238), PARENT, 8, 0, 0)",
    "advise on another process's memory": "refused(440, 0, 0, 0, 0, 0); refused(448, 0, 0, 0)",
    "protection keys and secret memory": "refused((329, 288), 0, 4096, 1, 0); refused(447, 1)",
    "shadow stacks and descriptors of the processor": "refused((154, None), 0, 0, 0); refused((158, None), 0x1002, 0)",
    "direct access to ports": "refused((172, None), 3); refused((173, None), 0, 100, 1)",
    "the system's log and accounting": "refused((163, 89), b'x'); refused((103, 116), 10, 0, 0)",
    "quotas": "refused((179, 60), 0x800002, 0, 0, 0); refused(443, 0, 0, 0, 0)",
    "watch the whole file system": "refused((300, 262), 0, 0); refused((301, 263), 0, 1, 1, -100, b'/')",
    "change the clock's speed": "refused((159, 171), ctypes.create_string_buffer(208)); refused((305, 266), 0, ctypes.create_string_buffer(208))",
    "move into another control group's scheduler": "refused((314, 274), 0, ctypes.create_string_buffer(48), 0)",
    "change its input and output priority": "refused((251, 30), 1, 0, 0)",
    "keep secrets in the kernel's keyring": "refused((249, 218), b'user', b'x', 0, -3)",
    "make it dumpable again": "refused((157, 167), 4, 1, 0, 0, 0)",
    "let others trace it": "refused((157, 167), 0x59616D61, -1, 0, 0, 0)",
    "become the reaper of orphans": "refused((157, 167), 36, 1, 0, 0, 0)",
    "forget its memory's layout": "refused((157, 167), 35, 1, 0, 0, 0)",
    "switch off the speculation guards": "refused((157, 167), 53, 0, 2, 0, 0)",
    "add a filter through prctl": "refused((157, 167), 22, 2, 0, 0, 0)",
    "ask for another's limits": "refused((302, 261), PARENT, 6, 0, ctypes.create_string_buffer(16))",
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
    "an asynchronous read": "refused((206, 0), 1, ctypes.create_string_buffer(8))",
    "old calls": "refused((139, None), 1); refused((134, None), 0); refused((153, 58))",
    "a call number beyond all": "refused(0x3FFFFFFF)",
    "another user name": "attempt(lambda: os.setegid(0)); attempt(lambda: os.setfsuid(0) if hasattr(os, 'setfsuid') else os.seteuid(0)); refused((122, 151), 0)",
    "run a program of another kind": "open('x.sh', 'w').write('#!/bin/sh\\necho PWNED'); attempt(lambda: os.execv('x.sh', ['x.sh']))",
    "read the tests' answers": "import data_tools; attempt(lambda: os.listdir(os.path.dirname(os.path.dirname(data_tools.__file__)))); attempt(lambda: os.listdir(os.path.dirname(os.path.dirname(data_tools.__file__)) + '/tests'))",
    "use the sandbox from inside": "from data_tools.sandbox.sandbox import Sandbox; attempt(lambda: Sandbox(workers=1))",
    "a server": "import http.server; attempt(lambda: http.server.HTTPServer(('127.0.0.1', 0), None))",
    "asyncio with a subprocess": "import asyncio; attempt(lambda: asyncio.run(asyncio.create_subprocess_exec('true')))",
}

RESOURCES = {
    "endless loop": ("while True: pass", ("cpu",)),
    "endless loop that catches everything": (
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        ("cpu",),
    ),
    "ignored signals": (
        "import signal\nfor n in range(1, 65):\n    try: signal.signal(n, signal.SIG_IGN)\n    except (OSError, ValueError): pass\n"
        "while True: pass",
        ("cpu",),
    ),
    "endless threads": (
        "import threading\nfor _ in range(4): threading.Thread(target=lambda: [0 for _ in iter(int, 1)]).start()",
        ("cpu",),
    ),
    "sleep": ("import time; time.sleep(1000)", ("wall",)),
    "wait for input": ("input()", ("exception",)),
    "wait for a lock": ("import threading; l = threading.Lock(); l.acquire(); l.acquire()", ("wall",)),
    "wait for a signal": ("import signal; signal.pause()", ("wall",)),
    "endless output": ("while True: print('x' * 100)", ("output",)),
    "endless errors": ("import sys\nwhile True: sys.stderr.write('x' * 100)", ("output",)),
    "endless raw output": ("import os\nwhile True: os.write(1, b'x' * 65536)", ("output",)),
    "one long line": ("print('x' * 10**8)", ("output",)),
    "a long string": ("x = 'x' * 10**11", ("memory",)),
    "a growing list": ("x = []\nwhile True: x.append(bytes(2**24))", ("memory",)),
    "a large array": ("import numpy; numpy.ones(2**40)", ("memory",)),
    "a large mapping": ("import mmap; mmap.mmap(-1, 2**40)", ("memory", "exception")),
    "a large integer": ("x = 10 ** (10 ** 10)", ("cpu", "memory", "exception")),
    "a tower of powers": ("9 ** 9 ** 9", ("cpu", "memory", "exception")),
    "digits of a large integer": ("print(10 ** 5000)", ("exception",)),
    "recursion": ("f = lambda: f(); f()", ("exception",)),
    "recursion without a limit": (
        "import sys; sys.setrecursionlimit(10**9); f = lambda x: f(x); f(1)",
        ("signal", "memory", "cpu", "exception"),
    ),
    "recursion in C": ("x = []\nfor _ in range(10**5): x = [x]\nrepr(x)", ("exception", "signal", "cpu")),
    "deep brackets": ("eval('(' * 10**6 + ')' * 10**6)", ("exception", "memory")),
    "thread bomb": (
        "import threading, time\nfor _ in range(100_000): threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()",
        ("exception", "memory", "cpu"),
    ),
    "one large file": ("f = open('x', 'wb')\nwhile True: f.write(bytes(2**20))", ("exception", "output")),
    "many files": ("for i in range(10**9): open(str(i), 'w').close()", ("output", "cpu", "exception")),
    "many descriptors": ("x = []\nfor i in range(10**6): x.append(open('f', 'w'))", ("exception",)),
    "many pipes": ("import os\nwhile True: os.pipe()", ("exception",)),
    "catastrophic expression": ("import re; re.match('(a+)+$', 'a' * 40 + 'b')", ("cpu",)),
    "an endless sympy call": ("import sympy; print(sympy.factorint(2**1201 - 1))", ("cpu",)),
    "timer that never stops": (
        "import signal\nsignal.signal(signal.SIGALRM, lambda *_: None)\nsignal.setitimer(signal.ITIMER_REAL, 1e-6, 1e-6)\nwhile True: pass",
        ("cpu",),
    ),
    "an endless compile": ("compile('+'.join(['1'] * 10**6), 'x', 'eval')", ("exception", "memory", "signal", "cpu", "ok")),
    "only a thread goes on": (
        "import ctypes, platform, threading\nthreading.Thread(target=lambda: [0 for _ in iter(int, 1)]).start()\n"
        "ctypes.CDLL(None).syscall(ctypes.c_long(93 if platform.machine() == 'aarch64' else 60), 0)",
        ("cpu",),
    ),
    "only a sleeping thread goes on": (
        "import ctypes, platform, threading, time\nthreading.Thread(target=time.sleep, args=(999,)).start()\n"
        "ctypes.CDLL(None).syscall(ctypes.c_long(93 if platform.machine() == 'aarch64' else 60), 0)",
        ("wall",),
    ),
    "a thread that never ends": ("import threading, time; threading.Thread(target=time.sleep, args=(999,)).start()", ("wall",)),
    "sleep in C": ("import ctypes; ctypes.CDLL(None).sleep(999)", ("wall",)),
    "wait in poll": ("import select; select.poll().poll()", ("wall",)),
    "burn in C": ("import hashlib; hashlib.pbkdf2_hmac('sha256', b'x', b'y', 2**31 - 1)", ("cpu",)),
    "burn in machine code": ("import numpy\na = numpy.ones((300, 300))\nwhile True: a @ a", ("cpu",)),
    "burn in the kernel": ("import os\nwhile True: os.stat('/')", ("cpu",)),
    "burn in short naps": ("import time\nwhile True:\n    time.sleep(0)", ("cpu", "wall")),
    "a handler that swallows alarms": (
        "import signal\ndef again(*_): signal.alarm(1)\nsignal.signal(signal.SIGALRM, again)\nsignal.alarm(1)\nwhile True: signal.pause()",
        ("wall",),
    ),
    "text of a huge integer": ("import sys; sys.set_int_max_str_digits(0); str(3 ** (10**7))", ("cpu", "memory")),
    "a power in C": ("pow(3, 10**9)", ("cpu", "memory")),
    "a hostile comparison": ("class A:\n    def __lt__(self, other):\n        while True: pass\nsorted([A(), A()])", ("cpu",)),
    "an expression that backs up": ("import re; re.sub(r'(x+x+)+y', '', 'x' * 60)", ("cpu",)),
    "nested quantifiers over lines": ("import re; re.fullmatch(r'((.*)*)*z', 'a' * 400)", ("cpu",)),
    "shared memory without a name": ("import mmap; m = mmap.mmap(-1, 2**33, mmap.MAP_SHARED)", ("memory", "exception")),
    "many small mappings": ("import mmap\nx = []\nwhile True: x.append(mmap.mmap(-1, 2**22))", ("memory", "exception", "cpu")),
    "memory in another thread": (
        "import threading\nx = []\ndef grow():\n    while True: x.append(bytes(2**24))\nt = threading.Thread(target=grow); t.start(); t.join()\nprint(len(x))",
        ("ok", "memory", "cpu"),
    ),
    "a growing string": ("x = 'x'\nwhile True: x += x", ("memory", "cpu")),
    "a growing dictionary": ("x = {}\nwhile True: x[len(x)] = bytes(2**20)", ("memory",)),
    "a file of zeros read whole": ("open('/dev/zero', 'rb').read(2**40)", ("memory", "exception", "cpu")),
    "memory that sympy grows": ("from sympy import *; x = symbols('x0:40'); expand(sum(x) ** 40)", ("cpu", "memory")),
    "files that are removed while open": (
        "import os\nkept = []\nfor n in range(1000):\n    f = open(str(n), 'wb'); kept.append(f); os.unlink(str(n)); f.write(bytes(2**20)); f.flush()",
        ("exception", "cpu"),
    ),
    "mapped files": (
        "import mmap, os\nx = []\nwhile True:\n    f = open(str(len(x)), 'w+b'); f.truncate(2**22); x.append(mmap.mmap(f.fileno(), 2**22)); x[-1].write(bytes(2**22)); f.close()",
        ("output", "memory", "exception", "cpu"),
    ),
    "names that fill the folder": (
        "import os\nfor n in range(10**6): os.close(os.open('n' * 200 + str(n), os.O_CREAT))",
        ("output", "cpu"),
    ),
    "output from many threads": (
        "import threading\ndef f():\n    while True: print('x' * 1000)\nfor _ in range(8): threading.Thread(target=f).start()",
        ("output",),
    ),
    "output that is no text": ("import os\nwhile True: os.write(2, bytes(range(256)) * 99)", ("output",)),
    "output without an end of line, in pieces": ("import sys\nwhile True: sys.stdout.write('x')", ("output", "cpu")),
    "warnings without end": ("import warnings\nn = 0\nwhile True: n += 1; warnings.warn(str(n) * 1000)", ("output", "cpu")),
    "an exception of a hundred megabytes": ("raise ValueError('x' * 10**8)", ("exception", "cpu")),
    "a traceback without end": (
        "def f(n):\n    try: f(n + 1) if n < 300 else 1 / 0\n    except Exception as e: raise ValueError from e\nf(0)",
        ("exception",),
    ),
    "threads that start threads": (
        "import threading\ndef f():\n    while True:\n        try: threading.Thread(target=f).start()\n        except BaseException: pass\nf()",
        ("cpu", "memory", "exception", "signal"),
    ),
    "recursion in a comparison": ("x = []; x.append(x); y = []; y.append(y); x == y", ("exception",)),
    "recursion in a parser": ("import ast; ast.parse('-' * 10**6 + '1')", ("exception", "memory", "signal")),
    "recursion in sympy": (
        "from sympy import *; x = Symbol('x'); e = x\nfor _ in range(10**5): e = sin(e)\nprint(e)",
        ("exception", "cpu", "signal"),
    ),
}

ENDINGS = {
    "leave with success": ("import os; print(1, flush=True); os._exit(0)", ("exception",)),
    "leave with failure": ("import os; os._exit(3)", ("exception",)),
    "exit": ("import sys; sys.exit()", ("ok",)),
    "exit with zero": ("import sys; sys.exit(0)", ("ok",)),
    "exit with a status": ("import sys; sys.exit(3)", ("exception",)),
    "exit with a message": ("import sys; sys.exit('no')", ("exception",)),
    "quit": ("quit()", ("ok", "exception")),
    "exit in a thread": ("import threading, sys; t = threading.Thread(target=sys.exit); t.start(); t.join()", ("ok",)),
    "leave in a thread": (
        "import threading, os, time; threading.Thread(target=os._exit, args=(0,)).start(); time.sleep(9)",
        ("exception",),
    ),
    "abort": ("import os; os.abort()", ("signal",)),
    "crash": ("import ctypes; ctypes.string_at(0)", ("signal",)),
    "kill itself": ("import os; os.kill(os.getpid(), 9)", ("signal",)),
    "stop itself": ("import os; os.kill(os.getpid(), 19)", ("wall",)),
    "terminate itself": ("import os, signal; signal.raise_signal(15)", ("signal",)),
    "alarm": ("import signal, time; signal.setitimer(signal.ITIMER_REAL, 0.01); time.sleep(9)", ("signal",)),
    "close every descriptor": ("import os; os.closerange(0, 1000); print(1)", ("exception", "ok", "signal")),
    "close the pipe to the sandbox": ("import os; os.close(3); os.close(4)", ("exception",)),
    "garbage over the sandbox's pipe": ("import os; os.write(4, b'garbage' * 100)", ("exception",)),
    "a huge announced reply": ("import os; os.write(4, b'\\xff' * 4)", ("exception",)),
    "flood the sandbox's pipe": ("import os\nwhile True: os.write(4, b'x' * 65536)", ("exception", "signal")),
    "forge a reply with a guess": (
        'import os, struct\nb = b\'{"nonce": "0", "status": "ok", "value": 1}\'\nos.write(4, struct.pack(\'!I\', len(b)) + b)\n1 / 0',
        ("exception",),
    ),
    "forge a good end and loop": (
        "import os, struct, sys\nf = sys._getframe()\nwhile 'request' not in f.f_locals: f = f.f_back\n"
        'b = (\'{"nonce": "%s", "status": "ok"}\' % f.f_locals[\'request\'][\'nonce\']).encode()\n'
        "os.write(4, struct.pack('!I', len(b)) + b)\nwhile True: pass",
        ("cpu",),
    ),
    "forge an impossible status": (
        "import os, struct, sys\nf = sys._getframe()\nwhile 'request' not in f.f_locals: f = f.f_back\n"
        'b = (\'{"nonce": "%s", "status": "setup-failed"}\' % f.f_locals[\'request\'][\'nonce\']).encode()\n'
        "os.write(4, struct.pack('!I', len(b)) + b); os._exit(0)",
        ("exception",),
    ),
    "forge a failed setup": (
        "import os, struct\nb = b'{\"setup_failed\": \"x\"}'\nos.write(4, struct.pack('!I', len(b)) + b); os._exit(1)",
        ("exception",),
    ),
    "read its requests": ("import os; os.set_blocking(3, False); os.read(3, 100)", ("exception",)),
    "an exit handler that leaves": ("import atexit, os; atexit.register(os._exit, 0)", ("exception",)),
    "an exit handler that loops": ("import atexit\n@atexit.register\ndef f():\n    while True: pass", ("cpu",)),
    "an exit handler that prints": ("import atexit; atexit.register(print, 'bye')", ("ok",)),
    "a destructor that loops": ("class A:\n    def __del__(self):\n        while True: pass\na = A(); del a", ("cpu",)),
    "an exception that cannot be printed": ("class E(Exception):\n    def __str__(self): raise E\nraise E", ("exception",)),
    "an exception that loops when printed": (
        "class E(Exception):\n    def __str__(self):\n        while True: pass\nraise E",
        ("cpu",),
    ),
    "an exception beyond Exception": ("class E(BaseException): pass\nraise E", ("exception",)),
    "an exception that imitates success": ("raise SystemExit(0) from ValueError('hidden')", ("ok",)),
    "an interrupt": ("raise KeyboardInterrupt", ("exception",)),
    "standard output replaced": ("import sys; sys.stdout = None; print(1)", ("ok",)),
    "standard output closed": ("import sys; sys.stdout.close()", ("ok", "exception")),
    "standard error replaced": ("import sys; sys.stderr = None; 1 / 0", ("exception",)),
    "builtins removed": (
        "import builtins; [delattr(builtins, n) for n in list(vars(builtins)) if n[0] != '_' and n != 'delattr']; 1 / 0",
        ("exception",),
    ),
    "json replaced": ('import json; json.dumps = lambda *a, **k: \'{"status": "ok"}\'; 1 / 0', ("exception",)),
    "modules removed": ("import sys; sys.modules.clear(); 1 / 0", ("exception",)),
    "tracing": ("import sys; sys.settrace(lambda *a: sys.exit(0)); f = lambda: 1; f(); 1 / 0", ("ok", "exception")),
    "frames cut off": ("import sys; sys.excepthook = lambda *a: None; 1 / 0", ("exception",)),
    "printing a reply": ('print(\'{"status": "ok", "stdout": "forged"}\'); 1 / 0', ("exception",)),
    "syntax error": ("def f(:", ("exception",)),
    "null character": ("x = 1\0", ("exception",)),
    "surrogates": ("print('\\ud800')", ("exception", "ok")),
    "bytes that are no text": ("import os; os.write(1, b'\\xff\\xfe')", ("ok",)),
    "escape characters": ("print('\\x1b[2J\\x00')", ("ok",)),
    "other processor mode": (
        "import ctypes, mmap, platform, os\nif platform.machine() != 'x86_64': os.abort()\n"
        "m = mmap.mmap(-1, 4096, prot=7); m.write(b'\\xb8\\x14\\0\\0\\0\\xcd\\x80\\xc3')\n"
        "ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(m)))()\nprint('PWNED')",
        ("signal", "exception"),
    ),
    "x32 calls": (
        "import ctypes, platform, os\nif platform.machine() != 'x86_64': os.abort()\n"
        "ctypes.CDLL(None).syscall(ctypes.c_long(0x40000000 | 39))\nprint('PWNED')",
        ("signal",),
    ),
    "two replies to one request": (
        "import os, struct, sys\nf = sys._getframe()\nwhile 'request' not in f.f_locals: f = f.f_back\nn = f.f_locals['request']['nonce']\n"
        'b = (\'{"nonce": "%s", "status": "ok"}\' % n).encode(); b = struct.pack(\'!I\', len(b)) + b\nos.write(4, b + b)\nwhile True: pass',
        ("exception",),
    ),
    "a flood of replies": (
        "import os, struct\nb = b'{\"nonce\": \"0\", \"x\": [' + b'0,' * 10**6 + b'0]}'\nb = struct.pack('!I', len(b)) + b\nwhile True: os.write(4, b)",
        ("exception",),
    ),
    "a reply nested without end": (
        "import os, struct\nb = b'[' * 10**6\nos.write(4, struct.pack('!I', len(b)))\nfor i in range(0, len(b), 4096): os.write(4, b[i:i + 4096])\nwhile True: pass",
        ("exception",),
    ),
    "a reply with a number of many digits": (
        "import os, struct\nb = b'{\"x\": ' + b'1' * 9999 + b'}'\nos.write(4, struct.pack('!I', len(b)) + b)\nwhile True: pass",
        ("exception",),
    ),
    "a reply that is a list": ("import os, struct\nos.write(4, struct.pack('!I', 2) + b'[]')\nwhile True: pass", ("exception",)),
    "forge that the walls stand": (
        "import os, struct\nb = b'{\"ready\": {}}'\nos.write(4, struct.pack('!I', len(b)) + b); 1 / 0",
        ("exception",),
    ),
    "the sandbox's pipe as standard output": ("import os; os.dup2(4, 1); print('x' * 100)", ("exception",)),
    "standard output as the sandbox's pipe": ("import os; os.dup2(1, 4); print(1)", ("exception",)),
    "write to its own requests": ("import os\ntry: os.write(3, b'x')\nexcept OSError: os._exit(7)", ("exception",)),
    "reopen its own requests": (
        "import os\ntry: os.write(os.open('/proc/self/fd/3', os.O_WRONLY), b'x' * 9)\nexcept OSError: pass",
        ("ok", "exception"),
    ),
    "the sandbox's own functions replaced": (
        "from data_tools.sandbox import channel, snippet\nchannel.send = snippet._flush = lambda *a: None\n1 / 0",
        ("exception",),
    ),
    "the sandbox's end replaced": ("import os; os._exit = lambda *a: None; print(1)", ("ok", "exception", "wall", "signal")),
    "leave by the kernel's door": (
        "import ctypes, platform; ctypes.CDLL(None).syscall(ctypes.c_long(94 if platform.machine() == 'aarch64' else 231), 0)",
        ("exception",),
    ),
    "leave by C": ("import ctypes; ctypes.CDLL(None).exit(0)", ("exception",)),
    "leave in a handler": (
        "import os, signal; signal.signal(10, lambda *_: os._exit(0)); os.kill(os.getpid(), 10)\nwhile True: pass",
        ("exception",),
    ),
    "leave while it is imported": ("import sys, types\nsys.exit(types.SimpleNamespace(code=0))", ("exception",)),
    "an exit status that is true": ("import sys; sys.exit(True)", ("exception",)),
    "an exit status that is no number": ("import sys; sys.exit(0.0)", ("ok", "exception")),
    "a process group stopped": ("import os; os.kill(os.getpid(), 20)", ("ok", "wall")),
    "continue and stop in turn": ("import os, threading\nos.kill(os.getpid(), 18); os.kill(os.getpid(), 19)", ("wall",)),
    "a fault in a handler of faults": (
        "import ctypes, faulthandler; faulthandler.enable(); ctypes.string_at(1)",
        ("signal",),
    ),
    "a fault that is caught": (
        "import ctypes, signal; signal.signal(signal.SIGSEGV, lambda *_: None); ctypes.string_at(0)",
        ("signal", "cpu"),
    ),
    "an illegal instruction": (
        "import ctypes, mmap; m = mmap.mmap(-1, 4096, prot=7); m.write(bytes([0x0F, 0x0B]) * 9)\n"
        "ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(m)))()",
        ("signal",),
    ),
    "a destructor after the end": ("class A:\n    def __del__(self):\n        while True: pass\na = A()", ("ok", "cpu")),
    "a thread that prints after the end": (
        "import threading, time; threading.Thread(target=lambda: (time.sleep(5), print('PWNED')), daemon=True).start()",
        ("ok",),
    ),
    "an exit handler that forges": (
        "import atexit, os, struct\nb = b'{\"nonce\": \"0\"}'\natexit.register(lambda: os.write(4, struct.pack('!I', len(b)) + b))",
        ("exception",),
    ),
    "an exit handler that registers itself": ("import atexit\ndef f(): atexit.register(f)\natexit.register(f)", ("ok", "cpu")),
    "a profile function": (
        "import sys, threading\nthreading.setprofile(lambda *a: 1 / 0); sys.setprofile(lambda *a: 1 / 0)\nlen('')",
        ("exception", "ok"),
    ),
    "an import hook that lies": ("import sys; sys.meta_path.insert(0, None); import decimal; 1 / 0", ("exception",)),
    "a clock that lies": ("import time; time.time = time.monotonic = lambda: 0\nwhile True: pass", ("cpu",)),
    "a locale and a time zone": (
        "import locale, os, time; os.environ['TZ'] = '../../../etc/passwd'; time.tzset(); locale.setlocale(locale.LC_ALL, 'C'); print(time.tzname)",
        ("ok", "exception"),
    ),
    "hash order of a set": ("print({'a', 'b', 'c'})", ("ok",)),
}

ATTACKS: dict[str, tuple[str, tuple[str, ...]]] = {
    **{
        name: (PRELUDE + code, ENDED)
        for group in (FILES, PROCESSES, SIGNALS, NETWORK, KERNEL, OTHER_WAYS)
        for name, code in group.items()
    },
    **RESOURCES,
    **ENDINGS,
}
