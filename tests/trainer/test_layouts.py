"""Ways of running one layout, and those layouts that are in no pair of ``test_resharding.py``, give one process's numbers."""

from pathlib import Path
from typing import Any

import pytest

from tests.trainer.runs import small_config, train

PP2 = "parallel.pipeline_model_parallel_size=2"
CP2 = "parallel.context_parallel_size=2"
VPP2 = "parallel.virtual_pipeline_model_parallel_size=2"
WHOLE_OPTIMIZER = "parallel.use_distributed_optimizer=false"
OVERLAP = (
    "parallel.overlap_grad_reduce=true",
    "parallel.overlap_param_gather=true",
)

LAYOUTS = {
    "PP2-interleaved": ((PP2, VPP2), 1),
    "DP2": ((WHOLE_OPTIMIZER,), 2),
    "DP2-overlapped-reduction": ((WHOLE_OPTIMIZER, "parallel.overlap_grad_reduce=true"), 2),
    "DP2-distributed-optimizer-overlapped": (OVERLAP, 2),
    "CP2xPP2": ((CP2, PP2), 1),
}

STEPS = 6
TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory, dataset: Path, initial: Path) -> list[dict[str, Any]]:
    """Return the metrics of one process."""
    return train(small_config(tmp_path_factory.mktemp("single"), dataset, f"checkpoint.initial={str(initial)!r}"))


def assert_same(rows: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    assert len(rows) == len(expected) == STEPS
    for row, reference in zip(rows, expected, strict=True):
        assert row["loss"] == pytest.approx(reference["loss"], abs=TOLERANCE), f"step {row['step']}"
        assert row["grad_norm"] == pytest.approx(reference["grad_norm"], abs=TOLERANCE), f"step {row['step']}"
        assert row["consumed_tokens"] == reference["consumed_tokens"]


def test_the_reference_learns(single: list[dict[str, Any]]) -> None:
    assert single[-1]["loss"] < single[0]["loss"] - 0.1


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layout(layout: str, tmp_path: Path, dataset: Path, initial: Path, single: list[dict[str, Any]]) -> None:
    overrides, data_parallel_size = LAYOUTS[layout]
    config = small_config(tmp_path, dataset, f"checkpoint.initial={str(initial)!r}", *overrides)
    assert_same(train(config, data_parallel_size), single)


@pytest.mark.parametrize("recompute", ["full", "selective"])
def test_recompute(recompute: str, tmp_path: Path, dataset: Path, initial: Path, single: list[dict[str, Any]]) -> None:
    config = small_config(tmp_path, dataset, f"checkpoint.initial={str(initial)!r}", f"training.recompute={recompute}")
    assert_same(train(config), single)
