"""One run's process as the zygote sees it from outside: what it was given and what it has used.

Decides: how CPU time, waiting for a core and the scratch folder are measured.
Does not: judge or end it (``zygote.py``).
"""

import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from data_tools.sandbox.outcome import Limits

MAX_SCRATCH_FILES = 1000


@dataclass(slots=True)
class Child:
    """A process being watched. ``cpu_base`` and ``deadline`` are those of the armed block; ``None`` between blocks of a
    session."""

    pid: int
    watch: socket.socket
    scratch: Path
    limits: Limits
    began: float
    cpu_base: float = 0.0
    starved_base: float = 0.0
    deadline: float | None = None
    is_set_up: bool = False
    killed: str = ""
    ticks: int = 0

    def cpu_seconds(self) -> float:
        """Return the CPU time the process with all its threads has used; 0 once it is dead, when ``wait4`` says it better."""
        try:
            # The kernel makes the id of a process's CPU clock from its process id.
            return time.clock_gettime((~self.pid << 3) | 2)
        except OSError:
            return 0.0

    def starved_seconds(self) -> float:
        """Return the seconds for which it wanted a core and got none: a busy machine must not turn work into a sleep."""
        try:
            threads = [int((task / "schedstat").read_text().split()[1]) for task in Path(f"/proc/{self.pid}/task").iterdir()]
        except (OSError, IndexError):
            return 0.0
        return max(threads, default=0) / 1e9

    def is_over_scratch(self) -> bool:
        """Say whether its scratch folder holds more than it may, in bytes or files."""
        total = 0
        try:
            with os.scandir(self.scratch) as entries:
                for count, entry in enumerate(entries):
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
                    if count >= MAX_SCRATCH_FILES or total > self.limits.scratch_bytes:
                        return True
        except OSError:
            return False
        return False
