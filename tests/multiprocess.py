"""Runs a function on n gloo ranks of this machine, as one line of a test.

The ranks are forked from one server process that has torch and megatron-core imported, so starting them costs little; each
is a fresh process as far as the function can see. The function must be importable by name (module level).
"""

import multiprocessing
import tempfile
import traceback
from collections.abc import Callable
from typing import Any

from data_tools.pool import PRELOADED
from megatron_mathcoder.platforms.ranks import Rank

# A process has one fork server, and the data tools' pool may be the first to need it.
PRELOADED.append("tests.preload_megatron")
RANKS = multiprocessing.get_context("forkserver")
RANKS.set_forkserver_preload(PRELOADED)
EXIT_SECONDS = 10.0
"""How long a rank that gave its result may take to end; one that hangs is killed."""


def run_ranks(function: Callable[..., Any], world_size: int, *arguments: Any, timeout_seconds: float = 240.0) -> list[Any]:
    """Call ``function(rank, *arguments)`` on ``world_size`` ranks and return their results in rank order."""
    with tempfile.TemporaryDirectory() as folder:
        results = RANKS.SimpleQueue()
        processes = []
        for number in range(world_size):
            # Alone, a rank needs no rendezvous: the path that a person's `mathcoder train` takes.
            init_method = f"file://{folder}/rendezvous" if world_size > 1 else ""
            rank = Rank(number, number, world_size, init_method)
            process = RANKS.Process(target=_call, args=(results, function, rank, arguments))
            process.start()
            processes.append(process)
        try:
            outcomes = _collect(processes, results, timeout_seconds)
            for process in processes:
                # A rank that is killed cannot take along what it started.
                process.join(EXIT_SECONDS)
        finally:
            for process in processes:
                process.kill()
                process.join()
    failures = [f"rank {number}:\n{text}" for number, (good, text) in sorted(outcomes.items()) if not good]
    if failures:
        raise AssertionError("\n".join(failures))
    return [outcomes[number][1] for number in range(world_size)]


def _call(results: Any, function: Callable[..., Any], rank: Rank, arguments: tuple[Any, ...]) -> None:
    try:
        outcome = (True, function(rank, *arguments))
    except BaseException:  # whatever ends a rank must reach the test
        outcome = (False, traceback.format_exc())
    results.put((rank.rank, outcome))


def _collect(processes: list[Any], results: Any, timeout_seconds: float) -> dict[int, tuple[bool, Any]]:
    """Gather one outcome per rank; a rank that failed ends the waiting for the others, which may hang in a collective."""
    import time

    outcomes: dict[int, tuple[bool, Any]] = {}
    deadline = time.monotonic() + timeout_seconds
    while len(outcomes) < len(processes):
        if not results.empty():
            number, outcome = results.get()
            outcomes[number] = outcome
            if not outcome[0]:
                deadline = min(deadline, time.monotonic() + 5.0)
            continue
        for number, process in enumerate(processes):
            if not process.is_alive() and number not in outcomes and results.empty():
                outcomes[number] = (False, f"ended with status {process.exitcode} and no result")
        if time.monotonic() > deadline:
            for number in range(len(processes)):
                outcomes.setdefault(number, (False, "did not end in time"))
        time.sleep(0.02)
    return outcomes
