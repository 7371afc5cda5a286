"""What a run leaves behind when it hangs.

Decides: when a run counts as stalled (no step, validation or save has ended for ``stall_minutes``), that every rank then writes
the stacks of all its threads to ``logs/stacks-rank-N.txt``, and with which status it ends where the recipe asks for that.
Does not: find out why. A rank whose stack shows it outside a collective is the one the others wait for.
"""

import faulthandler
import os
import sys
import threading
import time
from pathlib import Path
from types import TracebackType

STALLED_EXIT_STATUS = 86
"""Exit status of a run that ended itself because it hung: the launcher may start it again."""
GRACE_SECONDS = 5.0
"""Between a rank's stacks and its end: all ranks hang at about the same time, and the first to end takes the others along."""


class StallWatch:
    """A thread that waits for the run to give a sign of life; use as a context manager."""

    def __init__(self, log_folder: Path, rank: int, limit_seconds: float, end: bool) -> None:
        """Write stacks after ``limit_seconds`` without ``alive`` (0 = never), and then, if ``end``, end the process."""
        self._path = log_folder / f"stacks-rank-{rank}.txt"
        self._limit = limit_seconds
        self._end = end
        self._last = time.monotonic()
        self._doing = "the first step"
        self._finished = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="stall watch", daemon=True)

    def __enter__(self) -> "StallWatch":
        """Begin to watch."""
        self._last = time.monotonic()
        if self._limit:
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop watching."""
        self._finished.set()
        if self._limit:
            self._thread.join()

    def alive(self, after: str) -> None:
        """Note that ``after`` has ended, e.g. "step 12"."""
        self._doing = f"what follows {after}"
        self._last = time.monotonic()

    def _watch(self) -> None:
        reported = 0.0
        while not self._finished.wait(min(1.0, self._limit / 10)):
            if time.monotonic() - self._last < self._limit or reported == self._last:
                continue
            reported = self._last
            self._report()
            if self._end and not self._finished.wait(GRACE_SECONDS) and reported == self._last:
                os._exit(STALLED_EXIT_STATUS)

    def _report(self) -> None:
        minutes = f"{self._limit / 60:.3g} minutes"
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a") as stream:
            stream.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')}: {self._doing} has taken {minutes}\n")
            stream.flush()
            faulthandler.dump_traceback(stream, all_threads=True)
        ending = "; the run ends, guard.end_on_stall = true" if self._end else ""
        print(
            f"mathcoder train: no step has ended for {minutes} (guard.stall_minutes), {self._doing} hangs; the stacks of all "
            f"threads are in {self._path}{ending}",
            file=sys.stderr,
            flush=True,
        )
