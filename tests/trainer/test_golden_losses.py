"""The losses of tiny_cpu.toml's first steps: to the bit on a second run, and near the golden file on any CPU.

Another CPU may sum in another order, so the file is held to 1e-4. A changed golden file says why in DECISIONS.md.
Write it anew with ``python -m tests.trainer.test_golden_losses``.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest

from megatron_mathcoder.config.loader import load_config
from tests.repository import ROOT
from tests.trainer.runs import RECIPE, train
from tests.trainer.synthetic_dataset import write_dataset

GOLDEN = ROOT / "tests" / "golden" / "tiny_cpu_losses.json"
STEPS = 12
VOCAB = 4096


def golden_run(folder: Path) -> list[dict[str, Any]]:
    """Run the recipe's first steps as it stands, on a dataset that is the same everywhere."""
    write_dataset(folder / "counting", documents=400, vocab_size=VOCAB)
    overrides = (
        f"run.folder={str(folder / 'run')!r}",
        f"dataset.blend.0.prefix={str(folder / 'counting')!r}",
        "dataset.tokenizer=",
        "validation.samples=0",
        f"training.steps={STEPS}",
        "optimizer.lr_warmup_steps=3",
        "checkpoint.interval_steps=0",
        "logging.tensorboard=false",
    )
    rows = train(load_config(RECIPE, overrides))
    return [{name: row[name] for name in ("step", "loss", "grad_norm", "learning_rate")} for row in rows]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return golden_run(tmp_path_factory.mktemp("first"))


def test_second_run_is_equal_to_the_bit(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    assert golden_run(tmp_path) == rows


def test_golden_file(rows: list[dict[str, Any]]) -> None:
    golden = json.loads(GOLDEN.read_text())
    assert len(rows) == len(golden) == STEPS
    for row, expected in zip(rows, golden, strict=True):
        assert row == pytest.approx(expected, abs=1e-4), f"step {row['step']}"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        lines = ",\n".join(json.dumps(row) for row in golden_run(Path(temporary)))
    GOLDEN.write_text(f"[\n{lines}\n]\n")
