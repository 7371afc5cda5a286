"""A bound on the time that one document may take to read, so that no file can hang a run.

Decides: after ``SECONDS`` of waiting or working, ``ReadingStopped`` is raised inside the reader. A reader in native code,
which no exception can reach, is ended with its whole process after ``NATIVE_CPU_SECONDS`` more of work; the pool begins another.
Does not: say what becomes of the document; the source drops it.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SECONDS = 120.0
NATIVE_CPU_SECONDS = 240.0


class ReadingStopped(Exception):
    """A document took longer than ``SECONDS`` to read."""


@contextmanager
def reading_limit(seconds: float = SECONDS) -> Iterator[None]:
    """Bound the body's time. In a thread that cannot receive signals there is no bound."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise ReadingStopped(f"took over {seconds:g} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    signal.setitimer(signal.ITIMER_PROF, NATIVE_CPU_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGALRM, before)
