"""``mathcoder add-tokens``: a Hugging Face model with a larger vocabulary, for the tokens of the LCE format.

Decides: the new ids (after the tokenizer's last one, in the order of ``LCE_TOKENS``), the rows they begin with (the mean of the
rows of all tokens the tokenizer had, so that none is likelier than a usual one; Hewitt 2021), and that the vocabulary is padded
to a multiple. Rows a model has beyond its tokenizer are used first. Does not: change another row, or the dtype.
"""

import argparse
import json
import math
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from checkpoints_convert.byte_copy import BAND_BYTES, OpenFiles, copy_range
from checkpoints_convert.conversion import TargetFile, make_file
from checkpoints_convert.hf_folder import INDEX_FILE, HfFolder, files_to_keep, read_hf_folder
from checkpoints_convert.hf_output import json_bytes
from checkpoints_convert.partial_folder import partial_folder
from checkpoints_convert.safetensors_stream import SafetensorsFile, make_shards
from checkpoints_convert.stored_tensor import Block
from checkpoints_convert.tokenizer_files import read_tokenizer
from megatron_mathcoder.config.errors import CheckpointError
from megatron_mathcoder.config.lce_tokens import LCE_TOKENS

if TYPE_CHECKING:
    import numpy

EMBEDDINGS = ("model.embed_tokens.weight", "lm_head.weight")
"""Tensors with a row for each id."""

NUMPY_TYPES = {"F16": "<f2", "F32": "<f4", "F64": "<f8"}


def run(argv: list[str]) -> int:
    """``mathcoder add-tokens HF_DIR NEW_DIR``."""
    parser = argparse.ArgumentParser(
        prog="mathcoder add-tokens", description=f"Add the tokens of MathCoder's LCE format to a model: {' '.join(LCE_TOKENS)}"
    )
    parser.add_argument("hf_dir", type=Path, help="folder with config.json, weights and a tokenizer")
    parser.add_argument("new_dir", type=Path, help="Hugging Face folder to write, for import-hf and for tokenize --tokenizer")
    parser.add_argument("--tokenizer", type=Path, default=None, help="the model's tokenizer, if its folder has none")
    parser.add_argument("--multiple", type=int, default=128, help="what the vocabulary is padded to a multiple of (default: 128)")
    parser.add_argument("--overwrite", action="store_true", help="replace NEW_DIR if it exists")
    arguments = parser.parse_args(argv)
    if arguments.multiple < 1:
        raise CheckpointError(f"--multiple {arguments.multiple}: must be at least 1")
    add_tokens(
        arguments.hf_dir,
        arguments.new_dir,
        tokenizer=arguments.tokenizer,
        multiple=arguments.multiple,
        overwrite=arguments.overwrite,
    )
    return 0


def add_tokens(
    hf_dir: Path,
    new_dir: Path,
    *,
    names: Sequence[str] = LCE_TOKENS,
    tokenizer: Path | None = None,
    multiple: int = 128,
    overwrite: bool = False,
) -> None:
    """Write ``hf_dir`` with the tokens ``names`` as ``new_dir``, which appears when it is complete.

    Raises ``CheckpointError`` when the folder is no model, its tokenizer has no ``tokenizer.json`` or has a token already, the
    target exists, or the disk is too full.
    """
    source = read_hf_folder(hf_dir)
    vocab_size = source.tensors[EMBEDDINGS[0]].rows if EMBEDDINGS[0] in source.tensors else 0
    if not vocab_size:
        raise CheckpointError(f"{hf_dir}: has no {EMBEDDINGS[0]}; give a model of one of the families of import-hf")
    files = read_tokenizer(tokenizer or hf_dir, vocab_size).files
    first, files = with_tokens(files, names, hf_dir)
    rows = max(vocab_size, math.ceil((first + len(names)) / multiple) * multiple)
    shapes = {
        name: (tensor.dtype, (rows, *tensor.shape[1:]) if name in EMBEDDINGS else tensor.shape)
        for name, tensor in source.tensors.items()
    }
    size = sum(tensor.rows * tensor.row_bytes for tensor in source.tensors.values())
    with partial_folder(new_dir, source=hf_dir, needed_bytes=size, overwrite=overwrite) as partial:
        shards, index = make_shards(shapes, partial)
        for shard in shards:
            _write(shard, source, first)
        for file in files_to_keep(hf_dir):
            files.setdefault(file.name, file.read_bytes())
        files.pop(INDEX_FILE, None)
        if index is not None:
            files[INDEX_FILE] = json_bytes(index)
        files["config.json"] = json_bytes(source.config | {"vocab_size": rows})
        for name, content in files.items():
            (partial / name).write_bytes(content)
    print(f"{new_dir}: {len(names)} tokens from id {first} on, vocabulary {vocab_size} -> {rows}")


