"""Ranks, processes and nodes die or hang: the run comes back by itself and loses a save interval at most."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.launch.scenario import CRASH_LOSES, INTERVAL, Run, resume, slurm, wait_until

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(600)]
Record = Callable[[str, str], None]


def test_one_rank_is_killed(run: Run, whole: list[float], record_property: Record) -> None:
    """SIGKILL of one rank, as the kernel does when memory runs out."""
    run.submit()
    run.at_step(12)[1].kill()
    run.wait()
    record_property("outcome", run.judge(whole, lost=CRASH_LOSES))
    assert [each.end.outcome for each in run.attempts()] == ["crashed", "finished"]


def test_the_step_is_killed(run: Run, whole: list[float], record_property: Record) -> None:
    """SIGKILL of all ranks at once."""
    run.submit()
    run.at_step(12)
    slurm("scancel", "--signal=KILL", f"{run.job}.0")
    run.wait()
    record_property("outcome", run.judge(whole, lost=CRASH_LOSES))
    assert run.attempts()[0].end.outcome == "crashed"


def test_srun_is_killed(run: Run, whole: list[float], record_property: Record) -> None:
    """The process between batch script and ranks."""
    run.submit()
    run.at_step(12)
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if words[:1] == ["srun"] and words[-1].startswith(f"{run.folder}/"):
            process.kill()
    run.wait()
    record_property("outcome", run.judge(whole, lost=CRASH_LOSES))
    assert run.attempts()[0].end.outcome == "crashed"


def test_the_attempt_is_killed(run: Run, whole: list[float], record_property: Record) -> None:
    """The process that decides what comes next: the batch script notices, and the run comes back as after any crash."""
    run.submit()
    run.at_step(12)
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if words[1:4] == ["-m", "megatron_mathcoder", "attempt"] and str(run.folder) in words:
            process.kill()
    run.wait()
    record_property("outcome", run.judge(whole, lost=CRASH_LOSES))
    assert [each.end.outcome for each in run.attempts()] == ["crashed", "finished"]
    assert "mathcoder attempt was killed" in run.log()


def test_a_crash_before_the_first_save(run: Run, whole: list[float], record_property: Record) -> None:
    """Nothing is saved yet: the run begins again, with the same losses."""
    run.submit()
    run.at_step(1)[0].kill()
    run.wait()
    record_property("outcome", run.judge(whole, lost=CRASH_LOSES))


def test_two_crashes_in_a_row(run: Run, whole: list[float], record_property: Record) -> None:
    """A crash of the attempt that a crash has started."""
    run.submit()
    run.at_step(7)[1].kill()
    wait_until(lambda: len(run.attempts()) == 2 and len(run.ranks()) == 2, "the second attempt")
    run.at_step(17)[0].kill()
    run.wait()
    record_property("outcome", run.judge(whole, lost=CRASH_LOSES))
    assert [each.end.outcome for each in run.attempts()] == ["crashed", "crashed", "finished"]


def test_one_rank_hangs(run: Run, whole: list[float], record_property: Record) -> None:
    """A stopped rank: its peer waits in a collective until distributed_timeout_minutes, and Slurm ends both."""
    run.submit()
    run.at_step(12)
    run.ranks()[1].suspend()
    run.wait()
    record_property("outcome", run.judge(whole, lost=CRASH_LOSES))
    assert run.attempts()[0].end.outcome == "crashed"


def test_all_ranks_hang(run: Run, whole: list[float], record_property: Record, tmp_path: Path) -> None:
    """Nobody is left to notice but the batch host, which sees that the run folder no longer changes."""
    site = tmp_path / "impatient.sh"
    site.write_text(run.pair.site.read_text() + "STALL_MINUTES=0.5\n")
    run.pair = type(run.pair)(run.pair.number, site)
    run.submit()
    for rank in run.at_step(12):
        rank.suspend()
    run.wait()
    record_property("outcome", run.judge(whole, lost=CRASH_LOSES))
    assert run.attempts()[0].end.outcome == "stalled"


def test_a_hung_run_at_its_time_limit(run: Run, whole: list[float], record_property: Record) -> None:
    """Ranks that cannot save when asked are killed at the limit, which Slurm alone would leave at that."""
    run.submit("--set=parallel.distributed_timeout_minutes=10.0")
    ranks = run.at_step(12)
    with run.time_limit(0):
        run.hang(ranks)
        run.wait_for_requeue()
    run.wait()
    record_property("outcome", run.judge(whole, lost=CRASH_LOSES))
    assert run.attempts()[0].end.outcome == "out of time"


def test_a_node_goes_down(run: Run, whole: list[float], record_property: Record) -> None:
    """Slurm requeues the job when it gives up a node."""
    run.submit()
    run.at_step(12)
    node = run.pair.nodes[1]
    slurm("scontrol", "update", f"nodename={node}", "state=down", "reason=scenario")
    wait_until(lambda: run.state() in ("PENDING", "COMPLETING", "REQUEUED"), "requeued")
    resume(node)
    run.wait()
    record_property("outcome", run.judge(whole, lost=CRASH_LOSES))


def test_a_node_s_daemon_is_killed(run: Run, whole: list[float], record_property: Record, cluster: Path) -> None:
    """slurmd dies and is started again: ranks and steps do not notice."""
    node = run.pair.nodes[1]
    pidfile = cluster / "state" / f"slurmd.{node}.pid"
    run.steps = 120
    run.submit()
    run.at_step(3)
    daemon = int(pidfile.read_text())
    network = Path(f"/proc/{daemon}/ns/net").stat().st_ino
    namespace = [f"--net={path}" for path in Path("/run/netns").glob("mathcoder-*") if path.stat().st_ino == network]
    os.kill(daemon, signal.SIGKILL)
    time.sleep(1)
    start = ["slurmd", "-N", node]
    subprocess.run(["nsenter", *namespace, *start] if namespace else start, check=True)
    run.wait()
    record_property("outcome", run.judge(whole, lost=CRASH_LOSES))
    assert len(run.attempts()) == 1


def test_killed_during_a_save(run: Run, whole: list[float], record_property: Record) -> None:
    """A torn save is never read: the run goes on from the checkpoint before."""
    run.submit()
    ranks = run.at_step(2 * INTERVAL)
    torn = run.folder / "checkpoints"
    wait_until(lambda: list(torn.glob("*.partial")), "a save under way")
    run.seen[-1] = len(run.rows())
    for rank in ranks:
        rank.kill()
    run.wait()
    record_property("outcome", run.judge(whole, lost=CRASH_LOSES))
    assert not list(torn.glob("*.partial"))
