"""Legacy checkpoints of every layout go back to the very files, and load strictly in stock megatron-core."""

import hashlib
import shutil
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from checkpoints_convert.hf_to_megatron import import_hf, run
from checkpoints_convert.legacy import make_legacy
from checkpoints_convert.legacy_layout import Layout, check_layout
from checkpoints_convert.megatron_to_hf import export
from checkpoints_convert.verify import verify
from megatron_mathcoder.config.architecture_file import read_architecture
from megatron_mathcoder.config.errors import CheckpointError
from tests.checkpoints_convert.tiny_models import FAMILIES


def import_legacy(folder: Path, target: Path, layout: Layout, spec: str = "local") -> None:
    import_hf(folder, target, make=partial(make_legacy, layout=layout, spec=spec))


def sha256(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.safetensors")}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_layout_goes_back_to_the_very_files(family, hf_model, tmp_path):
    folder = hf_model(family, "bfloat16")
    import_hf(folder, tmp_path / "any")
    model = read_architecture(tmp_path / "any")
    made = 0
    for tp, pp, vpp, spec in product((1, 2, 4, 8), (1, 2, 4), (1, 2), ("local", "te")):
        layout = Layout(tp, pp, vpp)
        try:
            check_layout(model, layout)
        except CheckpointError:
            continue
        target = tmp_path / f"{tp}-{pp}-{vpp}-{spec}"
        import_legacy(folder, target, layout, spec)
        assert len(list(target.glob("release/mp_rank_*"))) == tp * pp
        export(target, target / "hf-out")
        assert sha256(target / "hf-out") == sha256(folder), layout
        shutil.rmtree(target)
        made += 1
    assert made >= 8


@pytest.mark.parametrize(
    ("family", "layout"), [("llama3", Layout(2, 2, 1)), ("qwen2-tied", Layout(2, 2, 1)), ("mistral", Layout(1, 2, 2))]
)
def test_stock_megatron_loads_it_strictly(family, layout, hf_model, stock_megatron, logits_of, tmp_path):
    folder = hf_model(family)
    import_legacy(folder, tmp_path / "checkpoint", layout)
    model = read_architecture(tmp_path / "checkpoint")
    ran = stock_megatron(model, tp=layout.tp, pp=layout.pp, vpp=layout.vpp, load=tmp_path / "checkpoint")
    assert np.abs(np.load(ran / "logits.npy") - logits_of(folder)).max() < 1e-4


def test_every_rank_copy_is_verified(hf_model, tmp_path):
    """Norms lie in every rank's file; a flipped bit in the last one is found."""
    folder = hf_model("llama3")
    import_legacy(folder, tmp_path / "checkpoint", Layout(2, 2, 1))
    rows, faults = verify(folder, tmp_path / "checkpoint")
    assert (faults, {row.fault for row in rows}) == ([], {""})
    path = tmp_path / "checkpoint" / "release" / "mp_rank_01_001" / "model_optim_rng.pt"
    from checkpoints_convert.checkpoint_reader import read_checkpoint

    model = read_architecture(tmp_path / "checkpoint")
    norm = read_checkpoint(tmp_path / "checkpoint", model)[1]["decoder.final_layernorm.weight"].blocks[0]
    assert norm.path == path
    data = bytearray(path.read_bytes())
    data[norm.offset] ^= 1
    path.write_bytes(data)
    rows, faults = verify(folder, tmp_path / "checkpoint")
    assert [row.name for row in rows if row.fault] == ["model.norm.weight"]


def test_files_beyond_4_gib_are_readable(tmp_path):
    """A sparse file of 5 GiB: the zip's 64-bit records are what torch and Python's zipfile expect."""
    import zipfile

    import torch

    from checkpoints_convert.torch_zip_writer import tensor, torch_file

    rows = (5 << 30) // 2 // 1024
    content = {"big": tensor(0, "BF16", (rows, 1024)), "small": tensor(1, "BF16", (4,))}
    layout = torch_file(content, [rows * 2048, 8])
    path = tmp_path / "big.pt"
    with path.open("wb") as file:
        file.truncate(layout.length)
        for offset, frame in layout.frames:
            file.seek(offset)
            file.write(frame)
        file.seek(layout.data[1])
        file.write(torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.bfloat16).view(torch.uint8).numpy().tobytes())
    assert zipfile.ZipFile(path).getinfo("archive/data/1").file_size == 8
    loaded = torch.load(path, mmap=True, weights_only=True)
    assert loaded["big"].shape == (rows, 1024)
    assert loaded["small"].tolist() == [1.0, 2.0, 3.0, 4.0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tp", "2"], r"--tp, --pp and --vpp are for --format legacy; a torch_dist checkpoint loads at every layout"),
        (["--format", "legacy", "--tp", "3"], r"tp 3, pp 1, vpp 1: num_attention_heads 4 is no multiple of tp; choose others"),
        (["--format", "legacy", "--tp", "0"], r"tp 0, pp 1, vpp 1: each is a number of at least 1; choose others"),
        (["--format", "legacy", "--pp", "3"], r"num_layers 4 is no multiple of pp × vpp"),
        (["--format", "legacy", "--vpp", "2"], r"vpp needs pp of 2 or more"),
    ],
)
def test_impossible_layouts_are_refused(arguments, message, hf_model, tmp_path):
    with pytest.raises(CheckpointError, match=message):
        run([str(hf_model("llama3")), str(tmp_path / "checkpoint"), *arguments])


def test_missing_ranks_are_noticed(hf_model, tmp_path):
    import_legacy(hf_model("llama3"), tmp_path / "checkpoint", Layout(2, 2, 1))
    shutil.rmtree(tmp_path / "checkpoint" / "release" / "mp_rank_00_001")
    with pytest.raises(CheckpointError, match=r"3 ranks' folders for tp 2 × pp 2; some are missing"):
        export(tmp_path / "checkpoint", tmp_path / "hf")
