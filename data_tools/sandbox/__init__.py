"""Running code we did not write. What a model writes is hostile until shown otherwise, and often just wrong: it hangs, crashes,
prints for ever, or calls ``os._exit``.

**What it stops.** Files outside a scratch folder of its own cannot be opened (the interpreter's packages can be read); no
network, no new processes or programs, no signals to others, no look into other processes; CPU time, wall clock, memory, output,
files and threads are limited; the environment is empty; nothing outlives a run; every ending has a name (``outcome.py``).

**What it does not stop.** A hole in the kernel behind one of the allowed calls. Learning that a path exists and how large it is
(``stat``), the kernel's version, the time. Slowing its neighbours through caches and memory bandwidth. Lying in its own
output: the code may print anything and claim to have ended well, so text from a sandbox is a claim, never a verdict. Within a
session a block can change what later blocks of that session see, and a thread it left running can print into them.

``sandbox.py`` is the door. From the caller inwards: ``Sandbox`` → ``confined.py`` (one process, caller's side) → ``zygote.py``
(forks and watches) → ``walls.py`` (goes up around the fork) → ``snippet.py`` (runs the code).
Needs Linux on x86-64 or aarch64, the standard library and ctypes; no root, no namespaces, no container.
"""
