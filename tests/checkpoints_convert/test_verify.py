"""verify-hf finds any single flipped bit, in either folder, and says where."""

import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from checkpoints_convert.hf_to_megatron import import_hf
from checkpoints_convert.megatron_to_hf import export
from checkpoints_convert.verify import run, verify
from megatron_mathcoder.config.errors import CheckpointError

FLIPS = 150


@pytest.fixture(scope="module")
def converted(hf_model, tmp_path_factory) -> tuple[Path, Path]:
    """A checkpoint with its manifest, and an export of it with its own."""
    folder = tmp_path_factory.mktemp("converted")
    import_hf(hf_model("qwen2", "bfloat16", "100KB"), folder / "checkpoint")
    export(folder / "checkpoint", folder / "hf")
    return folder / "hf", folder / "checkpoint"


def test_equal_folders_are_equal(converted, hf_model, capsys):
    hf, checkpoint = converted
    for folder in (hf, hf_model("qwen2", "bfloat16", "100KB")):
        assert run([str(folder), str(checkpoint)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "51 tensors, all equal"
    assert any(line.split() == ["model.layers.*.mlp.up_proj.weight", "4", "0.05", "equal"] for line in lines)


def found(hf: Path, checkpoint: Path) -> bool:
    """Whether a difference is found, or the folder is refused."""
    try:
        rows, faults = verify(hf, checkpoint)
    except CheckpointError:
        return True
    return bool(faults) or any(row.fault for row in rows)


@pytest.mark.parametrize("side", ["hf", "checkpoint"])
def test_every_flipped_bit_is_found(side, converted, tmp_path):
    hf, checkpoint = converted
    copy = shutil.copytree(hf if side == "hf" else checkpoint, tmp_path / side)
    pair = (copy, checkpoint) if side == "hf" else (hf, copy)
    assert not found(*pair)
    files = [path for path in sorted(copy.rglob("*")) if path.is_file()]
    draw = random.Random(7)
    for _ in range(FLIPS):
        path = draw.choice(files)
        clean = path.read_bytes()
        at, bit = draw.randrange(len(clean)), draw.randrange(8)
        path.write_bytes(clean[:at] + bytes([clean[at] ^ 1 << bit]) + clean[at + 1 :])
        assert found(*pair), f"bit {bit} of byte {at} of {path}"
        path.write_bytes(clean)


def test_a_flipped_weight_is_named_with_the_guilty_side(converted, tmp_path, capsys):
    hf, checkpoint = converted
    copy = shutil.copytree(checkpoint, tmp_path / "checkpoint")
    from checkpoints_convert.torch_dist import read_torch_dist

    block = read_torch_dist(copy)["decoder.layers.mlp.linear_fc2.weight"].blocks[-1]
    data = bytearray(block.path.read_bytes())
    data[block.offset] ^= 1
    block.path.write_bytes(data)
    assert run([str(hf), str(copy)]) == 1
    out = capsys.readouterr().out
    assert re.search(r"model.layers.3.mlp.down_proj.weight +1 +0.01  the two differ; changed since its conversion: CKPT", out)
    assert out.splitlines()[-1] == "51 tensors, 1 differences"


def test_two_models_are_told_apart_by_their_configuration(converted, hf_model):
    with pytest.raises(CheckpointError, match=r"has \w+ .*, .* has .*; they are two models"):
        verify(hf_model("llama3"), converted[1])


def test_a_changed_checkpoint_is_not_exported_as_the_imported_one(converted, tmp_path):
    from checkpoints_convert.torch_dist import read_torch_dist

    copy = shutil.copytree(converted[1], tmp_path / "checkpoint")
    block = read_torch_dist(copy)["decoder.final_layernorm.weight"].blocks[0]
    data = bytearray(block.path.read_bytes())
    data[block.offset] ^= 1
    block.path.write_bytes(data)
    with pytest.raises(
        CheckpointError, match=r"model.norm.weight is not what was imported; the checkpoint is damaged, import it"
    ):
        export(copy, tmp_path / "hf")
    assert not (tmp_path / "hf").exists()


def logits_check(hf: Path, checkpoint: Path) -> tuple[int, str]:
    command = [sys.executable, "-m", "megatron_mathcoder", "verify-hf", str(hf), str(checkpoint), "--logits"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.splitlines()[-1] if done.stdout else done.stderr


def test_our_own_model_gives_the_logits_too(hf_model, tmp_path):
    import_hf(hf_model("qwen2-window"), tmp_path / "checkpoint")
    status, line = logits_check(hf_model("qwen2-window"), tmp_path / "checkpoint")
    assert re.fullmatch(r"logits: largest error \d\.\d\de-\d\d, allowed \d\.\d\de-\d\d: equal", line), line
    assert status == 0


def test_a_wrong_epsilon_shows_in_the_logits(hf_model, tmp_path):
    """The bytes are the same; only the number beside them is not."""
    folder = shutil.copytree(hf_model("llama3"), tmp_path / "hf")
    import_hf(folder, tmp_path / "checkpoint")
    (folder / "config.json").write_text((folder / "config.json").read_text().replace("1e-05", "0.01"))
    command = [sys.executable, "-m", "megatron_mathcoder.inference.compare_logits", str(folder), str(tmp_path / "checkpoint")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout.rstrip().endswith("DIFFERENT")
