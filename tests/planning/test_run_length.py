"""Steps of a run from its recipe or its data's files, and the size of a checkpoint against one that was written."""

from pathlib import Path

import pytest

from megatron_mathcoder.config.errors import DataError
from megatron_mathcoder.config.run_folder import find_checkpoint
from megatron_mathcoder.dataset.blend import open_blend
from megatron_mathcoder.planning.run_length import checkpoint_bytes, run_steps, saves
from megatron_mathcoder.trainer.main import steps_of_run
from tests.planning.tiny_runs import tiny
from tests.trainer.runs import small_config, train
from tests.trainer.synthetic_dataset import write_dataset

EPOCHS = ("training.steps=0", "training.epochs=3")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    prefix = tmp_path_factory.mktemp("data") / "counting"
    write_dataset(prefix, documents=300)
    return prefix


def test_steps_and_tokens_are_the_recipes_own():
    assert run_steps(tiny("training.steps=17")) == 17
    assert run_steps(tiny("training.steps=0", "training.tokens=5000")) == 10  # 8 samples of 64


def test_epochs_are_counted_from_the_files_as_training_counts_them(dataset, tmp_path):
    config = small_config(tmp_path, dataset, *EPOCHS, "dataset.validation_fraction=0.1")
    blend = open_blend(config.dataset, config.model.vocab_size, config.run.seed)
    # Held-out tokens are cut at a document's end there, and by their share here.
    assert run_steps(config) == pytest.approx(steps_of_run(config, blend), abs=3)


def test_epochs_without_data_are_unknown_or_given():
    assert run_steps(tiny(*EPOCHS)) == 0
    assert run_steps(tiny(*EPOCHS), epoch_tokens=64 * 80) == 30


def test_a_file_that_is_no_index_is_named(tmp_path):
    (tmp_path / "x.bin").write_bytes(b"1234")
    (tmp_path / "x.idx").write_bytes(b"not an index at all")
    config = tiny(*EPOCHS, f"dataset.blend.0.prefix={tmp_path / 'x'}")
    with pytest.raises(DataError) as caught:
        run_steps(config)
    assert str(caught.value) == (
        f"{tmp_path / 'x'}.idx: is no whole Megatron index; write it with `mathcoder tokenize`, or give --epoch-tokens"
    )


def test_saves_are_one_per_interval_and_one_at_the_end():
    assert [saves(tiny(f"checkpoint.interval_steps={every}"), 10) for every in (0, 3, 5)] == [1, 4, 2]


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_a_checkpoint_has_the_planned_size(precision, dataset, tmp_path):
    """Large enough that the files' own headers do not count."""
    sizes = ("model.hidden_size=256", "model.vocab_size=4096", "model.ffn_hidden_size=512", "training.steps=1")
    config = small_config(tmp_path, dataset, *sizes, "optimizer.lr_warmup_steps=0", f"training.precision={precision}")
    train(config)
    folder = find_checkpoint(tmp_path)
    written = sum(file.stat().st_size for file in folder.iterdir())
    assert checkpoint_bytes(config) == pytest.approx(written, rel=0.02)
