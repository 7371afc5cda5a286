"""``mathcoder export-hf``: a Megatron checkpoint becomes a Hugging Face folder.

Decides: what the folder contains: weights, configuration, tokenizer, model card. Does not: change a single weight; the
dtype stays the stored one, and vocabulary padding, optimizer state and random states stay behind.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from checkpoints_convert.architecture_file import read_architecture, read_tables
from checkpoints_convert.conversion import TargetFile, write_tensors
from checkpoints_convert.copy_plan import make_plan
from checkpoints_convert.hf_config import generation_config, write_config
from checkpoints_convert.llama_family import Family, family_of
from checkpoints_convert.model_card import model_card
from checkpoints_convert.partial_folder import partial_folder
from checkpoints_convert.safetensors_stream import make_shards
from checkpoints_convert.stored_tensor import StoredTensor
from checkpoints_convert.tokenizer_files import Tokenizer, read_tokenizer
from checkpoints_convert.torch_dist import read_torch_dist
from megatron_mathcoder.config.errors import CheckpointError
from megatron_mathcoder.config.run_folder import find_checkpoint
from megatron_mathcoder.config.schema import ModelConfig

INDEX_FILE = "model.safetensors.index.json"


def run(argv: list[str]) -> int:
    """``mathcoder export-hf CKPT HF_DIR``."""
    parser = argparse.ArgumentParser(
        prog="mathcoder export-hf", description="Write a Megatron checkpoint as a Hugging Face folder."
    )
    parser.add_argument(
        "checkpoint", type=Path, help="a run folder (its newest checkpoint is taken), checkpoints/ or one iter_ folder"
    )
    parser.add_argument("hf_dir", type=Path, help="folder to write")
    parser.add_argument(
        "--tokenizer", default="", help="tokenizer to put beside the weights; default: the run's; none = no tokenizer"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace HF_DIR if it exists")
    arguments = parser.parse_args(argv)
    export(arguments.checkpoint, arguments.hf_dir, tokenizer=arguments.tokenizer, overwrite=arguments.overwrite)
    return 0


def export(checkpoint: Path, hf_dir: Path, *, tokenizer: str = "", overwrite: bool = False) -> None:
    """Export a checkpoint (a run folder means its newest) to ``hf_dir``, which appears when it is complete.

    Raises ``CheckpointError`` when the checkpoint is torn, of an unknown architecture or not what it says, the target exists, the
    tokenizer does not fit, or the disk is too full.
    """
    checkpoint = find_checkpoint(checkpoint)
    model, tables = read_architecture(checkpoint), read_tables(checkpoint)
    family, stored = family_of(model), read_torch_dist(checkpoint)
    chosen = choose_tokenizer(tokenizer or tables.get("dataset", {}).get("tokenizer", ""), model.vocab_size)
    shapes = hf_shapes(family, model, stored)
    shards, _ = make_shards(shapes, hf_dir)
    size = sum(shard.file_bytes for shard in shards)
    with partial_folder(hf_dir, needed_bytes=size, overwrite=overwrite) as partial:
        shards, index = make_shards(shapes, partial)
        hf = {name: tensor for shard in shards for name, tensor in shard.tensors.items()}
        targets = [TargetFile.of_safetensors(shard) for shard in shards]
        write_tensors(make_plan(family, model, hf, stored), hf, targets, to_hf=True)
        dtype = hf["model.embed_tokens.weight"].dtype
        for name, content in chosen.files.items():
            (partial / name).write_bytes(content)
        write_json(partial / "generation_config.json", generation_config(chosen))
        (partial / "README.md").write_text(model_card(hf_dir.name, checkpoint, tables, dtype))
        write_json(partial / "config.json", write_config(family, model, dtype, chosen))
        if index is not None:
            write_json(partial / INDEX_FILE, index)
    print(f"{hf_dir}: {family.hf_class}, {len(hf)} tensors, {size / 1e9:.2f} GB {dtype}, from {checkpoint}")
    if chosen.warning:
        print(f"warning: {chosen.warning}")


def hf_shapes(family: Family, model: ModelConfig, stored: dict[str, StoredTensor]) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Name → (dtype, shape) of the Hugging Face tensors, layer by layer in the order of a forward pass."""
    rules = family.rules(model)
    for rule in rules:
        if rule.key not in stored:
            near = ", ".join(sorted(stored)[:3]) or "none"
            raise CheckpointError(f"the checkpoint has no tensor {rule.key}, which this architecture needs (it has {near}, …)")
    shapes = [(rule.layers(model), stored[rule.key].dtype, rule.hf_shapes(model)) for rule in rules]
    first = [(name, dtype, shape) for layers, dtype, found in shapes if not layers for name, shape in found.items()]
    layered = [
        (layer, name, dtype, shape)
        for layers, dtype, found in shapes
        if layers
        for place, (name, shape) in enumerate(found.items())
        for layer in [place // (len(found) // layers)]
    ]
    ordered = [first[0], *[entry[1:] for entry in sorted(layered, key=lambda entry: entry[0])], *first[1:]]
    return {name: (dtype, shape) for name, dtype, shape in ordered}


def choose_tokenizer(path: str, vocab_size: int) -> Tokenizer:
    """The tokenizer files to export; none when there is no path or it is ``none``."""
    if path in ("", "none"):
        return Tokenizer({}, warning="no tokenizer is exported; add --tokenizer PATH to have one" if not path else "")
    return read_tokenizer(Path(path), vocab_size)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write readable JSON."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
