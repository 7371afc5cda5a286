"""The record of a job's attempts: one file a job name, two rows an attempt.

Decides: what is kept of each start and each end, and what counts as finished.
Does not: decide what follows from it (``verdict.py``).

A row is appended when an attempt starts and when it ends. An attempt without a second row was ended together with its node, or
so fast that nothing could be written.
"""

import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from megatron_mathcoder.config.errors import LaunchError
from megatron_mathcoder.config.run_folder import ATTEMPTS, read_rows

FINISHED = "finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """How an attempt began."""

    job: str
    """Slurm's id of the job, or of the array's task."""
    restart: int
    """How often Slurm had restarted the job before."""
    saved_step: int
    """Step of the newest checkpoint, 0 without one."""
    gpu: str = ""
    """Kind of GPU as ``mathcoder plan`` names it; "" = none."""
    ranks: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How an attempt ended."""

    job: str
    restart: int
    status: int
    """Exit status of srun."""
    saved_step: int
    last_step: int
    """Last step in metrics.jsonl; what lies between it and ``saved_step`` is done again."""
    outcome: str
    """As in ``verdict.py``: finished, stopped, preempted, crashed, stalled, gave up, ended by Slurm
    or out of time."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One start, and its end if there is one. Times in seconds since 1970."""

    start: Start
    started: float
    end: End | None
    ended: float


class AttemptLog:
    """The attempts of the job ``name`` in a run folder."""

    def __init__(self, folder: Path, name: str) -> None:
        """Read and write ``folder/attempts/name.jsonl``."""
        self.path = folder / ATTEMPTS / f"{name}.jsonl"

    def write(self, row: Start | End) -> None:
        """Append one row, in place of one that a full disk has torn."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        event = {"event": type(row).__name__.lower(), "time": round(time.time(), 3)}
        with self.path.open("ab") as stream:
            whole = self.path.read_bytes().rpartition(b"\n")
            stream.truncate(len(whole[0]) + len(whole[1]))
            stream.write(json.dumps(event | asdict(row)).encode() + b"\n")

    def read(self) -> list[Attempt]:
        """Return all attempts, oldest first.

        Raises:
            MathCoderError: the file is no record of attempts.
        """
        attempts: list[Attempt] = []
        for row in read_rows(self.path, ["event", "time"]):
            event, at = row.pop("event"), row.pop("time")
            try:
                if event == "start":
                    attempts.append(Attempt(start=Start(**row), started=at, end=None, ended=0.0))
                elif attempts:
                    attempts[-1] = replace(attempts[-1], end=End(**row), ended=at)
            except TypeError as error:
                raise LaunchError(f"{self.path}: no record of this version's attempts ({error}); take it away") from None
        return attempts

    def finished(self) -> bool:
        """Return whether the newest attempt did all there was to do: the marker after which nothing is started again."""
        attempts = self.read()
        return bool(attempts) and (end := attempts[-1].end) is not None and end.outcome == FINISHED


def job_names(folder: Path) -> list[str]:
    """Return the names of all jobs with attempts in ``folder``; the parts of an array in their order."""
    names = [path.stem for path in (folder / ATTEMPTS).glob("*.jsonl")]
    return sorted(names, key=lambda name: [(word.zfill(9) if word.isdecimal() else word) for word in name.split("-")])


def part_name(name: str, number: int, count: int) -> str:
    """Return the job name of one part of an array, counted from 1: ``filter-3-of-16``."""
    return f"{name}-{number}-of-{count}"


def needed_names(need: str) -> tuple[Path, list[str]]:
    """Return folder and job names that ``FOLDER:NAME`` or, for an array of N parts, ``FOLDER:NAME/N`` means.

    Raises:
        LaunchError: it is neither.
    """
    folder, colon, job = need.rpartition(":")
    name, slash, count = job.partition("/")
    if not (colon and folder and name) or (slash and not (count.isdecimal() and int(count) > 0)):
        raise LaunchError(f"--needs {need!r}: must be FOLDER:NAME or FOLDER:NAME/PARTS, such as runs/data:filter/16")
    return Path(folder), [part_name(name, number, int(count)) for number in range(1, int(count) + 1)] if slash else [name]


def unfinished(need: str) -> list[str]:
    """Return one line for each job of ``need`` that has not finished, with the reason its record gives."""
    folder, names = needed_names(need)
    logs = {name: AttemptLog(folder, name) for name in names}
    return [f"{name}: {_why_unfinished(log.read())}" for name, log in logs.items() if not log.finished()]


def _why_unfinished(attempts: list[Attempt]) -> str:
    if not attempts:
        return "never started"
    end: Any = attempts[-1].end
    return f"{end.outcome}: {end.reason}" if end else "started and did not end"
