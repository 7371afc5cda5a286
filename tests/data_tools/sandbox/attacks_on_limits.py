# ruff: noqa: E501, ISC004
"""Hostile snippets that use too much: time, memory, output, files, threads, recursion; each with the statuses it may end with."""

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
