"""Training steps of the benchmark's models at their real size, on a GPU that is not here."""

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
LAYERS, MICROBATCHES, STEPS = {"1.2B": 16, "8B": 32}, 2, 2


def whole_step(model: str, *overrides: str) -> dict[str, Any]:
    """Take the steps in a process of its own, since here triton interprets and torch is as it is."""
    command = [sys.executable, "-m", "tests.gpu.whole_step", model, *(word for each in overrides for word in ("--set", each))]
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    finished = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
    assert finished.returncode == 0, finished.stderr
    return dict(json.loads(finished.stdout))


@pytest.mark.parametrize(
    ("model", "overrides"),
    [
        ("8B", (COMPACT,)),
        pytest.param("8B", (COMPACT, "training.recompute=selective"), marks=pytest.mark.slow),
        pytest.param("8B", ("training.recompute=full",), marks=pytest.mark.slow),
        pytest.param("1.2B", (), marks=pytest.mark.slow),
    ],
)
def test_a_model_trains_in_the_memory_that_the_plan_says(model, overrides):
    found = whole_step(model, *overrides)
    assert 0.97 * found["planned"] < found["held"] <= found["planned"]
    first, second = found["after_each_step"]
    assert first == second < found["held"]
    calls = LAYERS[model] * MICROBATCHES * STEPS
    assert found["attention_calls"] == (2 * calls if "training.recompute=full" in overrides else calls)
    kernels = [Kernel(**each) for each in found["kernels"]]
    assert {each.name for each in kernels} == set(SCALARS)
    assert [each for each in kernels if each.spilled or each.narrow > SCALARS[each.name]] == []
