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
}

ATTACKS: dict[str, tuple[str, tuple[str, ...]]] = {
    **{name: (PRELUDE + code, ENDED) for group in (FILES, PROCESSES, SIGNALS, NETWORK, KERNEL) for name, code in group.items()},
    **RESOURCES,
    **ENDINGS,
}
