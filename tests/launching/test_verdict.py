"""What follows from each way in which an attempt ends."""

from dataclasses import replace

import pytest

from megatron_mathcoder.launching.verdict import Facts, decide

CRASH = Facts(
    status=137,
    saved_before=20,
    saved_after=20,
    last_step=23,
    crashes_before=0,
)


@pytest.mark.parametrize(
    ("changes", "outcome", "requeue"),
    [
        ({"status": 0}, "finished", False),
        ({"status": 0, "ended_by_slurm": True}, "finished", False),
        ({"status": 85, "saved_after": 27, "last_step": 27}, "stopped", True),
        ({"status": 143, "saved_after": 27, "last_step": 27, "crashes_before": 9}, "stopped", True),
        ({"status": 143, "saved_after": 27, "last_step": 28}, "crashed", True),
        # Ranks that stop without having saved anything have not got on.
        ({"status": 85}, "crashed", True),
        ({}, "crashed", True),
        ({"crashes_before": 1}, "crashed", True),
        ({"crashes_before": 2}, "gave up", False),
        ({"crashes_before": 2, "saved_after": 40}, "crashed", True),
        ({"status": 143, "preempted": True, "crashes_before": 9}, "preempted", True),
        ({"status": 85, "saved_after": 27, "last_step": 27, "preempted": True}, "stopped", True),
        ({"stalled": True}, "stalled", True),
        ({"stalled": True, "crashes_before": 2}, "gave up", False),
        ({"ended_by_slurm": True}, "ended by Slurm", False),
        ({"status": 85, "saved_after": 27, "last_step": 27, "ended_by_slurm": True}, "ended by Slurm", False),
        ({"ended_by_slurm": True, "out_of_time": True}, "out of time", True),
        ({"ended_by_slurm": True, "out_of_time": True, "crashes_before": 2}, "gave up", False),
    ],
)
def test_each_end_has_its_verdict(changes: dict[str, int], outcome: str, requeue: bool) -> None:
    verdict = decide(replace(CRASH, **changes), crash_limit=3)
    assert (verdict.outcome, verdict.requeue) == (outcome, requeue)


def test_the_reason_counts_what_is_counted() -> None:
    assert decide(CRASH, 3).reason == "srun ended with status 137, 1 of 3 without a new checkpoint"
    assert decide(replace(CRASH, crashes_before=2), 3).reason == "srun ended with status 137, 3 of 3 without a new checkpoint"
    assert decide(replace(CRASH, killed=True), 3).reason == "mathcoder attempt was killed, 1 of 3 without a new checkpoint"
    assert decide(replace(CRASH, saved_after=40), 3).reason == "srun ended with status 137, but step 40 was saved"
