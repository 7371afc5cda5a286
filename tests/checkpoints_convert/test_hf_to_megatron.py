"""What import-hf writes is the Hugging Face model, for stock megatron-core at every layout, and goes back byte for byte."""

import hashlib
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
from checkpoints_convert.llama_family import family_of
from checkpoints_convert.megatron_to_hf import export
from checkpoints_convert.param_mapping import FuseQKV, Piece
from megatron_mathcoder.config.architecture_file import architecture_text, read_architecture
from megatron_mathcoder.config.errors import CheckpointError
from tests.checkpoints_convert.tiny_models import FAMILIES, TINY

LAYOUTS = {"llama2": (2, 2, 1), "llama3": (4, 1, 1), "mistral": (1, 2, 2), "qwen2-tied": (2, 2, 1), "qwen2": (2, 1, 1)}
"""TP, PP, VPP; others in one process. llama3 has 4 tensor-parallel ranks for 2 query groups."""


def sha256(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir() if path.is_file()}


def noise(folder: Path, logits_of) -> tuple[np.ndarray, float]:
    """fp64 logits, and the error transformers' own fp32 makes."""
    exact = logits_of(folder, "float64")
    return exact, float(np.abs(logits_of(folder) - exact).max())


@pytest.mark.parametrize("family", FAMILIES)
def test_megatron_computes_the_hugging_face_model(family, hf_model, stock_megatron, logits_of, tmp_path):
    folder = hf_model(family)
    import_hf(folder, tmp_path / "checkpoint")
    tp, pp, vpp = LAYOUTS.get(family, (1, 1, 1))
    model = read_architecture(tmp_path / "checkpoint")
    run = stock_megatron(model, tp=tp, pp=pp, vpp=vpp, load=tmp_path / "checkpoint")
    exact, own_error = noise(folder, logits_of)
    assert np.abs(np.load(run / "logits.npy") - exact).max() < 2 * own_error


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_training_goes_on_alike_in_every_layout(family, hf_model, stock_megatron, tmp_path):
    import_hf(hf_model(family), tmp_path / "checkpoint")
    model = read_architecture(tmp_path / "checkpoint")
    alone, divided = (
        json.loads((stock_megatron(model, tp=n, pp=n, load=tmp_path / "checkpoint", steps=3) / "losses.json").read_text())
        for n in (1, 2)
    )
    assert alone[2] < alone[0]
    assert divided == pytest.approx(alone, abs=1e-5)


def test_the_keys_are_transformer_engines():
    """megatron-core's local spec names its norms on disk as its Transformer Engine spec does, by a map; ours are those names."""
    from megatron.core.models.gpt.gpt_layer_specs import get_gpt_layer_local_spec

    names = get_gpt_layer_local_spec().submodules.sharded_state_dict_keys_map
    assert names.keys() == {"input_layernorm.", "pre_mlp_layernorm."}
    ours = {rule.key for rule in family_of(TINY).rules(TINY)}
    assert {f"decoder.layers.{name}weight" for name in names.values()} <= ours


def queries_keys_values(self, model):
    """The wrong layout everybody tries first: all queries, all keys, all values."""
    head = model.kv_channels
    return [Piece(0, 0, model.num_attention_heads * head)] + [Piece(part, 0, model.num_query_groups * head) for part in (1, 2)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [{"sliding_window": 8}, {"sliding_window": 6}, {"rotary_base": 20_000}, {"layernorm_epsilon": 1e-2}, {}],
    ids=["window+1", "window-1", "theta", "epsilon", "permutation"],
)
def test_a_wrong_conversion_is_far_above_the_bar(change, hf_model, stock_megatron, logits_of, tmp_path, monkeypatch):
    folder = hf_model("mistral")
    if not change:
        monkeypatch.setattr(FuseQKV, "pieces", queries_keys_values)
    import_hf(folder, tmp_path / "checkpoint")
    model = replace(read_architecture(tmp_path / "checkpoint"), **change)
    run = stock_megatron(model, load=tmp_path / "checkpoint")
    exact, own_error = noise(folder, logits_of)
    assert np.abs(np.load(run / "logits.npy") - exact).max() > 1000 * 2 * own_error


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_way_there_and_back_gives_the_very_files(family, dtype, hf_model, tmp_path):
    folder = hf_model(family, dtype, "100KB")
    assert len(list(folder.glob("*.safetensors"))) > 1
    import_hf(folder, tmp_path / "checkpoint")
    export(tmp_path / "checkpoint", tmp_path / "hf")
    source, back = sha256(folder), sha256(tmp_path / "hf")
    assert {name: back.get(name) for name in source} == source


