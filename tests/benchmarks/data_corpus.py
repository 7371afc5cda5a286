"""What the benchmarks of the data tools share: a corpus of real text, CPU seconds, and how a ratio is judged.

Decides: ratios are between things run one after the other in the same process; a bar that is missed ends in status 1.
"""

import re
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

SHARED_DATA = Path(__file__).parents[2] / "../shared/data"
Result = TypeVar("Result")


def corpus(megabytes: float = 12.0) -> list[str]:
    """Return about so many megabytes of real books, articles, code and notebooks, in a fixed order, HTML without its tags."""
    texts: list[str] = []
    size = 0
    for pattern in (
        "textbooks_latex/**/*.tex",
        "markdown/**/*.md",
        "python_code/**/*.py",
        "notebooks/**/*.ipynb",
        "planetmath/*/*",
    ):
        for path in sorted(SHARED_DATA.glob(pattern)):
            text = path.read_text(errors="replace")
            texts.append(re.sub("<[^>]+>", " ", text) if path.suffix == ".html" else text)
            size += len(texts[-1].encode())
    count = max(1, round(megabytes * 1e6 / max(size, 1) * len(texts)))
    return (texts * (count // len(texts) + 1))[:count]


def megabytes(texts: list[str]) -> float:
    """Return the size of ``texts`` in UTF-8."""
    return sum(len(text.encode()) for text in texts) / 1e6


def cpu_seconds(work: Callable[[], Result]) -> tuple[float, Result]:
    """Return the CPU seconds that ``work`` took, in this process and in children that have ended, and what it returned."""
    begin = _cpu_clock()
    result = work()
    return _cpu_clock() - begin, result


def _cpu_clock() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def judge(name: str, ratio: float, bar: float, at_most: bool = False, unit: str = "times") -> int:
    """Print a ratio (or another number, in ``unit``) beside its bar; return 1 when it misses."""
    missed = ratio > bar if at_most else ratio < bar
    print(f"{name}: {ratio:.2f} {unit}, bar {'at most ' if at_most else ''}{bar:g}{'  MISSED' if missed else ''}")
    return int(missed)
