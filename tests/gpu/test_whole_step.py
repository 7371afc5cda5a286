"""Training steps of the benchmark's models at their real size, on GPUs that are not here."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.kernels.machine_code import SCALARS, Kernel
from tests.repository import ROOT

pytest.importorskip("triton")
COMPACT = "optimizer.use_precision_aware_optimizer=true"
SELECTIVE, FULL = "training.recompute=selective", "training.recompute=full"
TP2, TP8, SP = *(f"parallel.tensor_model_parallel_size={size}" for size in (2, 8)), "parallel.sequence_parallel=true"
CP2, LONG = "parallel.context_parallel_size=2", "dataset.seq_length=32768"
PP2 = "parallel.pipeline_model_parallel_size=2"
LAYERS, MICROBATCHES, STEPS = {"1.2B": 16, "8B": 32}, 2, 2


def whole_step(model: str, ranks: int, *overrides: str) -> dict[str, Any]:
    """Take the steps in a process of its own, since here triton interprets and torch is as it is."""
    command = [sys.executable, "-m", "tests.gpu.whole_step", model, "--ranks", str(ranks)]
    command += [word for each in overrides for word in ("--set", each)]
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    finished = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
    assert finished.returncode == 0, finished.stderr
    return dict(json.loads(finished.stdout))


@pytest.mark.parametrize(
    ("model", "ranks", "overrides"),
    [
        ("8B", 1, (COMPACT,)),
        pytest.param("8B", 1, (COMPACT, SELECTIVE), marks=pytest.mark.slow),
        pytest.param("8B", 1, (FULL,), marks=pytest.mark.slow),
        pytest.param("1.2B", 1, (), marks=pytest.mark.slow),
        ("8B", 8, (TP8, SP)),
        ("8B", 2, (COMPACT, CP2)),
        pytest.param("8B", 8, (CP2, LONG, SELECTIVE, "model.max_position_embeddings=32768"), marks=pytest.mark.slow),
        pytest.param("8B", 16, (TP2, SP, CP2, LONG, SELECTIVE, "model.max_position_embeddings=32768"), marks=pytest.mark.slow),
        pytest.param("8B", 8, (TP2, SP), marks=pytest.mark.slow),
        pytest.param("8B", 64, (SELECTIVE,), marks=pytest.mark.slow),
        pytest.param("8B", 16, (TP2, SP, PP2, SELECTIVE), marks=pytest.mark.slow),
    ],
)
def test_a_model_trains_in_the_memory_that_the_plan_says(model, ranks, overrides):
    """The plan leaves out numbers of a few bytes a token."""
    found = whole_step(model, ranks, *overrides)
    assert 0.98 * found["planned"] < found["held"] < 1.001 * found["planned"]
    first, second = found["after_each_step"]
    assert first == second < found["held"]
    # For loss, norm and tokens together; no micro-batch waits for the one before.
    assert found["waits"] == {"tolist": 1}
    calls = LAYERS[model] * MICROBATCHES * STEPS // (2 if PP2 in overrides else 1)
    assert found["attention_calls"] == (2 * calls if FULL in overrides else calls)
    kernels = [Kernel(**each) for each in found["kernels"]]
    assert {each.name for each in kernels} == set(SCALARS) - (
        {"softmax.statistics", "softmax.gradient"} if PP2 in overrides else set()
    )
    assert [each for each in kernels if each.spilled or each.narrow > SCALARS[each.name]] == []
