"""What an exported Hugging Face folder consists of.

Decides: the weights files and everything beside them: the very files an imported checkpoint came from, else new ones.
Does not: write anything (``megatron_to_hf``).
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from checkpoints_convert import tokenizer_files
from checkpoints_convert.conversion import TargetFile
from checkpoints_convert.dtypes import DTYPES
from checkpoints_convert.hf_config import special_tokens, write_config
from checkpoints_convert.hf_folder import INDEX_FILE
from checkpoints_convert.kept_files import KEPT_FOLDER, find_kept_files, kept_files
from checkpoints_convert.llama_family import Family, family_of
from checkpoints_convert.manifest import Manifest
from checkpoints_convert.model_card import model_card
from checkpoints_convert.safetensors_stream import SafetensorsFile, make_shards, parse_header
from checkpoints_convert.stored_tensor import StoredTensor
from checkpoints_convert.tokenizer_files import Tokenizer, read_tokenizer
from megatron_mathcoder.config.architecture_file import read_tables
from megatron_mathcoder.config.errors import CheckpointError
from megatron_mathcoder.config.schema import ModelConfig


class Weights(NamedTuple):
    """The model's tensors with their places, the files that will hold them, and the index, if there is one."""

    tensors: dict[str, StoredTensor]
    targets: list[TargetFile]
    index_file: dict[str, bytes]


def new_weights(model: ModelConfig, stored: Mapping[str, StoredTensor], folder: Path) -> Weights:
    """Lay the tensors out in the order of a forward pass."""
    shards, index = make_shards(hf_shapes(family_of(model), model, stored), folder)
    content = {} if index is None else {INDEX_FILE: json_bytes(index)}
    return Weights(_tensors(shards), [TargetFile.of_safetensors(shard, {}) for shard in shards], content)


def restored_weights(checkpoint: Path, manifest: Manifest, folder: Path) -> Weights:
    """Lay the tensors out exactly as in the files the checkpoint was imported from."""
    shards = [parse_header(header_bytes(text), folder / name) for name, text in manifest.hf_headers.items()]
    ignored = {name: bytes.fromhex(content) for name, content in manifest.hf_ignored.items()}
    tensors = {name: tensor for name, tensor in _tensors(shards).items() if name not in ignored}
    index = checkpoint / KEPT_FOLDER / INDEX_FILE
    content = {INDEX_FILE: index.read_bytes()} if index.is_file() else {}
    return Weights(tensors, [TargetFile.of_safetensors(shard, ignored) for shard in shards], content)


def header_bytes(text: str) -> bytes:
    """A safetensors header with its length field, from its JSON text."""
    return len(text.encode()).to_bytes(8, "little") + text.encode()


def _tensors(shards: list[SafetensorsFile]) -> dict[str, StoredTensor]:
    return {name: tensor for shard in shards for name, tensor in shard.tensors.items()}


def hf_shapes(family: Family, model: ModelConfig, stored: Mapping[str, StoredTensor]) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Name → (dtype, shape): the embedding, layer by layer, the final norm and the output."""
    embedding, *others = family.rules(model)
    before: dict[str, tuple[str, tuple[int, ...]]] = {}
    layers: list[dict[str, tuple[str, tuple[int, ...]]]] = [{} for _ in range(model.num_layers)]
    after: dict[str, tuple[str, tuple[int, ...]]] = {}
    for rule in (embedding, *others):
        if rule.key not in stored:
            raise CheckpointError(
                f"the checkpoint has no tensor {rule.key}, which this architecture needs; check the architecture in its run.toml"
            )
        named = [(name, (stored[rule.key].dtype, shape)) for name, shape in rule.hf_shapes(model).items()]
        if rule.layers(model):
            each = len(rule.hf)
            for layer in range(model.num_layers):
                layers[layer] |= dict(named[layer * each : (layer + 1) * each])
        else:
            (before if rule is embedding else after).update(named)
    return before | {name: entry for layer in layers for name, entry in layer.items()} | after


def beside_weights(name: str, checkpoint: Path, model: ModelConfig, dtype: str, tokenizer: str) -> tuple[dict[str, bytes], str]:
    """The small files by name, and a sentence of warning or "". ``tokenizer`` is a path, "none", or "" for the run's own."""
    tables, family = read_tables(checkpoint), family_of(model)
    kept = find_kept_files(checkpoint, model)
    files = kept_files(kept, dtype) if kept else {}
    path = tokenizer or ("" if _has_tokenizer(files) else tables.get("dataset", {}).get("tokenizer", ""))
    chosen = _choose(path, model.vocab_size, files)
    if path:
        files = {name: content for name, content in files.items() if not tokenizer_files.NAMES.fullmatch(name)} | chosen.files
    files.setdefault("config.json", json_bytes(write_config(family, model, dtype, chosen)))
    ids = {key: value for key, value in special_tokens(chosen).items() if value is not None}
    if not kept:
        files["generation_config.json"] = json_bytes(ids)
    files["README.md"] = model_card(name, checkpoint, tables, DTYPES[dtype].torch_name).encode()
    return files, chosen.warning


def _has_tokenizer(files: Mapping[str, bytes]) -> bool:
    return any(tokenizer_files.NAMES.fullmatch(name) for name in files)


def _choose(path: str, vocab_size: int, kept: Mapping[str, bytes]) -> Tokenizer:
    if path and path != "none":
        return read_tokenizer(Path(path), vocab_size)
    missing = not path and not _has_tokenizer(kept)
    return Tokenizer({}, warning="no tokenizer is exported; add --tokenizer PATH to have one" if missing else "")


def json_bytes(content: dict[str, Any]) -> bytes:
    """Readable JSON."""
    return json.dumps(content, indent=2, ensure_ascii=False).encode() + b"\n"
