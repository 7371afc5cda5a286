"""What follows from the end of an attempt.

Decides: whether the job is finished, goes back into the queue, or is given up, from what is known when its ranks have ended.
Does not: ask Slurm or read files; ``attempt.py`` gathers the facts.

Stops on request are not counted: a run may be preempted a hundred times. Crashes are counted since the last new checkpoint, so
a run that gets on is always started again, and one that fails at the same place is not started for ever.
"""

from dataclasses import dataclass

from megatron_mathcoder.launching.attempts import FINISHED

STOPPED_STATUSES = (85, 128 + 15)
"""Statuses of ranks that saved and stopped because they were asked to (``trainer/stop_signal.py``). srun ends the peers of the
first that leaves by SIGTERM, which may reach one that is already leaving."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known at the end of an attempt."""

    status: int
    """Exit status of srun: the largest of all ranks', 128 + signal for a killed one."""
    ended_by_slurm: bool = False
    """Slurm told the batch script to end: cancelled, preempted beyond its grace time, or out of time."""
    out_of_time: bool = False
    """… because of the time limit."""
    killed: bool = False
    """The process that ran the attempt was killed; the batch script says so."""
    preempted: bool = False
    """Slurm wants the nodes for another job, and the grace time runs."""
    stalled: bool = False
    """Nothing in the run folder had changed for too long, and the ranks were ended because of that."""
    saved_before: int
    saved_after: int
    """Step of the newest checkpoint when the attempt began and ended."""
    last_step: int
    """Last step that was done."""
    crashes_before: int
    """Crashes of this job since the attempt that made its newest checkpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the attempt was, what happens now, and why."""

    outcome: str
    requeue: bool
    reason: str


def decide(facts: Facts, crash_limit: int) -> Verdict:
    """Return the verdict; ``crash_limit`` crashes in a row without a new checkpoint are the last."""
    if facts.status == 0:
        return Verdict(outcome=FINISHED, requeue=False, reason="all ranks ended well")
    if facts.out_of_time:
        return _unless_fruitless(facts, crash_limit, "out of time", "killed at the time limit")
    if facts.ended_by_slurm:
        # After a preemption Slurm puts the job back itself; after scancel nobody wants it back.
        return Verdict(
            outcome="ended by Slurm",
            requeue=False,
            reason="scancel, a requeue by hand, a lost node, or a preemption beyond its grace time",
        )
    if facts.status in STOPPED_STATUSES and facts.saved_before < facts.saved_after == facts.last_step:
        return Verdict(outcome="stopped", requeue=True, reason=f"asked to stop, saved step {facts.saved_after}")
    if facts.preempted:
        return Verdict(outcome="preempted", requeue=True, reason=f"ended in its grace time with status {facts.status}")
    if facts.stalled:
        return _unless_fruitless(facts, crash_limit, "stalled", "nothing in the run folder changed")
    reason = "mathcoder attempt was killed" if facts.killed else f"srun ended with status {facts.status}"
    return _unless_fruitless(facts, crash_limit, "crashed", reason)


def _unless_fruitless(facts: Facts, crash_limit: int, outcome: str, reason: str) -> Verdict:
    if facts.saved_after > facts.saved_before:
        return Verdict(outcome=outcome, requeue=True, reason=f"{reason}, but step {facts.saved_after} was saved")
    crashes = facts.crashes_before + 1
    reason = f"{reason}, {crashes} of {crash_limit} without a new checkpoint"
    if crashes < crash_limit:
        return Verdict(outcome=outcome, requeue=True, reason=reason)
    return Verdict(outcome="gave up", requeue=False, reason=reason)
