"""Who writes the files of a checkpoint: processes forked for one save, which hold the rank's memory as it was.

Decides: one process per file, made by fork from the rank, so that training may go on while they write: what it changes from
then on, they do not see. They end with the rank that forked them, however it ends. Whoever starts a save waits for them at
once (synchronous) or some steps later.
Does not: choose what is written where, or commit anything (``megatron_mathcoder/checkpoint.py``).

This is one of the four patches of other people's code (ARCHITECTURE.md lists them). megatron-core 0.16.1
hands the writers' results over in a manager process, started by spawn at the first save. It imports the main module again
(seconds), holds about 200 MB, hangs a script without an ``if __name__ == "__main__"`` guard, and outlives a rank that is killed,
once per killed rank. Here a pipe does, and its end tells when a writer has died.
"""

import contextlib
import gc
import multiprocessing
import os
import queue
import signal
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, NamedTuple

from megatron_mathcoder.config.checksums import checksum
from megatron_mathcoder.platforms.parent_death import signal_at_end_of

FORK = multiprocessing.get_context("fork")
SIGNALS_TO_RANKS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)
"""Requests to stop, which a launcher sends to every process of a job: a rank answers them, its writers go on writing."""


class Written(NamedTuple):
    """What one writer says at its end."""

    results: Any
    """megatron-core's list of what lies where in the file, or the exception that ended the writing."""
    file: str
    checksum: str


class FileWriters:
    """The writers of one save on one rank."""

    def __init__(self, request: Any) -> None:
        """Fork the writers of megatron-core's ``AsyncRequest``; device memory is copied to the host before.

        Must be called on the main thread: writers end with the thread that forked them.
        """
        self._results_queue = request.async_fn_args[2] if request.async_fn is not None else None
        self._writers: dict[Connection, int] = {}
        self._processes = []
        self._written: dict[int, Written] = {}
        if request.async_fn is None:  # nothing of the checkpoint is this rank's to write
            return
        transforms = request.async_fn.args[0]
        for number, bucket in enumerate(request.preload_fn()):
            reader, writer = FORK.Pipe(duplex=False)
            process = FORK.Process(target=_write_file, args=(os.getpid(), transforms, number, bucket, writer), daemon=True)
            process.start()
            writer.close()
            self._writers[reader] = number
            self._processes.append(process)

    def are_done(self) -> bool:
        """Return whether all have ended, without waiting."""
        self._receive(timeout=0.0)
        return not self._writers

    def finish(self) -> dict[str, str]:
        """Wait for all and hand their results to megatron-core; return the checksum of each file that was written."""
        while self._writers:
            self._receive(timeout=None)
        for process in self._processes:
            process.join()
        if self._results_queue is not None:
            self._results_queue.put(_as_one(self._written))
        return {each.file: each.checksum for each in self._written.values()}

    def _receive(self, timeout: float | None) -> None:
        for connection in wait(list(self._writers), timeout):
            assert isinstance(connection, Connection)
            number = self._writers.pop(connection)
            try:
                self._written[number] = connection.recv()
            except EOFError:
                self._written[number] = Written(RuntimeError("a process that wrote the checkpoint was killed"), "", "")
            connection.close()


def _as_one(written: dict[int, Written]) -> Any:
    """Return what megatron-core's own collector puts into its queue: the results by file, or the first error."""
    errors = [each.results for each in written.values() if isinstance(each.results, Exception)]
    return errors[0] if errors else {number: each.results for number, each in written.items()}


def _write_file(parent: int, transforms: Any, number: int, bucket: Any, pipe: Connection) -> None:
    """Write one file, in a process of its own, and say what became of it."""
    from megatron.core.dist_checkpointing.strategies.filesystem_async import FileSystemWriterAsync

    # What the rank has on its device is not this process's to free.
    gc.disable()
    for each in SIGNALS_TO_RANKS:
        signal.signal(each, signal.SIG_IGN)
    signal_at_end_of(parent, signal.SIGKILL)
    box: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()
    FileSystemWriterAsync.write_preloaded_data(transforms, number, bucket, box, _NoCount(), use_fsync=True)
    _number, results = box.get()
    path = Path(bucket[0])
    if isinstance(results, Exception):
        written = Written(_cause(results), path.name, "")
    else:
        written = Written(results, path.name, checksum(path))
    with contextlib.suppress(BrokenPipeError):
        pipe.send(written)


def _cause(error: BaseException) -> BaseException:
    """Return what the operating system said: torch's archive writer reports a full disk as a position it did not expect."""
    earlier: BaseException | None = error
    while earlier is not None and not isinstance(earlier, OSError):
        earlier = earlier.__cause__ or earlier.__context__
    return earlier or error


class _NoCount:
    """Stands for the queue in which megatron-core's writers count themselves off: the pipe's end tells it here."""

    def get(self) -> None:
        pass

    def task_done(self) -> None:
        pass


def keep_results_in_process() -> None:
    """Replace the manager's queue by one of this process, before the first save."""
    from megatron.core.dist_checkpointing.strategies import filesystem_async

    filesystem_async._results_queue = queue.Queue()
