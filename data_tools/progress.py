"""Shows how far long work is: a bar on a terminal, a quiet line every few seconds elsewhere.

Decides: what is shown (megabytes of input or pieces of work, their rate, time left), always on stderr.
Does not: measure anything; the caller says how many bytes and items are done.
"""

import sys
import time
from types import TracebackType
from typing import Any, Self

QUIET_SECONDS = 10.0


class Progress:
    """Progress of one stage over ``total_bytes`` of input, with a second count named ``unit`` (``tokens``, ``documents``)."""

    def __init__(self, label: str, total_bytes: int, unit: str) -> None:
        self._label, self._total, self._unit = label, total_bytes, unit
        self._begin = self._last_line = time.monotonic()
        self._resumed: tuple[int, int] = (0, 0)
        self._bar: Any = None
        if sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(total=total_bytes, desc=label, unit="B", unit_scale=True, leave=False, dynamic_ncols=True)

    def resumed(self, done_bytes: int, count: int) -> None:
        """Say what an earlier run had finished; it is shown as done but does not count towards the rates."""
        self._resumed = (done_bytes, count)
        if self._bar is not None:
            self._bar.initial = self._bar.n = done_bytes

    def show(self, done_bytes: int, count: int) -> None:
        """Show the state of this run's own work. Cheap to call often: the bar and the lines limit themselves."""
        now = time.monotonic()
        seconds = max(now - self._begin, 1e-9)
        byte_rate, count_rate = done_bytes / seconds, count / seconds
        done_bytes, count = done_bytes + self._resumed[0], count + self._resumed[1]
        if self._bar is not None:
            self._bar.set_postfix_str(f"{count:,} {self._unit}, {count_rate:,.0f} {self._unit}/s", refresh=False)
            self._bar.update(done_bytes - self._bar.n)
        elif now - self._last_line >= QUIET_SECONDS:
            self._last_line = now
            left = f", {(self._total - done_bytes) / byte_rate:.0f} s left" if byte_rate > 0 else ""
            print(
                f"{self._label}: {done_bytes / 1e6:.1f} of {self._total / 1e6:.1f} MB read, {byte_rate / 1e6:.2f} MB/s, "
                f"{count:,} {self._unit}, {count_rate:,.0f} {self._unit}/s{left}",
                file=sys.stderr,
                flush=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.close()


class CountProgress:
    """Progress of ``total`` equal pieces of work named ``unit``, of which ``resumed`` were finished by an earlier run."""

    def __init__(self, label: str, total: int, unit: str, resumed: int = 0) -> None:
        self._label, self._total, self._unit, self._resumed = label, total, unit, resumed
        self._begin = self._last_line = time.monotonic()
        self._bar: Any = None
        if sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(total=total, initial=resumed, desc=label, unit=f" {unit}", leave=False, dynamic_ncols=True)

    def show(self, done: int) -> None:
        """Show how many pieces this run has done. Cheap to call often."""
        now = time.monotonic()
        if self._bar is not None:
            self._bar.update(done + self._resumed - self._bar.n)
        elif now - self._last_line >= QUIET_SECONDS:
            self._last_line = now
            rate = done / max(now - self._begin, 1e-9)
            left = f", {(self._total - self._resumed - done) / rate:.0f} s left" if rate > 0 else ""
            so_far = f"{done + self._resumed:,} of {self._total:,} {self._unit}"
            print(f"{self._label}: {so_far}, {rate:.2f} {self._unit}/s{left}", file=sys.stderr, flush=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.close()
