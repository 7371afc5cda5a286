"""What a run in the sandbox may use, and how it ended.

Decides: the limits' defaults and the words for every ending. A verdict about a snippet is never one of ``setup-failed``.
Does not: enforce or measure (``zygote.py`` does).
"""

from dataclasses import dataclass
from typing import Any, Literal

Status = Literal["ok", "exception", "cpu", "wall", "memory", "output", "signal", "setup-failed"]

MIB = 2**20
WALL_PER_CPU = 10.0
"""The CPU budget decides, because it does not depend on how busy the machine is; the wall clock only ends what sleeps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one run (in a session: one block) may use."""

    cpu_seconds: float = 10.0
    """CPU time, user and system, of all threads."""
    wall_seconds: float = 0.0
    """Backstop for code that sleeps; 0 means ten times ``cpu_seconds``, which is also the least allowed."""
    memory_bytes: int = 2048 * MIB
    """Address space beyond what the interpreter with its imported packages takes."""
    output_bytes: int = MIB
    """Standard output and error together."""
    scratch_bytes: int = 64 * MIB
    """Files in the scratch folder together; a single one may have a quarter of it."""

    lifetime_cpu_seconds: float = 0.0
    """CPU time of a whole session; 0 means that of one run."""

    @property
    def wall(self) -> float:
        """Seconds of wall clock after which the run ends in any case."""
        return max(self.wall_seconds, WALL_PER_CPU * self.cpu_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ended and what it left.

    ``status``: ``ok``: to its end, or ``sys.exit(0)``; ``exception``: an uncaught one, another exit status, or a process that
    left by itself; ``cpu``, ``wall``, ``memory``, ``output``: that limit; ``signal``: killed by a signal (a crash);
    ``setup-failed``: the sandbox could not begin, which says nothing about the code.
    """

    status: Status
    stdout: str = ""
    stderr: str = ""
    display: str = ""
    """The last expression's value as Jupyter would show it, where that was asked for."""
    error: str = ""
    """One line: exception and message, or what ended the run; empty for ``ok``."""
    value: Any = None
    """What a called function returned; JSON data."""
    exit_signal: int = 0
    """Number of the signal that ended the process, 0 for none."""
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    max_rss_bytes: int = 0

    @property
    def output(self) -> str:
        """What the code has to say for itself: standard output, then the displayed value, as a notebook shows them."""
        return self.stdout + self.display
