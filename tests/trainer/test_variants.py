"""What a recipe can ask for beside a layout: bf16, schedules, durations, blends; each seen in the metrics of a run."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from megatron_mathcoder.config.run_folder import CHECKPOINTS, VALIDATION_FILE
from tests.trainer.runs import small_config, train
from tests.trainer.synthetic_dataset import write_dataset


def test_bf16_follows_fp32(tmp_path: Path, dataset: Path, initial: Path) -> None:
    start = f"checkpoint.initial={str(initial)!r}"
    exact = train(small_config(tmp_path / "fp32", dataset, start))
    rounded = train(small_config(tmp_path / "bf16", dataset, start, "training.precision='bf16'"))
    for row, expected in zip(rounded, exact, strict=True):
        assert row["loss"] == pytest.approx(expected["loss"], rel=2e-2), f"step {row['step']}"
    assert [row["loss"] for row in rounded] != [row["loss"] for row in exact]


def test_bf16_divided_follows_bf16_alone(tmp_path: Path, dataset: Path, initial: Path) -> None:
    settings = (f"checkpoint.initial={str(initial)!r}", "training.precision='bf16'")
    layout = (
        "parallel.tensor_model_parallel_size=2",
        "parallel.sequence_parallel=true",
        "parallel.overlap_grad_reduce=true",
        "parallel.overlap_param_gather=true",
    )
    alone = train(small_config(tmp_path / "alone", dataset, *settings))
    divided = train(small_config(tmp_path / "divided", dataset, *settings, *layout), data_parallel_size=2)
    for row, expected in zip(divided, alone, strict=True):
        assert row["loss"] == pytest.approx(expected["loss"], rel=2e-2), f"step {row['step']}"


def half(share: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * share))


SCHEDULES = {
    # learning rate of each of 6 steps: 2 of warm-up from 0 to 1e-2, then 4 towards 1e-3
    "cosine": [1e-3 + 9e-3 * half(share) for share in (0, 0.25, 0.5, 0.75)],
    "linear": [1e-3 + 9e-3 * (1 - share) for share in (0, 0.25, 0.5, 0.75)],
    "constant": [1e-2] * 4,
    "WSD": [1e-2, 1e-2, 1e-2, 1e-3 + 9e-3 * 0.5],
}


@pytest.mark.parametrize("style", SCHEDULES)
def test_schedule(style: str, tmp_path: Path, dataset: Path) -> None:
    overrides = [f"optimizer.lr_decay_style={style!r}", "optimizer.lr=1e-2", "optimizer.min_lr=1e-3"]
    if style == "WSD":
        overrides.append("optimizer.wsd_decay_steps=2")
    rows = train(small_config(tmp_path, dataset, *overrides))
    assert [row["learning_rate"] for row in rows] == pytest.approx([0.0, 5e-3, *SCHEDULES[style]])


@pytest.mark.parametrize(
    ("duration", "steps"),
    # 120 documents of counted length: the dataset's training share has 302 samples of 64 tokens, 8 to a step
    [("training.tokens=2000", 4), ("training.epochs=0.1", 4), ("training.steps=4", 4)],
)
def test_duration(duration: str, steps: int, tmp_path: Path, dataset: Path) -> None:
    rows = train(small_config(tmp_path, dataset, "training.steps=0", duration))
    assert len(rows) == steps
    assert rows[-1]["consumed_tokens"] == steps * 8 * 64
    assert rows[-1]["consumed_samples"] == steps * 8


def test_global_batch_in_tokens(tmp_path: Path, dataset: Path) -> None:
    overrides = ("training.global_batch_size=0", f"training.global_batch_tokens={8 * 64}", "training.steps=4")
    assert train(small_config(tmp_path, dataset, *overrides))[-1]["consumed_samples"] == 32


@pytest.fixture
def blend(tmp_path: Path, dataset: Path) -> tuple[str, ...]:
    """Return the overrides for a second part, three times as heavy as the first."""
    second = tmp_path / "second"
    write_dataset(second, documents=60, seed=1)
    parts = [
        {"name": "first", "prefix": str(dataset), "weight": 1.0},
        {"name": "second", "prefix": str(second), "weight": 3.0},
    ]
    tables = ", ".join("{" + ", ".join(f"{key} = {json.dumps(value)}" for key, value in part.items()) + "}" for part in parts)
    return (f"dataset.blend=[{tables}]", "dataset.validation_fraction=0.05", "validation.interval_steps=3")


def validations(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / VALIDATION_FILE).read_text().splitlines()]


def test_each_part_has_its_validation_loss(tmp_path: Path, dataset: Path, blend: tuple[str, ...]) -> None:
    alone, divided = tmp_path / "alone", tmp_path / "divided"
    train(small_config(alone, dataset, *blend))
    layout = ("parallel.tensor_model_parallel_size=2", "parallel.overlap_grad_reduce=true", "parallel.overlap_param_gather=true")
    train(small_config(divided, dataset, *blend, *layout), data_parallel_size=2)
    rows = validations(alone)
    assert [(row["step"], row["part"]) for row in rows] == [(s, p) for s in (0, 3, 6) for p in ("first", "second")]
    for row, expected in zip(validations(divided), rows, strict=True):
        assert row["loss"] == pytest.approx(expected["loss"], abs=1e-4)
        assert row["samples"] == expected["samples"]


def test_saved_weights_are_the_updated_ones(tmp_path: Path, dataset: Path) -> None:
    """With overlapped gathering, a save must wait for the parameters of its own step, or exports are a step behind."""
    overlap = ("parallel.overlap_grad_reduce=true", "parallel.overlap_param_gather=true")
    bf16 = "training.precision='bf16'"
    train(small_config(tmp_path / "overlap", dataset, bf16, *overlap), data_parallel_size=2)
    train(small_config(tmp_path / "plain", dataset, bf16), data_parallel_size=2)
    losses = []
    for name in ("overlap", "plain"):
        start = f"checkpoint.initial={str(tmp_path / name / CHECKPOINTS)!r}"
        losses.append(train(small_config(tmp_path / f"from_{name}", dataset, start, "training.steps=3"))[0]["loss"])
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)


def test_padding_of_the_vocabulary_is_not_in_the_loss(tmp_path: Path, dataset: Path) -> None:
    """Tensor-parallel sizes pad 520 rows differently; the loss must not know."""
    initial = tmp_path / "initial"
    odd = ("model.vocab_size=520", "model.make_vocab_size_divisible_by=64")
    train(small_config(initial, dataset, *odd, "training.steps=3"))
    start = f"checkpoint.initial={str(initial)!r}"
    alone = train(small_config(tmp_path / "alone", dataset, *odd, start))
    divided = train(small_config(tmp_path / "divided", dataset, *odd, start, "parallel.tensor_model_parallel_size=2"))
    for row, expected in zip(divided, alone, strict=True):
        assert row["loss"] == pytest.approx(expected["loss"], abs=1e-5)
        assert row["grad_norm"] == pytest.approx(expected["grad_norm"], abs=1e-5)