def test_a_checkpoint_of_megatron_goes_back_byte_for_byte_too(tiny_checkpoint, stock_megatron, tiny, tmp_path):
    """Export, import, and let stock megatron-core save it divided among 4 ranks: the export of that is the same file."""
    export(tiny_checkpoint, tmp_path / "first")
    import_hf(tmp_path / "first", tmp_path / "imported")
    divided = stock_megatron(tiny, tp=2, pp=2, load=tmp_path / "imported", save=True) / "checkpoint"
    export(divided, tmp_path / "second")
    names = ("model.safetensors", "config.json", "generation_config.json")
    assert [sha256(tmp_path / "first")[name] for name in names] == [sha256(tmp_path / "second")[name] for name in names]


def test_a_torch_bin_gives_the_same_checkpoint(hf_model, tmp_path):
    import torch
    from safetensors.torch import load_file

    folder = shutil.copytree(hf_model("qwen2"), tmp_path / "bin")
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(weights)
    parts = {f"pytorch_model-0000{n}-of-00002.bin": names[n - 1 :: 2] for n in (1, 2)}
    for name, members in parts.items():
        torch.save({member: weights[member] for member in members}, folder / name)
    index = {"weight_map": {member: name for name, members in parts.items() for member in members}}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    import_hf(folder, tmp_path / "from_bin")
    import_hf(hf_model("qwen2"), tmp_path / "from_safetensors")
    of_bin, of_safetensors = sha256(tmp_path / "from_bin"), sha256(tmp_path / "from_safetensors")
    assert {of_bin[name] == of_safetensors[name] for name in ("__0_0.distcp", ".metadata", "model.toml")} == {True}
    export(tmp_path / "from_bin", tmp_path / "hf")
    assert load_file(tmp_path / "hf" / "model.safetensors").keys() == weights.keys()


def test_second_copies_and_ignored_tensors_come_back(hf_model, tmp_path):
    """Old files carry lm_head although it is tied, and inv_freq although it is computed."""
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(hf_model("qwen2-tied"), tmp_path / "old")
    weights = load_file(folder / "model.safetensors")
    weights["lm_head.weight"] = weights["model.embed_tokens.weight"].clone()
    weights["model.layers.0.self_attn.rotary_emb.inv_freq"] = weights["model.norm.weight"][:8].clone()
    save_file(weights, folder / "model.safetensors")
    import_hf(folder, tmp_path / "checkpoint")
    export(tmp_path / "checkpoint", tmp_path / "hf")
    assert sha256(tmp_path / "hf")["model.safetensors"] == sha256(folder)["model.safetensors"]
    weights["lm_head.weight"][3, 3] += 1
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"lm_head.weight differs from model.embed_tokens.weight, though config.json ties"):
        import_hf(folder, tmp_path / "other")


def test_a_trained_checkpoint_is_described_by_the_model_it_started_from(hf_model, tmp_path):
    folder = shutil.copytree(hf_model("llama31"), tmp_path / "source")
    (folder / "tokenizer.json").write_text(json.dumps({"model": {"vocab": {"a": 0}}}))
    import_hf(folder, tmp_path / "imported")
    trained = tmp_path / "run" / "checkpoints" / "iter_0000010"
    trained.mkdir(parents=True)
    for path in (tmp_path / "imported").iterdir():
        if path.is_file() and path.name not in ("model.toml", "conversion.json"):
            shutil.copy(path, trained)
    text = architecture_text(read_architecture(tmp_path / "imported"))
    (trained / "run.toml").write_text(text + f'\n[checkpoint]\ninitial = "{tmp_path / "imported"}"\n')
    export(tmp_path / "run", tmp_path / "hf")
    for name in ("config.json", "generation_config.json", "tokenizer.json"):
        assert (tmp_path / "hf" / name).read_bytes() == (folder / name).read_bytes()
    (trained / "run.toml").write_text((trained / "run.toml").read_text().replace("rotary_base = 500000", "rotary_base = 900000"))
    export(tmp_path / "run", tmp_path / "other")
    assert json.loads((tmp_path / "other" / "config.json").read_text())["rope_theta"] == 900_000


