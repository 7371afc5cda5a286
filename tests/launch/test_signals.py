"""Slurm asks a run to stop: nothing is lost, and it goes on by itself."""

import contextlib
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from megatron_mathcoder.cli import main
from tests.launch.scenario import CRASH_LOSES, TP2, Run, high_job, slurm, wait_until

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(600)]
Record = Callable[[str, str], None]


def has_signal(process: psutil.Process, number: int) -> bool:
    """Return whether a signal waits for a stopped process, or the process has already followed it."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except FileNotFoundError:
        return True
    masks = re.findall(r"^S(?:ig|hd)Pnd:\s*(\w+)", status, flags=re.MULTILINE)
    return any(int(mask, 16) >> (number - 1) & 1 for mask in masks)


def test_two_nodes_tp2_dp2(run: Run, losses: Callable[..., list[float]], record_property: Record) -> None:
    """Nothing happens."""
    run.overrides = (TP2,)
    run.submit("--sbatch=--ntasks-per-node=2")
    run.wait()
    record_property("outcome", run.judge(losses(TP2, data_parallel_size=2), lost=0))
    assert len(run.attempts()) == 1
    assert "TP 2 × PP 1 × CP 1 × DP 2" in run.log()
    assert main(["status", str(run.folder), "--check"]) == 0


def test_time_limit(run: Run, whole: list[float], record_property: Record) -> None:
    """USR1 before the limit: save, requeue, go on."""
    # Ranks are held for up to a minute, in a collective or not, which is no fault of the others'.
    run.submit("--sbatch=--signal=USR1@60", "--set=checkpoint.interval_steps=0", "--set=parallel.distributed_timeout_minutes=3")
    ranks = run.at_step(3)
    with run.time_limit(1), contextlib.suppress(psutil.NoSuchProcess):  # the signal may be faster
        for rank in ranks:  # so that the run is not over before the signal comes
            rank.suspend()
        wait_until(lambda: has_signal(ranks[0], signal.SIGUSR1), "USR1", 150)
        for rank in ranks:
            rank.resume()
        run.wait_for_requeue()
    run.wait()
    record_property("outcome", run.judge(whole, lost=0))
    assert run.attempts()[0].end.outcome == "stopped"


def test_preempted(run: Run, whole: list[float], record_property: Record) -> None:
    """SIGTERM with a grace time: save, make room, come back."""
    run.steps = 240
    run.submit("--set=checkpoint.interval_steps=0")
    run.at_step(3)
    high_job(run.pair, 1)
    run.wait()
    record_property("outcome", run.judge(whole, lost=0))
    assert [each.end.outcome for each in run.attempts()] == ["stopped", "finished"]


def test_preempted_beyond_the_grace_time(run: Run, whole: list[float], record_property: Record) -> None:
    """Ranks that cannot save in time are killed; Slurm requeues the job itself."""
    run.submit("--set=parallel.distributed_timeout_minutes=10.0")
    ranks = run.at_step(12)
    high_job(run.pair, 1)
    run.hang(ranks)
    run.wait()
    record_property("outcome", run.judge(whole, lost=CRASH_LOSES))
    assert [each.end.outcome for each in run.attempts()] == ["ended by Slurm", "finished"]


def test_preempted_while_it_starts(run: Run, whole: list[float], record_property: Record) -> None:
    """SIGTERM before the first step."""
    run.submit()
    wait_until(lambda: len(run.ranks()) == 2, "ranks")
    high_job(run.pair, 1)
    run.wait()
    record_property("outcome", run.judge(whole, lost=0))
    assert len(run.attempts()) >= 2


def test_scancel_and_submitted_again(run: Run, whole: list[float], record_property: Record) -> None:
    """A cancelled run saves, stays cancelled, and goes on when it is submitted again."""
    run.steps = 240
    run.submit("--set=checkpoint.interval_steps=0")
    run.at_step(3)
    slurm("scancel", run.job)
    run.wait("CANCELLED")
    wait_until(lambda: run.attempts()[-1].end, "the attempt's end")
    assert [each.end.outcome for each in run.attempts()] == ["ended by Slurm"]
    run.submit("--set=checkpoint.interval_steps=0")
    run.wait()
    record_property("outcome", run.judge(whole, lost=0))


def test_one_node_instead_of_two(run: Run, losses: Callable[..., list[float]], record_property: Record) -> None:
    """The same run goes on with half of its ranks."""
    run.steps = 240
    run.submit()
    run.at_step(12)
    slurm("scancel", run.job)
    run.wait("CANCELLED")
    wait_until(lambda: run.attempts()[-1].end, "the attempt's end")
    run.submit(nodes=1)
    run.wait()
    record_property("outcome", run.judge(losses(data_parallel_size=2), lost=0, exact=False))
    assert [each.start.ranks for each in run.attempts()] == [2, 1]


def test_a_node_is_drained(run: Run, whole: list[float], record_property: Record) -> None:
    """A drained node takes no new job; the one on it ends in peace."""
    run.submit()
    run.at_step(3)
    slurm("scontrol", "update", f"nodename={run.pair.nodes[1]}", "state=drain", "reason=scenario")
    run.wait()
    record_property("outcome", run.judge(whole, lost=0))
    assert len(run.attempts()) == 1


def test_the_operator_requeues(run: Run, whole: list[float], record_property: Record) -> None:
    """``scontrol requeue`` by hand: ranks are asked to stop, the job comes back."""
    run.steps = 240
    run.submit()
    run.at_step(12)
    subprocess.run(["scontrol", "requeue", run.job], check=True)
    run.wait()
    record_property("outcome", run.judge(whole, lost=CRASH_LOSES))
