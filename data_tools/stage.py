"""Slices of a stage: each done by one worker and recorded, in any order, also after an interruption.

Decides: that slices which have a record are passed over, which of them a ``--part`` does, and when the work of one worker is done
in this process.
Does not: know what a slice's work is (each verb brings a function from a task to a record), or where unfinished work lies
(``partial_folder.py``).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import orjson

from data_tools.inputs import InputFile, scan_file, shown, slice_size
from data_tools.manifest import Record
from data_tools.partial_folder import PartialFolder
from data_tools.parts import write_json
from data_tools.pool import Report, run_tasks
from data_tools.progress import Progress
from megatron_mathcoder.config.errors import DataError

TaskT = TypeVar("TaskT")


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
