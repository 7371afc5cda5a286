"""Runs a function over tasks in worker processes, and ends whatever happens to a worker.

Decides: when a worker dies (killed for memory, a crash in native code), the tasks that had a document in hand are run again, each
alone in a fresh process; a document that ends that process too is set aside (``in_hand.py``), and the task goes on without it.
Deaths with no document in hand are repeated a few times. Workers end when their parent does, also after ``kill -9``. They come
from a fork server: a fork of a process with threads can deadlock, and a fresh interpreter each would load everything again.
Does not: know what a task is or what is finished, or when the work of one worker is done in this process, where nobody would
notice a death; ``stage.py`` decides that and keeps the rest on disk.

A task's function reports progress through shared counters, three slots per task and no lock, so a worker that dies while it
reports cannot block anyone.
"""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar

from data_tools import in_hand
from data_tools.in_hand import NOTHING
from data_tools.progress import Progress
from megatron_mathcoder.config.errors import DataError

MAX_POOL_RESTARTS = 3
MAX_SET_ASIDE = 100
"""Documents that may end their processes before the run does; so many are no accident of single files."""
POLL_SECONDS = 0.5
SLOTS = 3
"""Of a task: bytes done, items done, the document in hand."""
HAND = 2

Task = TypeVar("Task")
Result = TypeVar("Result")
Report = Callable[[int, int], None]
"""Called by a task's function with (bytes of input done, items done) since the task's beginning."""

PRELOADED = ["numpy", "orjson", "xxhash", "zstandard"]
"""What nearly every worker imports; the fork server does it once."""

_counters: Any = None
_endings: dict[int, str] = {}


def available_cpus() -> int:
    """Return the number of cores this process may use, which under Slurm is fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_tasks(
    function: Callable[[Task, Report], Result], tasks: Sequence[Task], workers: int, progress: Progress, in_process: bool
) -> Iterator[tuple[int, Result]]:
    """Yield ``(index, function(task, report))`` as tasks finish, in any order.

    ``function`` must be importable by name and, with its task and result, picklable; ``in_process`` does all of it here.

    Raises DataError when workers keep dying. Whatever ``function`` raises is raised here and ends the other workers.
    """
    if not in_process and tasks:
        yield from _Crew(function, tasks, workers, progress).run()
        return
    done = _Done(progress)
    for index, task in enumerate(tasks):
        yield index, function(task, done.of_task())


class _Done:
    """What tasks in this process have done, shown at most every ``POLL_SECONDS``."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._finished = self._current = (0, 0)
        self._shown = time.monotonic()

    def of_task(self) -> Report:
        self._finished = self._total()
        self._current = (0, 0)
        return self._note

    def _total(self) -> tuple[int, int]:
        return self._finished[0] + self._current[0], self._finished[1] + self._current[1]

    def _note(self, done_bytes: int, count: int) -> None:
        self._current = (done_bytes, count)
        if time.monotonic() - self._shown > POLL_SECONDS:
            self._shown = time.monotonic()
            self._progress.show(*self._total())


