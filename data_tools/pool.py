"""Runs a function over tasks in worker processes, and ends whatever happens to a worker.

Decides: processes are spawned (a fork of a process with threads can deadlock); a worker that dies (killed for memory, a crash in
native code) is replaced and its tasks are run again, a few times; workers end when their parent does, also after ``kill -9``.
Does not: know what a task is or what is finished; ``stage.py`` keeps that on disk.

A task's function reports progress through shared counters, one slot per task and no lock, so a worker that dies while it
reports cannot block anyone.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from data_tools.progress import Progress
from megatron_mathcoder.config.errors import DataError

MAX_POOL_RESTARTS = 3
POLL_SECONDS = 0.5

Task = TypeVar("Task")
Result = TypeVar("Result")
Report = Callable[[int, int], None]
"""Called by a task's function with (bytes of input done, items done) since the task's beginning."""

_counters: Any = None


def available_cpus() -> int:
    """Return the number of cores this process may use, which under Slurm is fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_tasks(
    function: Callable[[Task, Report], Result], tasks: Sequence[Task], workers: int, progress: Progress
) -> Iterator[tuple[int, Result]]:
    """Yield ``(index, function(task, report))`` as tasks finish, in any order.

    ``function`` must be importable by name and, with its task and result, picklable. With one worker all runs in this process.

    Raises DataError when workers keep dying. Whatever ``function`` raises is raised here and ends the other workers.
    """
    workers = min(workers, len(tasks))
    if workers > 1:
        yield from _run_in_processes(function, tasks, workers, progress)
        return
    counters = [0] * (2 * len(tasks))
    for index, task in enumerate(tasks):
        report = _reporter(counters, index, lambda: _show(counters, progress))
        yield index, function(task, report)


def _run_in_processes(
    function: Callable[[Task, Report], Result], tasks: Sequence[Task], workers: int, progress: Progress
) -> Iterator[tuple[int, Result]]:
    context = multiprocessing.get_context("spawn")
    counters = context.RawArray("q", 2 * len(tasks))
    left = set(range(len(tasks)))
    for attempt in range(MAX_POOL_RESTARTS + 1):
        others = set(multiprocessing.active_children())
        executor = ProcessPoolExecutor(min(workers, len(left)), context, initializer=_begin_worker, initargs=(counters,))
        try:
            futures = {executor.submit(_call, function, tasks[index], index): index for index in sorted(left)}
            for index, result in _results(futures, counters, progress):
                left.discard(index)
                yield index, result
            return
        except BrokenProcessPool:
            if attempt < MAX_POOL_RESTARTS:
                print(f"a worker process died; its work is begun again ({len(left)} slices left)", file=sys.stderr)
        finally:
            _end(executor, set(multiprocessing.active_children()) - others)
    raise DataError(
        f"worker processes died {MAX_POOL_RESTARTS + 1} times ({len(left)} of {len(tasks)} slices unfinished), most often for "
        f"lack of memory; finished slices are kept, so run the same command again with fewer --workers than {workers}"
    )


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


def _begin_worker(counters: Any) -> None:
    global _counters
    _counters = counters
    # Ctrl-C reaches the whole group; the parent alone answers it, and then ends the workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _call(function: Callable[[Task, Report], Result], task: Task, index: int) -> Result:
    return function(task, _reporter(_counters, index, lambda: None))


def _reporter(counters: Any, index: int, then: Callable[[], None]) -> Report:
    def report(done_bytes: int, count: int) -> None:
        counters[2 * index], counters[2 * index + 1] = done_bytes, count
        then()

    return report


def _show(counters: Any, progress: Progress) -> None:
    progress.show(sum(counters[0::2]), sum(counters[1::2]))
