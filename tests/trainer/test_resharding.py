"""One run goes from layout to layout, two steps in each, and its numbers are those of one process all the way."""

from pathlib import Path

import pytest

from tests.trainer.runs import small_config, train

TP2 = "parallel.tensor_model_parallel_size=2"
SP = "parallel.sequence_parallel=true"
PP2 = "parallel.pipeline_model_parallel_size=2"
VPP2 = "parallel.virtual_pipeline_model_parallel_size=2"
CP2 = "parallel.context_parallel_size=2"
OVERLAP = ("parallel.overlap_grad_reduce=true", "parallel.overlap_param_gather=true")

CHAIN = (
    ((TP2, SP), 1),
    ((PP2,), 2),
    (OVERLAP, 3),  # does not divide the two before it
    ((CP2, *OVERLAP), 2),
    ((PP2, VPP2, *OVERLAP), 2),
    ((TP2, PP2), 1),
    ((), 1),
    ((TP2, CP2), 1),
    ((), 4),
)
"""Layouts and data-parallel sizes; every kind of division is entered from another and left for another."""

STEPS_EACH = 2
RECIPE = (
    "training.global_batch_size=12",
    "optimizer.lr_decay_style='constant'",
    "optimizer.lr_warmup_steps=0",
    "checkpoint.keep_last=2",
    "checkpoint.allow_changes=['training.steps']",
)


def test_a_chain_of_layouts(tmp_path: Path, dataset: Path, initial: Path) -> None:
    recipe = (*RECIPE, f"checkpoint.initial={str(initial)!r}")
    for number, (layout, data_parallel_size) in enumerate(CHAIN, start=1):
        config = small_config(tmp_path / "chain", dataset, *recipe, *layout, f"training.steps={STEPS_EACH * number}")
        rows = train(config, data_parallel_size)
    expected = train(small_config(tmp_path / "alone", dataset, *recipe, f"training.steps={STEPS_EACH * len(CHAIN)}"))
    assert len(rows) == len(expected) == STEPS_EACH * len(CHAIN)
    for row, reference in zip(rows, expected, strict=True):
        assert row["loss"] == pytest.approx(reference["loss"], abs=1e-5), f"step {row['step']}"
        assert row["grad_norm"] == pytest.approx(reference["grad_norm"], abs=1e-4), f"step {row['step']}"
