# ruff: noqa: E501, ISC004
"""Hostile snippets about how code ends: it leaves, crashes, forges the sandbox's reply, or tampers with what reports its end;
each with the statuses it may end with."""

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