def with_tokens(files: dict[str, bytes], names: Sequence[str], where: Path) -> tuple[int, dict[str, bytes]]:
    """Return the first new id and a tokenizer's files with the tokens in them. Raises ``CheckpointError``."""
    if "tokenizer.json" not in files:
        raise CheckpointError(f"{where}: its tokenizer has no tokenizer.json, which alone can hold more tokens; add one")
    content = json.loads(files["tokenizer.json"])
    vocabulary = content["model"]["vocab"]
    by_name = dict(vocabulary) if isinstance(vocabulary, dict) else {text: number for number, (text, _) in enumerate(vocabulary)}
    by_name |= {token["content"]: token["id"] for token in content.get("added_tokens") or ()}
    if known := [name for name in names if name in by_name]:
        raise CheckpointError(f"{where}: its tokenizer has {known[0]} already; the tokens are added once")
    first = max(by_name.values()) + 1
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    tokens = [{"id": first + number, "content": name, **flags} for number, name in enumerate(names)]
    content["added_tokens"] = [*(content.get("added_tokens") or ()), *tokens]
    new = files | {"tokenizer.json": json_bytes(content)}
    if "tokenizer_config.json" in files:
        new["tokenizer_config.json"] = json_bytes(_named(json.loads(files["tokenizer_config.json"]), tokens))
    return first, new


def _named(config: dict[str, Any], tokens: list[dict[str, Any]]) -> dict[str, Any]:
    """A tokenizer_config.json that lists its added tokens lists the new ones too."""
    if "added_tokens_decoder" in config:
        entries = {str(token["id"]): {key: value for key, value in token.items() if key != "id"} for token in tokens}
        return config | {"added_tokens_decoder": config["added_tokens_decoder"] | entries}
    return config


def _write(shard: SafetensorsFile, source: HfFolder, first: int) -> None:
    """Write one file of weights: every tensor as it was, and the rows from ``first`` on as the mean of those before."""
    target = TargetFile.of_safetensors(shard, {})
    make_file(target)
    with OpenFiles([target.path]) as files:
        there = files.descriptor(target.path)
        for name, tensor in shard.tensors.items():
            (block,), (old,) = tensor.blocks, source.tensors[name].blocks
            here = files.descriptor(old.path)
            kept = min(first, old.rows) if name in EMBEDDINGS else old.rows
            copy_range(here, old.offset, there, block.offset, kept * old.width)
            if name in EMBEDDINGS:
                mean = mean_row(replace(old, rows=kept), tensor.dtype)
                os.pwrite(there, mean * (block.rows - kept), block.offset + kept * block.width)


def mean_row(block: Block, dtype: str) -> bytes:
    """The mean of a block's rows, summed in fp64 and rounded once."""
    import numpy

    total = numpy.zeros(0)
    at_once = max(1, BAND_BYTES // block.width)
    with block.path.open("rb") as file:
        for row in range(0, block.rows, at_once):
            rows = min(at_once, block.rows - row)
            file.seek(block.offset + row * block.width)
            part = to_float64(file.read(rows * block.width), dtype).reshape(rows, -1).sum(axis=0)
            total = part if row == 0 else total + part
    return from_float64(total / block.rows, dtype)


def to_float64(content: bytes, dtype: str) -> "numpy.ndarray":
    """Stored numbers as fp64."""
    import numpy

    if dtype == "BF16":
        return (numpy.frombuffer(content, "<u2").astype("<u4") << 16).view("<f4").astype(numpy.float64)
    return numpy.frombuffer(content, NUMPY_TYPES[dtype]).astype(numpy.float64)


def from_float64(values: "numpy.ndarray", dtype: str) -> bytes:
    """The nearest numbers of a dtype, of two equally near ones the even one."""
    import numpy

    if dtype == "BF16":
        bits = values.astype("<f4").view("<u4")
        return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(numpy.uint16).tobytes()
    return values.astype(NUMPY_TYPES[dtype]).tobytes()
