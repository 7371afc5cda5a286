"""A run of the real trainer, exported: its newest checkpoint, in bf16 and as fp32 master weights."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from checkpoints_convert.hf_to_megatron import import_hf
from checkpoints_convert.megatron_to_hf import export
from megatron_mathcoder.config.errors import CheckpointError
from tests.trainer.runs import small_config, train
from tests.trainer.synthetic_dataset import write_dataset


@pytest.fixture(scope="module")
def run_folders(tmp_path_factory) -> dict[str, Path]:
    """bf16 runs of 2 ranks, with and without the distributed optimizer."""
    folder = tmp_path_factory.mktemp("runs")
    write_dataset(folder / "counting", documents=60)
    common = ("training.precision=bf16", "training.steps=3", "checkpoint.interval_steps=2")
    layouts = {
        "divided weights": (1, "parallel.tensor_model_parallel_size=2"),
        "divided optimizer": (2, "parallel.use_distributed_optimizer=true"),
    }
    for name, (data_parallel_size, override) in layouts.items():
        train(small_config(folder / name, folder / "counting", *common, override), data_parallel_size)
    return {name: folder / name for name in layouts}


@pytest.mark.parametrize("name", ["divided weights", "divided optimizer"])
def test_master_weights_are_what_the_bf16_weights_were_rounded_from(name, run_folders, tmp_path):
    import torch
    from safetensors.torch import load_file

    export(run_folders[name], tmp_path / "bf16")
    export(run_folders[name], tmp_path / "fp32", master=True)
    rounded, master = (load_file(tmp_path / folder / "model.safetensors") for folder in ("bf16", "fp32"))
    assert rounded.keys() == master.keys()
    assert {tensor.dtype for tensor in rounded.values()} == {torch.bfloat16}
    assert {tensor.dtype for tensor in master.values()} == {torch.float32}
    assert all(torch.equal(master[name].bfloat16(), rounded[name]) for name in master)
    assert json.loads((tmp_path / "fp32" / "config.json").read_text())["dtype"] == "float32"
    assert "| step | 3 |" in (tmp_path / "bf16" / "README.md").read_text()


def test_a_damaged_newest_checkpoint_is_named_and_the_one_before_it_exported(run_folders, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(run_folders["divided weights"], run)
    newest = run / "checkpoints" / "iter_0000003"
    flip_a_bit(max(newest.glob("*.distcp"), key=lambda path: path.stat().st_size))
    export(run, tmp_path / "hf")
    assert "| step | 2 |" in (tmp_path / "hf" / "README.md").read_text()
    assert re.search(r"warning: .*iter_0000003: .*\.distcp is not what was written \(checksum\)", capsys.readouterr().out)
    with pytest.raises(CheckpointError, match=r"iter_0000003"):
        export(newest, tmp_path / "other")


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_both_runs_load_in_transformers(run_folders, logits_of, tmp_path):
    for name, folder in run_folders.items():
        export(folder, tmp_path / name)
        assert np.isfinite(logits_of(tmp_path / name)).all()


def test_training_goes_on_from_an_import_as_from_the_checkpoint_itself(run_folders, tmp_path):
    """Out to Hugging Face, back, and into two ranks: the same losses as from the run's own checkpoint."""
    run = run_folders["divided optimizer"]
    export(run, tmp_path / "hf")
    import_hf(tmp_path / "hf", tmp_path / "imported")
    losses = []
    for name, initial in (("own", run), ("imported", tmp_path / "imported")):
        settings = ("training.precision=bf16", "training.steps=3", f"checkpoint.initial={str(initial)!r}")
        layout = "parallel.tensor_model_parallel_size=2"
        rows = train(small_config(tmp_path / f"{name}-run", run.parent / "counting", *settings, layout))
        losses.append([row["loss"] for row in rows])
    assert losses[0] == losses[1]


def test_a_checkpoint_without_optimizer_has_no_master_weights(tiny_checkpoint, tmp_path):
    with pytest.raises(CheckpointError, match=r"holds no fp32 master copy; only bf16 runs have one"):
        export(tiny_checkpoint, tmp_path / "hf", master=True)
