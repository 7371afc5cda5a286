"""A run that resumes with another recipe: refused with the difference, or allowed and recorded."""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest

from megatron_mathcoder.config.run_folder import CHANGES_FILE, CHECKPOINTS, DATA_FILE, METRICS_FILE, RUN_FILE
from tests.trainer.runs import small_config, train
from tests.trainer.synthetic_dataset import write_dataset

SAVES = ("training.steps=6", "checkpoint.interval_steps=3", "checkpoint.keep_last=0")
EXACT = ("loss", "grad_norm", "learning_rate", "consumed_samples")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, dataset: Path) -> Path:
    """Return the folder of a run of 6 steps, saved at 3 and 6."""
    folder = tmp_path_factory.mktemp("finished")
    train(small_config(folder, dataset, *SAVES))
    return folder


def steps_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / METRICS_FILE).read_text().splitlines()]


@pytest.fixture
def halfway(tmp_path: Path, finished: Path) -> Path:
    """Return a copy of that run as it was after its third step."""
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    shutil.rmtree(folder / CHECKPOINTS / "iter_0000006")
    return folder


def test_a_changed_learning_rate_is_shown_and_refused_on_every_rank(halfway: Path, dataset: Path) -> None:
    with pytest.raises(AssertionError) as error:
        train(small_config(halfway, dataset, *SAVES, "optimizer.lr=5e-3"), data_parallel_size=2)
    message = (
        f"ConfigError: checkpoint {halfway / CHECKPOINTS / 'iter_0000003'}: the recipe has changed since: "
        "optimizer.lr = 0.003 then, 0.005 now (the steps from here on use the new value); write the old values, "
        'choose another run.folder, or allow this with checkpoint.allow_changes = ["optimizer.lr"]'
    )
    assert str(error.value).count(message) == 2
    assert "lr = 0.003\n" in (halfway / RUN_FILE).read_text()


def test_an_allowed_change_takes_effect_and_is_recorded(halfway: Path, finished: Path, dataset: Path) -> None:
    allowed = 'checkpoint.allow_changes=["optimizer.lr"]'
    rows = train(small_config(halfway, dataset, *SAVES, "optimizer.lr=5e-3", allowed))
    before = steps_of(finished)
    assert rows[:3] == before[:3]
    # After 2 steps of warm-up, a cosine over 4: steps 4 to 6 begin at a quarter, a half and three quarters of it.
    falling = [2e-4 + (5e-3 - 2e-4) * 0.5 * (1 + math.cos(math.pi * share)) for share in (0.25, 0.5, 0.75)]
    assert [row["learning_rate"] for row in rows[3:]] == pytest.approx(falling)
    assert json.loads((halfway / CHANGES_FILE).read_text()) == {"step": 3, "changes": {"optimizer.lr": [0.003, 0.005]}}
    assert "lr = 0.005\n" in (halfway / CHECKPOINTS / "iter_0000006" / RUN_FILE).read_text()


@pytest.mark.parametrize(
    "change", ["min_lr=1e-3", "adam_beta1=0.5", "adam_beta2=0.99", "adam_eps=1e-2", "weight_decay=5.0", "clip_grad=1e-3"]
)
def test_every_number_of_the_optimizer_comes_from_the_recipe(change: str, halfway: Path, finished: Path, dataset: Path) -> None:
    """megatron-core would take the learning rates, betas and epsilon of the checkpoint instead, and say nothing."""
    rows = train(small_config(halfway, dataset, *SAVES, f"optimizer.{change}", 'checkpoint.allow_changes=["optimizer"]'))
    before = steps_of(finished)
    assert rows[:3] == before[:3]
    assert rows[3]["loss"] == before[3]["loss"]
    assert rows[5]["loss"] != before[5]["loss"]


def test_a_prolonged_run_sees_the_data_of_a_run_that_was_as_long_from_the_start(
    tmp_path: Path, finished: Path, dataset: Path
) -> None:
    """With the schedule held, the longer run's steps are those of a run that knew its length, to the last bit."""
    schedule = ("optimizer.lr_decay_style=constant", "training.epochs=0.15", "training.steps=0", "checkpoint.interval_steps=3")
    folder = tmp_path / "prolonged"
    short = train(small_config(folder, dataset, *schedule))
    longer = (*schedule, "training.epochs=0.25")
    with pytest.raises(AssertionError, match=r"training\.epochs = 0\.15 then, 0\.25 now \(the order of the data is unaffected; "):
        train(small_config(folder, dataset, *longer))
    rows = train(small_config(folder, dataset, *longer, 'checkpoint.allow_changes=["training.epochs"]'))
    whole = train(small_config(tmp_path / "whole", dataset, *longer))
    assert len(short) == 6
    assert len(rows) == len(whole) == 10
    for name in EXACT:
        assert [row[name] for row in rows] == [row[name] for row in whole], name


def test_a_dataset_made_anew_under_its_path_is_noticed(tmp_path: Path) -> None:
    prefix = tmp_path / "data"
    folder = tmp_path / "run"
    write_dataset(prefix, documents=120)
    train(small_config(folder, prefix, *SAVES))
    shutil.rmtree(folder / CHECKPOINTS / "iter_0000006")
    write_dataset(prefix, documents=120, seed=1)
    with pytest.raises(
        AssertionError, match=rf"DataError: dataset {prefix}: the run began with \d+ tokens in 120 documents \(ends "
    ):
        train(small_config(folder, prefix, *SAVES))
    kept = (folder / DATA_FILE).read_text()
    rows = train(small_config(folder, prefix, *SAVES, 'checkpoint.allow_changes=["dataset.blend.0.prefix"]'))
    assert len(rows) == 6
    assert (folder / DATA_FILE).read_text() != kept


def test_another_layout_and_micro_batch_need_no_permission(halfway: Path, dataset: Path) -> None:
    rows = train(small_config(halfway, dataset, *SAVES, "training.micro_batch_size=2"), data_parallel_size=2)
    assert len(rows) == 6
    assert not (halfway / CHANGES_FILE).exists()


def test_a_run_cannot_be_cut_behind_its_checkpoint(halfway: Path, dataset: Path) -> None:
    shorter = (*SAVES, "training.steps=2", "optimizer.lr_warmup_steps=1", 'checkpoint.allow_changes=["training", "optimizer"]')
    with pytest.raises(AssertionError, match="it has 3 steps, the recipe's run ends after 2; lengthen the run"):
        train(small_config(halfway, dataset, *shorter))


def test_steps_without_a_checkpoint_are_not_overwritten_by_another_run(halfway: Path, dataset: Path) -> None:
    shutil.rmtree(halfway / CHECKPOINTS)
    with pytest.raises(AssertionError, match=r"it holds steps of another run, .*: run\.seed = 3407 then, 1 now; choose another"):
        train(small_config(halfway, dataset, *SAVES, "run.seed=1"))
    assert len(steps_of(halfway)) == 6