class _Crew(Generic[Task, Result]):
    """Worker processes for the tasks that are left, begun anew after a death."""

    def __init__(
        self, function: Callable[[Task, Report], Result], tasks: Sequence[Task], workers: int, progress: Progress
    ) -> None:
        self._function, self._tasks, self._workers, self._progress = function, tasks, workers, progress
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(PRELOADED)
        self._counters = self._context.RawArray("Q", SLOTS * len(tasks))
        self._left = set(range(len(tasks)))
        self._endings: dict[int, str] = {}

    def run(self) -> Iterator[tuple[int, Result]]:
        suspects: list[int] = []
        restarts = 0
        while self._left:
            ending = yield from self._attempt(suspects[:1] or sorted(self._left), 1 if suspects else self._workers)
            if ending is None:
                suspects = suspects[1:]
            elif suspects and (key := self._hand(suspects[0])):
                self._set_aside(key, ending)
            elif suspects or not (suspects := [index for index in sorted(self._left) if self._hand(index)]):
                restarts += 1
                self._say_again(restarts)
            else:
                print(f"a worker process died ({ending}); what was in hand is read again, alone", file=sys.stderr)

    def _attempt(self, indices: list[int], workers: int) -> Generator[tuple[int, Result], None, str | None]:
        """Yield results of these tasks; return how a worker ended, None when all are done."""
        for index in indices:
            self._counters[SLOTS * index + HAND] = NOTHING
        others = set(multiprocessing.active_children())
        executor = ProcessPoolExecutor(
            min(workers, len(indices)), self._context, initializer=_begin_worker, initargs=(self._counters, self._endings)
        )
        processes: set[BaseProcess] = set()
        try:
            futures = {executor.submit(_call, self._function, self._tasks[index], index): index for index in indices}
            processes = set(multiprocessing.active_children()) - others
            for index, result in _results(futures, self._counters, self._progress):
                self._left.discard(index)
                yield index, result
            return None
        except BrokenProcessPool:
            # The executor's thread asks for exit codes too, and two who ask at once do not both get them.
            executor.shutdown(wait=True)
            return _ending(processes)
        finally:
            _end(executor, set(multiprocessing.active_children()) - others)

    def _hand(self, index: int) -> int:
        return int(self._counters[SLOTS * index + HAND])

    def _set_aside(self, key: int, ending: str) -> None:
        self._endings[key] = ending
        print(f"a document ended its process again ({ending}); it is set aside", file=sys.stderr)
        if len(self._endings) > MAX_SET_ASIDE:
            raise DataError(
                f"more than {MAX_SET_ASIDE} documents ended the process that read them, the last by {ending}; finished slices "
                f"are kept; look for a broken library or too little memory, then run the same command again"
            )

    def _say_again(self, restarts: int) -> None:
        left = len(self._left)
        remedy = f"fewer --workers than {self._workers}" if self._workers > 1 else "more memory"
        if restarts <= MAX_POOL_RESTARTS:
            print(f"a worker process died; its work is begun again ({left} slices left)", file=sys.stderr)
            return
        raise DataError(
            f"worker processes died {restarts} times ({left} of {len(self._tasks)} slices unfinished), most often for lack of "
            f"memory; finished slices are kept, so run the same command again with {remedy}"
        )


def _ending(processes: set[BaseProcess]) -> str:
    """Say how the worker ended; those that the executor ended after it do not count."""
    codes: set[int | None] = {process.exitcode for process in processes if process.exitcode} or {None}
    code = sorted(codes - {-signal.SIGTERM} or codes, key=str)[0]
    if code is None:
        return "exit unknown"
    return signal.Signals(-code).name if code < 0 else f"exit status {code}"


def _results(futures: dict[Future[Result], int], counters: Any, progress: Progress) -> Iterator[tuple[int, Result]]:
    pending = set(futures)
    while pending:
        done, pending = wait(pending, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
        # Results first: when a worker dies, all unfinished futures fail at once, but finished work is still good.
        for future in sorted(done, key=lambda future: future.exception() is not None):
            yield futures[future], future.result()
        _show(counters, progress)


def _end(executor: ProcessPoolExecutor, processes: set[BaseProcess]) -> None:
    """Let go of the workers without waiting for the tasks they are in; finished ones have nothing left to do."""
    for process in processes:
        process.terminate()
    executor.shutdown(wait=True, cancel_futures=True)


def _begin_worker(counters: Any, endings: dict[int, str]) -> None:
    global _counters, _endings
    _counters, _endings = counters, endings
    # Ctrl-C reaches the whole group; the parent alone answers it, and then ends the workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _call(function: Callable[[Task, Report], Result], task: Task, index: int) -> Result:
    in_hand.share(_counters, SLOTS * index + HAND, _endings)

    def report(done_bytes: int, count: int) -> None:
        _counters[SLOTS * index], _counters[SLOTS * index + 1] = done_bytes, count

    return function(task, report)


def _show(counters: Any, progress: Progress) -> None:
    progress.show(sum(counters[0::SLOTS]), sum(counters[1::SLOTS]))
