"""A stage's output: planned, worked on slice by slice, published whole, and recognised when it is already there.

Decides: what makes two outputs the same (``identity``: stage, settings, hashes of inputs and tokenizer), that unfinished work
lives in ``OUTPUT.partial/`` with one record per finished slice, that one run works on it at a time (or several, each with its
``--part``), and that documents are conserved.
Does not: know what a slice's work is; each verb brings a function from a task to a record.

A record is written only after the slice's files have their names. So after ``kill -9`` a slice is either finished or done again,
and since its bytes depend on the inputs alone, the final output is the same as without the interruption.
"""

import errno
import fcntl
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Generic, Self, TypeVar

import orjson

from data_tools.inputs import InputFile, scan_file, shown, slice_size
from data_tools.parts import write_json
from data_tools.pool import Report, run_tasks
from data_tools.progress import Progress
from megatron_mathcoder import __version__
from megatron_mathcoder.config.errors import DataError

BRIEF_CHARACTERS = 100
Record = dict[str, Any]
TaskT = TypeVar("TaskT")


class OtherOutputError(DataError):
    """What is there was made from something else, and may not be replaced unasked."""


@dataclass(frozen=True, slots=True)
class Part:
    """One of ``count`` shares of a stage's slices, counted from 1: what one task of a job array does."""

    index: int
    count: int

    def __contains__(self, slice_index: int) -> bool:
        return slice_index % self.count == self.index - 1

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


def identity(
    stage: str, settings: dict[str, Any], inputs: list[dict[str, Any]], tokenizer: dict[str, Any] | None = None
) -> Record:
    """Return the keys of a manifest that decide whether a finished output may be reused."""
    keys: Record = {"format": 1, "stage": stage, "settings": settings, "inputs": inputs}
    return keys if tokenizer is None else keys | {"tokenizer": tokenizer}


