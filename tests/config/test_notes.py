from collections.abc import Callable

import pytest

from megatron_mathcoder.config.notes import NOTES, notes
from megatron_mathcoder.config.schema import RunConfig

Load = Callable[..., RunConfig]
QUIET = ("checkpoint.interval_steps=10", "validation.interval_steps=10")
PIPELINE = "parallel.pipeline_model_parallel_size=4"

SAID = [
    # note, overrides, ranks, text
    (
        "window_is_wider_than_the_sample",
        ["model.sliding_window=256"],
        1,
        "model.sliding_window = 256: has no effect on samples of dataset.seq_length = 256 tokens",
    ),
    (
        "nothing_is_saved_before_the_end",
        ["checkpoint.interval_steps=100"],
        1,
        "checkpoint.interval_steps = 100: of 100 steps only the last is saved",
    ),
    (
        "validation_is_at_the_ends_alone",
        ["validation.interval_steps=101"],
        1,
        "validation.interval_steps = 101: longer than the run of 100 steps, validated at its two ends alone",
    ),
    (
        "held_out_data_are_not_used",
        ["validation.interval_steps=0"],
        1,
        "dataset.validation_fraction = 0.01: held out and never used, since validation.interval_steps = 0",
    ),
    (
        "pipeline_is_mostly_empty",
        [PIPELINE, "training.global_batch_size=4", "checkpoint.initial=imported"],
        4,
        "parallel.pipeline_model_parallel_size = 4: a step has 2 micro-batches, so some stages always wait",
    ),
    (
        "nothing_to_overlap",
        ["parallel.overlap_grad_reduce=true"],
        1,
        "parallel.overlap_grad_reduce = true: has no effect with one data-parallel rank",
    ),
    (
        "random_weights_depend_on_the_pipeline",
        [PIPELINE],
        4,
        "parallel.pipeline_model_parallel_size = 4: random initial weights are not those of another pipeline size",
    ),
    (
        "a_stall_is_seen_too_late",
        ["guard.stall_minutes=30", "parallel.distributed_timeout_minutes=20"],
        2,
        (
            "guard.stall_minutes = 30.0: a rank that hangs fails the others' collectives first, after "
            "parallel.distributed_timeout_minutes = 20.0"
        ),
    ),
    (
        "changes_stay_allowed",
        ['checkpoint.allow_changes=["optimizer.lr", "run.seed"]'],
        1,
        "checkpoint.allow_changes: optimizer.lr, run.seed may change at every resume until this is emptied",
    ),
]


@pytest.mark.parametrize(("note", "overrides", "ranks", "text"), SAID, ids=[note for note, *_ in SAID])
def test_a_note_is_said(load: Load, note: str, overrides: list[str], ranks: int, text: str) -> None:
    assert notes(load(*QUIET, *overrides), 100, ranks) == [text]


def test_every_note_is_said_here() -> None:
    assert [note for note, *_ in SAID] == [note.__name__ for note in NOTES]


def test_a_plain_run_has_no_note(load: Load) -> None:
    assert notes(load(*QUIET, "model.sliding_window=255", "validation.interval_steps=100"), 100, 1) == []
