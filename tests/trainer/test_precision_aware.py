"""The optimizer of 12 bytes a parameter: follows that of 18, resumes to the last bit, keeps its masters in another layout."""

import shutil
from pathlib import Path

import pytest

from checkpoints_convert.megatron_to_hf import export
from megatron_mathcoder.config.run_folder import CHECKPOINTS, METRICS_FILE, checkpoint_name, read_rows
from tests.trainer.runs import assert_same_run, small_config, train

SAVED, END = 3, 6
BF16 = ("training.precision='bf16'", f"training.steps={END}", f"checkpoint.interval_steps={SAVED}", "checkpoint.keep_last=0")
TP2 = "parallel.tensor_model_parallel_size=2"
PP2 = "parallel.pipeline_model_parallel_size=2"
OVERLAP = ("parallel.overlap_grad_reduce=true", "parallel.overlap_param_gather=true")
STILL = ("optimizer.lr=1e-30", "optimizer.min_lr=0.0", "optimizer.weight_decay=0.0", "checkpoint.allow_changes=['optimizer']")
"""A step of this size changes no fp32 master: what is saved after it is what was loaded before."""


def small_state(value: bool) -> str:
    return f"optimizer.use_precision_aware_optimizer={str(value).lower()}"


@pytest.fixture(scope="module")
def twelve(tmp_path_factory: pytest.TempPathFactory, dataset: Path, initial: Path) -> Path:
    """Return the folder of a run of TP2 x DP2, saved at 3 and 6."""
    folder = tmp_path_factory.mktemp("twelve")
    start = f"checkpoint.initial={str(initial)!r}"
    train(small_config(folder, dataset, *BF16, start, TP2, *OVERLAP, small_state(True)), data_parallel_size=2)
    return folder


def halfway(run: Path, folder: Path) -> Path:
    """Copy a run as it was after its third step."""
    shutil.copytree(run, folder)
    shutil.rmtree(folder / CHECKPOINTS / checkpoint_name(END))
    return folder


def masters(run: Path, step: int, out: Path) -> dict[str, "object"]:
    from safetensors.torch import load_file

    export(run / CHECKPOINTS / checkpoint_name(step), out, master=True)
    return load_file(out / "model.safetensors")


def test_twelve_bytes_follow_eighteen(twelve: Path, tmp_path: Path, dataset: Path, initial: Path) -> None:
    """bf16 moments change an update by at most their rounding, 2⁻⁸; losses of six steps differ by less than 0.2 %."""
    start = f"checkpoint.initial={str(initial)!r}"
    whole = train(small_config(tmp_path / "whole", dataset, *BF16, start, TP2, *OVERLAP), data_parallel_size=2)
    rows = read_rows(twelve / METRICS_FILE)
    assert rows[-1]["loss"] < rows[0]["loss"] - 0.1
    for row, expected in zip(rows, whole, strict=True):
        assert row["loss"] == pytest.approx(expected["loss"], rel=2e-3), f"step {row['step']}"
        assert row["grad_norm"] == pytest.approx(expected["grad_norm"], rel=2e-2), f"step {row['step']}"
    # The first step starts from equal masters and moments.
    assert rows[0]["loss"] == whole[0]["loss"]


def test_a_resumed_run_is_the_undisturbed_one_to_the_last_bit(twelve: Path, tmp_path: Path, dataset: Path, initial: Path) -> None:
    folder = halfway(twelve, tmp_path / "run")
    start = f"checkpoint.initial={str(initial)!r}"
    train(small_config(folder, dataset, *BF16, start, TP2, *OVERLAP, small_state(True)), data_parallel_size=2)
    assert_same_run(folder, twelve)


@pytest.mark.parametrize(("layout", "data_parallel_size", "state"), [((PP2,), 1, True), ((), 2, False)], ids=["PP2", "18 bytes"])
def test_masters_are_equal_to_the_bit_in_another_layout_and_form(
    layout: tuple[str, ...], data_parallel_size: int, state: bool, twelve: Path, tmp_path: Path, dataset: Path, initial: Path
) -> None:
    import torch

    folder = halfway(twelve, tmp_path / "run")
    config = small_config(folder, dataset, *BF16, *STILL, f"checkpoint.initial={str(initial)!r}", small_state(state), *layout)
    rows = train(config, data_parallel_size)
    reference = read_rows(twelve / METRICS_FILE)
    assert rows[SAVED]["loss"] == pytest.approx(reference[SAVED]["loss"], rel=2e-2)
    before, after = masters(twelve, SAVED, tmp_path / "before"), masters(folder, END, tmp_path / "after")
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        assert torch.equal(tensor, after[name]), name
    lower_bits = torch.cat([tensor.view(torch.int32).flatten() & 0xFFFF for tensor in before.values()])
    assert (lower_bits != 0).float().mean() > 0.9
