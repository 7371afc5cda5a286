"""What export-hf writes is the model megatron-core trained, and what it refuses is named."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from checkpoints_convert.hf_to_megatron import import_hf
from checkpoints_convert.megatron_to_hf import export
from megatron_mathcoder.config.architecture_file import architecture_text
from megatron_mathcoder.config.errors import CheckpointError

LOGITS_BAR = 1e-4


@pytest.mark.parametrize(("tp", "pp", "vpp"), [(1, 1, 1), (2, 1, 1), (1, 2, 2), (2, 2, 1)])
def test_exported_model_gives_megatrons_logits(tp, pp, vpp, tiny, stock_megatron, logits_of, tmp_path):
    run = stock_megatron(tiny, tp=tp, pp=pp, vpp=vpp)
    export(run / "checkpoint", tmp_path / "hf")
    assert np.abs(logits_of(tmp_path / "hf") - np.load(run / "logits.npy")).max() < LOGITS_BAR


@pytest.mark.parametrize(
    "change",
    [
        {"add_qkv_bias": True, "share_embeddings_and_output_weights": True},
        {"sliding_window": 7},
        {"rope_scaling_factor": 8.0, "rotary_base": 500_000, "max_position_embeddings": 131_072},
        {"num_query_groups": 4, "layernorm_epsilon": 1e-2},
    ],
    ids=["bias-tied", "window", "llama3-rope", "mha"],
)
def test_every_feature_survives_export(change, tiny, stock_megatron, logits_of, tmp_path):
    run = stock_megatron(replace(tiny, **change))
    export(run / "checkpoint", tmp_path / "hf")
    assert np.abs(logits_of(tmp_path / "hf") - np.load(run / "logits.npy")).max() < LOGITS_BAR


@pytest.mark.parametrize(
    ("prefix", "spelling", "tp"),
    [("model.", "", 1), ("module.", "", 1), ("", "non_homogeneous_layers", 2), ("model.module.", "singleton_local_shards", 2)],
)
def test_every_spelling_of_the_keys_is_one_model(prefix, spelling, tp, tiny, stock_megatron, logits_of, tmp_path):
    """Keys of wrapped models, one tensor a layer, gate and up apart."""
    run = stock_megatron(tiny, tp=tp, prefix=prefix, spelling=spelling)
    assert spelling_of(run / "checkpoint", prefix, spelling)
    export(run / "checkpoint", tmp_path / "hf")
    assert np.abs(logits_of(tmp_path / "hf") - np.load(run / "logits.npy")).max() < LOGITS_BAR


def spelling_of(checkpoint: Path, prefix: str, spelling: str) -> bool:
    """Whether the checkpoint really is spelled this way."""
    import pickle

    keys = pickle.loads((checkpoint / ".metadata").read_bytes()).state_dict_metadata
    own = {"": "layers.mlp.linear_fc1.weight", "non_homogeneous_layers": "layers.3.mlp.linear_fc1.weight"}
    return f"{prefix}decoder.{own.get(spelling, 'layers.3.mlp.linear_fc1.weight_w')}" in keys


def test_the_verb_takes_a_run_folder_and_imports_no_torch(tiny_checkpoint, tmp_path):
    run = tmp_path / "run"
    for step, name in ((100, "iter_0000100"), (200, "iter_0000200"), (300, "iter_0000300.partial")):
        shutil.copytree(tiny_checkpoint, run / "checkpoints" / name)
        with (run / "metrics.jsonl").open("a") as file:
            file.write(json.dumps({"step": step, "loss": step / 100}) + "\n")
    script = (
        "import sys\nfrom checkpoints_convert.megatron_to_hf import run\n"
        f"assert run([{str(run)!r}, {str(tmp_path / 'hf')!r}]) == 0\n"
        "assert not {'torch', 'megatron.core', 'transformers'} & set(sys.modules), sorted(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, env=os.environ)
    card = (tmp_path / "hf" / "README.md").read_text()
    assert "| step | 200 |" in card
    assert "| loss | 2.0 |" in card
    assert not (tmp_path / "hf.partial").exists()


def test_an_existing_target_is_kept_unless_told_otherwise(tiny_checkpoint, tmp_path):
    target = tmp_path / "hf"
    target.mkdir()
    (target / "mine.txt").write_text("precious")
    with pytest.raises(CheckpointError, match=r"hf: exists; choose another folder or add --overwrite"):
        export(tiny_checkpoint, target)
    with pytest.raises(CheckpointError, match=r"hf: holds no model \(conversion.json or config.json\), so --overwrite leaves it"):
        export(tiny_checkpoint, target, overwrite=True)
    assert (target / "mine.txt").read_text() == "precious"
    (target / "config.json").write_text("{}")
    export(tiny_checkpoint, target, overwrite=True)
    assert sorted(path.name for path in target.iterdir()) == [
        "README.md",
        "config.json",
        "conversion.json",
        "generation_config.json",
        "model.safetensors",
    ]


def test_what_is_being_read_is_never_replaced(tiny_checkpoint, tmp_path):
    """Whatever was typed as the target, the only copy of a run or of a model is still there afterwards."""
    run = tmp_path / "run"
    checkpoint = shutil.copytree(tiny_checkpoint, run / "checkpoints" / "iter_0000001")
    export(run, tmp_path / "hf")
    model = (tmp_path / "hf" / "model.safetensors").read_bytes()
    (tmp_path / "link").symlink_to(tmp_path / "hf")
    for convert, source, target in (
        (export, run, run),
        (export, run, checkpoint),
        (export, run, tmp_path),
        (import_hf, tmp_path / "hf", tmp_path / "hf"),
        (import_hf, tmp_path / "hf", tmp_path / "link"),
    ):
        with pytest.raises(CheckpointError, match=r"holds .*, which is being read; choose another folder"):
            convert(source, target, overwrite=True)
    assert (checkpoint / "metadata.json").is_file()
    assert (tmp_path / "hf" / "model.safetensors").read_bytes() == model


def change_architecture(checkpoint: Path, **fields) -> None:
    from megatron_mathcoder.config.architecture_file import read_architecture

    (checkpoint / "model.toml").write_text(architecture_text(replace(read_architecture(checkpoint), **fields)))


def cut_last_file(checkpoint: Path) -> None:
    path = max(checkpoint.glob("*.distcp"), key=lambda path: path.stat().st_size)
    path.write_bytes(path.read_bytes()[:-5000])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda c: (c / "metadata.json").unlink(), r"no finished checkpoint is in it"),
        (lambda c: (c / "model.toml").unlink(), r"neither run.toml nor model.toml, so its architecture is unknown"),
        (lambda c: (c / "model.toml").write_text("[model"), r"model.toml: not TOML"),
        (
            lambda c: (c / "model.toml").write_text("[model]\nnum_layers = 4\n"),
            r"architecture cannot be used: model\.\w+: missing",
        ),
        (lambda c: (c / "__0_1.distcp").unlink(), r"__0_1.distcp: missing, though .metadata names it; the checkpoint is torn"),
        (cut_last_file, r"\.distcp: torn at byte \d+"),
        (lambda c: (c / ".metadata").write_bytes(b"garbage"), r"\.metadata: refused, its pickle is broken"),
        (lambda c: change_architecture(c, num_layers=5), r"has shape \[4, 64\], its architecture says \[5, 64\]"),
        (lambda c: change_architecture(c, add_qkv_bias=True), r"no tensor decoder.layers.self_attention.linear_qkv.bias"),
        (
            lambda c: change_architecture(c, share_embeddings_and_output_weights=True),
            r"has a tensor output_layer.weight that this architecture has not",
        ),
        (lambda c: change_architecture(c, vocab_size=200), r"has shape \[128, 64\], its architecture says \[200, 64\]"),
    ],
)
def test_a_checkpoint_that_is_not_what_it_says_is_refused(damage, message, tiny_checkpoint, tmp_path):
    checkpoint = shutil.copytree(tiny_checkpoint, tmp_path / "iter_0000001")
    damage(checkpoint)
    with pytest.raises(CheckpointError, match=message) as caught:
        export(checkpoint, tmp_path / "hf")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "hf").exists()


def test_a_full_disk_is_noticed_before_writing(tiny_checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 1000))
    with pytest.raises(CheckpointError, match=r"1e-06 GB free, 0\.000\d+ GB needed; free space or choose another disk"):
        export(tiny_checkpoint, tmp_path / "hf")
    assert not list(tmp_path.glob("hf.partial/*.safetensors"))
