"""Runs a command and says what it and all its processes took.

Decides: CPU seconds are those of the process and of the children it waited for. Memory is asked of ``/proc`` ten times a second:
``ru_maxrss`` would count the process that started the command, if that was larger.
"""

import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Taken:
    """``process_mb`` is the most that any one process held (RSS); ``tree_mb`` the most that all held together (PSS)."""

    seconds: float
    process_mb: float
    tree_mb: float


def measured(command: Sequence[str]) -> Taken:
    """Run ``command``; its standard output goes nowhere. Raises SystemExit when it fails."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    largest = together = 0
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        peaks, shares = _look(process.pid)
        largest, together = max(largest, *peaks, 0), max(together, sum(shares))
        time.sleep(LOOK_SECONDS)
    process.returncode = status
    if status:
        raise SystemExit(f"{' '.join(command)} ended with {status}")
    return Taken(usage.ru_utime + usage.ru_stime, largest / 1024, together / 1024)


def _look(pid: int) -> tuple[list[int], list[int]]:
    """Return of every process the highest RSS so far and the PSS now, in KiB."""
    peaks, shares = [0], [0]
    try:
        processes = [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
        for each in processes:
            peaks.append(_number(Path(f"/proc/{each}/status"), "VmHWM:"))
            shares.append(_number(Path(f"/proc/{each}/smaps_rollup"), "Pss:"))
    except (psutil.Error, OSError):
        pass  # one ended while it was looked at
    return peaks, shares


def _number(path: Path, name: str) -> int:
    return next((int(line.split()[1]) for line in path.read_text().splitlines() if line.startswith(name)), 0)