def code_version() -> Record:
    """Return version, git commit (None outside a clone; ``-dirty`` appended for uncommitted changes) and today's date."""
    root = Path(__file__).resolve().parent.parent
    commit = None
    if (root / ".git").exists():
        command = ["git", "-C", str(root), "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
        try:
            answer = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
            commit = answer.stdout.strip() or None
        except (OSError, subprocess.TimeoutExpired):
            commit = None
    return {"mathcoder_version": __version__, "git_commit": commit, "created": datetime.now(UTC).isoformat(timespec="seconds")}


def finished_manifest(manifest_path: Path, wanted: Record, overwrite: bool) -> Record | None:
    """Return the manifest of a finished output that is the same as ``wanted``; None when there is nothing to reuse.

    Raises DataError when something else is there and ``overwrite`` is False (OtherOutputError when it can be read).
    """
    if not manifest_path.exists() or overwrite:
        return None
    try:
        found: Record = orjson.loads(manifest_path.read_bytes())
    except orjson.JSONDecodeError:
        raise DataError(f"{manifest_path} is not readable as JSON; remove it or add --overwrite") from None
    difference = _difference(found, wanted)
    if difference:
        raise OtherOutputError(
            f"{manifest_path} belongs to another output ({difference}); choose another --output or add --overwrite"
        )
    return found


def _difference(found: Record, wanted: Record) -> str | None:
    for key, value in wanted.items():
        there = found.get(key)
        if key == "settings" and isinstance(there, dict):
            for name in sorted(value.keys() | there.keys()):
                if there.get(name) != value.get(name):
                    return f"setting {name}: {_brief(there.get(name))} there, {_brief(value.get(name))} now"
        elif _without_paths(there) != _without_paths(value):
            return "made from other inputs" if key == "inputs" else f"made with another {key}"
    return None


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= BRIEF_CHARACTERS else f"{text[:BRIEF_CHARACTERS]}…"


def _without_paths(value: Any) -> Any:
    """Drop ``path`` keys: content decides, and the same content may be reached by another path today."""
    if isinstance(value, dict):
        return {key: _without_paths(item) for key, item in value.items() if key != "path"}
    return [_without_paths(item) for item in value] if isinstance(value, list) else value


class PartialFolder:
    """``OUTPUT.partial/``: the plan, the records of finished slices, and their files. Used as a context manager: it holds a lock.

    A run of the whole has it alone; runs of a ``part`` share it.

    Raises DataError when another run holds the lock, or the folder was begun for another output and ``overwrite`` is False.
    """

    def __init__(self, path: Path, wanted: Record, overwrite: bool, part: Part | None = None) -> None:
        self.path, self.part, self._wanted, self._overwrite = path, part, wanted, overwrite
        self._lock: IO[bytes] | None = None

    def __enter__(self) -> Self:
        self.path.mkdir(parents=True, exist_ok=True)
        self._take_lock((fcntl.LOCK_SH if self.part else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        plan_path = self.path / "plan.json"
        if plan_path.exists():
            difference = _difference(orjson.loads(plan_path.read_bytes()), self._wanted)
            if difference and (self.part or not self._overwrite):
                remedy = "remove it" if self.part else "remove it or add --overwrite"
                raise OtherOutputError(f"{self.path} holds unfinished work for another output ({difference}); {remedy}")
            if difference:
                self._clear()
        write_json(plan_path, self._wanted)
        return self

    def _take_lock(self, kind: int) -> None:
        if self._lock is None:
            self._lock = (self.path / "lock").open("wb")
        try:
            fcntl.flock(self._lock, kind)
        except BlockingIOError:
            raise DataError(f"another run is working in {self.path}; wait for it, or choose another --output") from None
        except OSError as error:
            # Some cluster file systems are mounted without locks; there, not running twice is up to the user.
            if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
                raise

    def may_publish(self) -> bool:
        """Say whether this run publishes: always, except when another part was faster. Waits for parts about to end."""
        if self.part:
            self._take_lock(fcntl.LOCK_EX)
        return (self.path / "plan.json").exists()

    def _clear(self) -> None:
        for path in self.path.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != "lock":
                path.unlink()

    def record_path(self, index: int) -> Path:
        """Return where the record of slice ``index`` is kept."""
        return self.path / "records" / f"slice-{index:05d}.json"

    def remove(self) -> None:
        """Remove the folder, lock and all; call it when the output is published. Without a plan it is no work to go on with."""
        (self.path / "plan.json").unlink(missing_ok=True)
        shutil.rmtree(self.path)

    def close(self) -> None:
        """Let go of the lock."""
        if self._lock is not None:
            self._lock.close()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()


def remove_leftover(path: Path, wanted: Record) -> None:
    """Remove the unfinished work for ``wanted`` that a run left which was killed after it had published the output."""
    if path.exists():
        # Another run that is about to remove it, or work for something else, is not ours to touch.
        with suppress(DataError), PartialFolder(path, wanted, overwrite=False) as leftover:
            leftover.remove()


@dataclass(frozen=True, slots=True)
class _SliceTask(Generic[TaskT]):
    work: Callable[[TaskT, Report], list[Record]]
    task: TaskT
    record_paths: tuple[Path, ...]


def _run_slice(slice_task: _SliceTask[TaskT], report: Report) -> list[Record]:
    """Do one slice and record it: the unit of work of every engine (here a local pool)."""
    records = slice_task.work(slice_task.task, report)
    for path, record in zip(slice_task.record_paths, records, strict=True):
        write_json(path, record)
    return records


@dataclass(frozen=True, slots=True)
class _OneRecord(Generic[TaskT]):
    work: Callable[[TaskT, Report], Record]

    def __call__(self, task: TaskT, report: Report) -> list[Record]:
        return [self.work(task, report)]


def run_slices(
    work: Callable[[TaskT, Report], Record], tasks: Sequence[TaskT], folder: PartialFolder, workers: int, progress: Progress
) -> list[Record] | None:
    """Return the record of every task in order, doing those that have none yet and are of the folder's part.

    None when other parts have tasks left: then whichever part ends last gets the records.

    A record has at least ``bytes`` (of input) and ``count`` (in the unit of ``progress``), so that a resumed run can show both.
    """
    made = run_shared_slices(_OneRecord(work), tasks, [folder], workers, progress)
    return None if made is None else made[0]


def run_shared_slices(
    work: Callable[[TaskT, Report], list[Record]],
    tasks: Sequence[TaskT],
    folders: Sequence[PartialFolder],
    workers: int,
    progress: Progress,
) -> list[list[Record]] | None:
    """Do the slices of several outputs by one reading: ``work`` returns a record for each of ``folders``.

    Return each folder's records in the order of the tasks, as ``run_slices`` does. A slice that one lacks is done for all.
    """
    for folder in folders:
        (folder.path / "records").mkdir(exist_ok=True)
    records = _read_records(folders, range(len(tasks)))
    if records:
        print(f"resuming: {len(records)} of {len(tasks)} slices are finished")
    progress.resumed(sum(made[0]["bytes"] for made in records.values()), sum(made[0]["count"] for made in records.values()))
    part = folders[0].part
    missing = [index for index in range(len(tasks)) if index not in records and (part is None or index in part)]
    slice_tasks = [_SliceTask(work, tasks[index], tuple(each.record_path(index) for each in folders)) for index in missing]
    with _in_process(folders[0], workers) as in_process:
        for position, made in run_tasks(_run_slice, slice_tasks, workers, progress, in_process):
            records[missing[position]] = made
    if part is not None:
        records |= _read_records(folders, [index for index in range(len(tasks)) if index not in records])
        if left := len(tasks) - len(records):
            print(f"part {part} is done; {left} of {len(tasks)} slices are left to other parts")
            return None
    return [[records[index][number] for index in range(len(tasks))] for number in range(len(folders))]


@contextmanager
def _in_process(folder: PartialFolder, workers: int) -> Iterator[bool]:
    """Say whether one worker's slices are done in this process, where nobody would notice its end.

    Not when an earlier run of this part was ended while it did so: it may have been a document's doing, and then a process of
    their own for the slices finds out which (``pool.py``).
    """
    mark = folder.path / f"in_process-{folder.part.index if folder.part else 0}"
    if workers > 1 or mark.exists():
        yield False
        return
    mark.touch()
    try:
        yield True
    finally:
        mark.unlink()


def _read_records(folders: Sequence[PartialFolder], indices: Iterable[int]) -> dict[int, list[Record]]:
    """Return the records of the slices that every folder has."""
    found: dict[int, list[Record]] = {}
    for index in indices:
        paths = [folder.record_path(index) for folder in folders]
        if all(path.exists() for path in paths):
            found[index] = [orjson.loads(path.read_bytes()) for path in paths]
    return found


@dataclass(frozen=True, slots=True)
class _ScanTask:
    path: str
    slice_bytes: int


def _scan(task: _ScanTask, report: Report) -> InputFile:
    file = scan_file(task.path, task.slice_bytes)
    report(file.bytes, 1)
    return file


def scan_inputs(paths: Sequence[str], workers: int) -> list[InputFile]:
    """Hash the files and plan their slices, several files at a time. Raises DataError for a name that no manifest could hold."""
    if odd := [path for path in paths if shown(path) != path]:
        raise DataError(f"input {shown(odd[0])!r}: its name is no UTF-8; rename it")
    sizes = [Path(path).stat().st_size for path in paths]
    slice_bytes = slice_size(sum(sizes))
    # Starting processes costs more than hashing a few small files here.
    workers = 1 if sum(sizes) < 2**28 else workers
    with Progress("reading inputs", sum(sizes), "files") as progress:
        scanned = dict(run_tasks(_scan, [_ScanTask(path, slice_bytes) for path in paths], workers, progress, workers == 1))
    return [scanned[index] for index in range(len(paths))]


def check_conservation(documents_in: int, documents_out: int, dropped: int) -> None:
    """Hold the law of every stage: documents in = documents out + dropped. A breach is a defect, not a user's mistake."""
    if documents_in != documents_out + dropped:
        raise RuntimeError(f"documents were lost: {documents_in} in, {documents_out} out + {dropped} dropped")


def check_rejected(rejected: int, rows: int, max_fraction: float, where: Path) -> None:
    """Raise DataError when more than ``max_fraction`` of the rows could not be read."""
    if rejected > max_fraction * rows:
        raise DataError(
            f"{rejected} of {rows} rows ({rejected / rows:.1%}) could not be read, more than --max-reject-fraction "
            f"{max_fraction}; see {where}, mend the input or raise the limit (finished work is kept)"
        )
