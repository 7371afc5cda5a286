"""safetensors files as headers and byte ranges; the tensor data is never parsed.

Decides: that a header is sound (every byte of the data belongs to exactly one tensor, the file is as long as the header
says) and how a new file is laid out. Does not: read or write tensor data.

Format: https://github.com/huggingface/safetensors, README "Format": u64 header length, JSON header, data.
"""

import json
import struct
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

from checkpoints_convert.dtypes import DTYPES
from checkpoints_convert.stored_tensor import Block, StoredTensor, matrix
from megatron_mathcoder.config.errors import CheckpointError

LENGTH = struct.Struct("<Q")
LONGEST_HEADER = 100_000_000
"""The reference implementation's limit, in bytes."""
SHARD_BYTES = 5_000_000_000
"""Most tensor bytes of one file of a new folder: the size Hugging Face's own writer chose for years."""


class SafetensorsFile(NamedTuple):
    """One file: its raw header (length field included), its tensors, its length in bytes."""

    header: bytes
    tensors: dict[str, StoredTensor]
    file_bytes: int


def read_safetensors(path: Path) -> SafetensorsFile:
    """Read and check the header of ``path``. Raises ``CheckpointError`` when it is not sound or the file is cut."""
    with path.open("rb") as file:
        start = file.read(LENGTH.size)
        length = LENGTH.unpack(start)[0] if len(start) == LENGTH.size else LONGEST_HEADER + 1
        if length > LONGEST_HEADER:
            raise CheckpointError(f"{path}: not a safetensors file (header of {length} bytes); get the file again")
        text = file.read(length)
    parsed = parse_header(start + text, path)
    if path.stat().st_size != parsed.file_bytes:
        raise CheckpointError(
            f"{path}: has {path.stat().st_size} bytes, its header says {parsed.file_bytes}; it is cut, get it again"
        )
    return parsed


def parse_header(header: bytes, path: Path) -> SafetensorsFile:
    """The file that begins with ``header`` and lies, or shall lie, at ``path``. Raises ``CheckpointError`` when it is not
    sound."""
    try:
        entries = json.loads(header[LENGTH.size :], object_pairs_hook=_no_duplicates)
        entries.pop("__metadata__", None)
        tensors = {name: _tensor(name, entry, len(header), path) for name, entry in entries.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{path}: its safetensors header is broken ({error}); get the file again") from None
    end = len(header)
    for tensor in sorted(tensors.values(), key=lambda tensor: (tensor.blocks[0].offset, tensor.rows)):
        if tensor.blocks[0].offset != end:
            raise CheckpointError(f"{path}: {tensor.name} overlaps another tensor or leaves a hole; get the file again")
        end += tensor.rows * tensor.row_bytes
    return SafetensorsFile(header, tensors, end)


def _no_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a name occurs twice")
    return dict(pairs)


def _tensor(name: str, entry: dict[str, Any], data_start: int, path: Path) -> StoredTensor:
    dtype, shape, (start, stop) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
    if dtype not in DTYPES:
        raise CheckpointError(
            f"{path}: {name} is {dtype}; the bridge carries {', '.join(DTYPES)}, no quantised or integer weights; take the "
            "original model"
        )
    if stop - start != prod(shape) * DTYPES[dtype].item_bytes:
        raise ValueError(f"{name} has {stop - start} bytes for shape {list(shape)}")
    return whole_tensor(name, dtype, shape, path, data_start + start)


def whole_tensor(name: str, dtype: str, shape: tuple[int, ...], path: Path, offset: int) -> StoredTensor:
    """A tensor without a layer axis that lies in one piece."""
    rows, row_bytes = matrix(shape, dtype, 0)
    return StoredTensor(name, dtype, shape, rows, row_bytes, (Block(0, rows, 0, row_bytes, path, offset),))


def make_header(tensors: Mapping[str, tuple[str, tuple[int, ...]]]) -> bytes:
    """A header for name → (dtype, shape), the data in this order and without holes."""
    entries: dict[str, object] = {"__metadata__": {"format": "pt"}}
    position = 0
    for name, (dtype, shape) in tensors.items():
        end = position + prod(shape) * DTYPES[dtype].item_bytes
        entries[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [position, end]}
        position = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # data must start at a multiple of 8
    return LENGTH.pack(len(text)) + text


def make_shards(
    tensors: Mapping[str, tuple[str, tuple[int, ...]]], folder: Path, shard_bytes: int = SHARD_BYTES
) -> tuple[list[SafetensorsFile], dict[str, object] | None]:
    """Lay name → (dtype, shape) out in files of at most ``shard_bytes`` (one tensor may be more).

    Returns the files, whose tensors know their paths in ``folder``, and the content of the index; None when there is one file.
    """
    shards: list[dict[str, tuple[str, tuple[int, ...]]]] = [{}]
    filled = total = 0
    for name, (dtype, shape) in tensors.items():
        size = prod(shape) * DTYPES[dtype].item_bytes
        if shards[-1] and filled + size > shard_bytes:
            shards.append({})
            filled = 0
        shards[-1][name] = (dtype, shape)
        filled, total = filled + size, total + size
    count = len(shards)
    names = [f"model-{n:05d}-of-{count:05d}.safetensors" for n in range(1, count + 1)] if count > 1 else ["model.safetensors"]
    files = [parse_header(make_header(shard), folder / name) for shard, name in zip(shards, names, strict=True)]
    if count == 1:
        return files, None
    weight_map = {tensor: name for shard, name in zip(shards, names, strict=True) for tensor in shard}
    return files, {"metadata": {"total_size": total}, "weight_map": dict(sorted(weight_map.items()))}