def test_no_torch_is_imported(hf_model, tmp_path):
    arguments = [str(hf_model("llama3")), str(tmp_path / "checkpoint")]
    script = (
        f"import sys\nfrom checkpoints_convert.hf_to_megatron import run\nassert run({arguments!r}) == 0\n"
        "assert not {'torch', 'megatron.core', 'transformers'} & set(sys.modules), sorted(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, env=os.environ)


def edit_json(path: Path, **changes) -> None:
    content = json.loads(path.read_text())
    path.write_text(json.dumps({key: value for key, value in (content | changes).items() if value != "remove"}))


def rename_tensor(folder: Path, old: str, new: str) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    weights[new] = weights.pop(old)
    save_file(weights, folder / "model.safetensors")


def mix_dtypes(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    weights["model.layers.1.mlp.up_proj.weight"] = weights["model.layers.1.mlp.up_proj.weight"].bfloat16()
    save_file(weights, folder / "model.safetensors")


def put(folder: Path, name: str, content: bytes = b"") -> None:
    """Leave ``name`` in a folder in place of its weights."""
    (folder / "model.safetensors").unlink()
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


def cut(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_a_diverged_model_is_noticed_both_ways(value, dtype, hf_model, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(hf_model("llama3", dtype), tmp_path / "hf")
    weights = load_file(folder / "model.safetensors")
    weights["model.layers.2.mlp.down_proj.weight"][3, 5] = value
    save_file(weights, folder / "model.safetensors")
    message = (
        r"model.layers.2.mlp.down_proj.weight: element 293 is NaN or infinite; the model has diverged or the file is damaged"
    )
    with pytest.raises(CheckpointError, match=message):
        import_hf(folder, tmp_path / "checkpoint")
    assert not (tmp_path / "checkpoint").exists()
    import_hf(folder, tmp_path / "checkpoint", allow_nonfinite=True)
    with pytest.raises(CheckpointError, match=message):
        export(tmp_path / "checkpoint", tmp_path / "back")
    export(tmp_path / "checkpoint", tmp_path / "back", allow_nonfinite=True)
    assert sha256(tmp_path / "back")["model.safetensors"] == sha256(folder)["model.safetensors"]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: shutil.rmtree(f), r"no such folder; give a Hugging Face model folder"),
        (lambda f: (f / "config.json").unlink(), r"config.json: missing; give a Hugging Face model folder"),
        (lambda f: (f / "config.json").write_text("{"), r"config.json: not JSON"),
        (lambda f: (f / "config.json").write_text("[" * 100_000), r"config.json: not JSON"),
        (
            lambda f: (f / "model.safetensors").write_bytes((100_000).to_bytes(8, "little") + b"[" * 100_000),
            r"model.safetensors: its safetensors header is broken",
        ),
        (lambda f: (f / "model.safetensors").unlink(), r"no weights; a Hugging Face folder has one of"),
        (lambda f: put(f, "model-q4.gguf"), r"no weights; GGUF files are not read; take the model's safetensors"),
        (lambda f: put(f, "adapter_config.json"), r"no weights; it holds an adapter; merge it into its model first"),
        (lambda f: put(f, "consolidated.00.pth"), r"no weights; its weights are in their authors' own form"),
        (lambda f: put(f, "model-00001-of-00002.safetensors"), r"model.safetensors.index.json is not; get that too"),
        (lambda f: put(f, "snapshots/ab/config.json"), r"it is a download cache; give the folder in its snapshots/"),
        (lambda f: put(f, "model.toml"), r"it is a Megatron checkpoint; mathcoder export-hf makes a Hugging Face folder of it"),
        (
            lambda f: put(f, "model.safetensors", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"),
            r"a pointer of Git LFS in place of the file; fetch it with git lfs pull",
        ),
        (cut, r"model.safetensors: has \d+ bytes, its header says \d+; it is cut, get it again"),
        (lambda f: (f / "model.safetensors").write_bytes(b"x" * 100), r"not a safetensors file"),
        (
            lambda f: (f / "model.safetensors.index.json").write_text('{"weight_map": {"a": "absent.safetensors"}}'),
            r"names absent.safetensors, which is not there; get the missing file",
        ),
        (
            lambda f: (f / "model.safetensors.index.json").write_text('{"weight_map": {"a": "model.safetensors"}}'),
            r"says a is in model.safetensors, the file says otherwise",
        ),
        (
            lambda f: rename_tensor(f, "model.layers.0.mlp.up_proj.weight", "model.layers.0.mlp.upp_proj.weight"),
            r"model.layers.0.mlp.upp_proj.weight that this architecture has not; the nearest known is model.layers.0.mlp.up_proj",
        ),
        (mix_dtypes, r"model.layers.1.mlp.up_proj.weight is BF16 but decoder.layers.mlp.linear_fc1.weight is F32"),
        (lambda f: edit_json(f / "config.json", num_hidden_layers=5), r"has no tensor model.layers.4"),
        (lambda f: edit_json(f / "config.json", intermediate_size=95), r"has shape \[96, 64\], its architecture says \[95, 64\]"),
    ],
)
def test_a_folder_that_is_not_a_whole_model_is_refused(damage, message, hf_model, tmp_path):
    folder = shutil.copytree(hf_model("llama3"), tmp_path / "hf")
    damage(folder)
    with pytest.raises(CheckpointError, match=message) as caught:
        import_hf(folder, tmp_path / "checkpoint")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "checkpoint").exists()
