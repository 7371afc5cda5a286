"""torch_dist folders, read: what megatron-core's ``dist_checkpointing`` stores, as ``StoredTensor``s.

Decides: which keys of a checkpoint are the model's and how their spellings become one. Does not: read tensor bytes, need
``common.pt``, or look at optimizer state unless asked for the fp32 master copy.

Format: ``.metadata`` is a pickle of ``torch.distributed.checkpoint.metadata.Metadata`` (key → dtype, shape, chunks; chunk → file,
offset, length); ``__r_n.distcp`` are concatenated ``torch.save`` files, one a chunk; ``metadata.json`` is written last.
"""

import json
import re
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from checkpoints_convert import restricted_pickle
from checkpoints_convert.dtypes import DTYPES, FROM_TORCH_NAME
from checkpoints_convert.stored_tensor import Block, StoredTensor, matrix
from checkpoints_convert.torch_zip import read_torch_zip
from megatron_mathcoder.config.errors import CheckpointError

PREFIX = re.compile(r"^(?:module\.|model\.)+")
LAYER = re.compile(r"^decoder\.layers\.(\d+)\.")
MASTER = re.compile(r"^optimizer\.state\.(?:fp32_param|param)\.")
"""Of bf16 runs: the first without, the second with the distributed optimizer in its fully reshardable form."""
MODEL_KEYS = ("embedding.", "decoder.", "output_layer.")


def is_torch_dist(folder: Path) -> bool:
    """Whether ``folder`` is a complete torch_dist checkpoint."""
    return (folder / "metadata.json").is_file() and (folder / ".metadata").is_file()


def read_torch_dist(folder: Path, *, master: bool = False) -> dict[str, StoredTensor]:
    """Return the model's tensors by the key both layer specs write (layers stacked, no prefix).

    With ``master``, the optimizer's fp32 copies of them. Raises ``CheckpointError`` when the folder is no torch_dist
    checkpoint, is torn, or has no such copies.
    """
    if not is_torch_dist(folder):
        raise CheckpointError(f"{folder}: no metadata.json and .metadata; a complete torch_dist checkpoint folder has both")
    try:
        backend = json.loads((folder / "metadata.json").read_text())["sharded_backend"]
        if backend != "torch_dist":
            raise CheckpointError(f"{folder}: sharded_backend is {backend!r}; only torch_dist is read, save it as torch_dist")
        entries, chunks = _read_metadata(folder / ".metadata")
        keys = _model_keys(entries)
        if master:
            keys |= _master_keys(entries, folder)
        with _OpenFiles(folder) as files:
            tensors = {name: _stored_tensor(name, entries[key], chunks[key], files) for name, key in keys.items()}
    except (TypeError, ValueError, KeyError, IndexError, AttributeError) as error:
        raise CheckpointError(f"{folder}: its metadata is damaged ({str(error)[:200]}); use another checkpoint") from error
    return _one_spelling(tensors)


def _model_keys(entries: dict[str, Any]) -> dict[str, str]:
    """Parameter without prefix → its key; what is no tensor of the model is left out."""
    names = {PREFIX.sub("", key): key for key, entry in entries.items() if entry.get("size") is not None}
    return {name: key for name, key in names.items() if name.startswith(MODEL_KEYS) and not name.endswith("_extra_state")}


def _master_keys(entries: dict[str, Any], folder: Path) -> dict[str, str]:
    """Parameter → key of its fp32 copy. A parameter that is fp32 itself has none and is its own."""
    keys = _model_keys({MASTER.sub("", key): entry for key, entry in entries.items() if MASTER.match(key)})
    found = {PREFIX.sub("", MASTER.sub("", key)): key for key in entries if MASTER.match(key)}
    if not keys:
        raise CheckpointError(f"{folder}: holds no fp32 master copy; only bf16 runs have one, with their optimizer state")
    return {name: found[name] for name in keys}


def _read_metadata(path: Path) -> tuple[dict[str, Any], dict[str, list[tuple[tuple[int, ...], Any]]]]:
    """The entries of ``.metadata`` by key, and for each key its chunks' offsets and places."""
    metadata = restricted_pickle.load(path.read_bytes(), path, restricted_pickle.METADATA_NAMES)
    chunks: dict[str, list[tuple[tuple[int, ...], Any]]] = defaultdict(list)
    for index, info in metadata.get("storage_data").items():
        chunks[index.get("fqn")].append((index.get("offset") or (), info))
    return metadata.get("state_dict_metadata"), chunks


class _OpenFiles:
    """The folder's files, each opened once."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.files = folder.resolve(), dict[str, BinaryIO]()

    def __enter__(self) -> "_OpenFiles":
        return self

    def __exit__(self, *_: object) -> None:
        for file in self.files.values():
            file.close()

    def open(self, relative: str) -> tuple[BinaryIO, Path]:
        path = self.folder / relative
        if path.parent != self.folder:
            raise CheckpointError(f"{self.folder}: .metadata names {relative!r}; a checkpoint's files lie in its own folder")
        if relative not in self.files:
            if not path.is_file():
                raise CheckpointError(f"{path}: missing, though .metadata names it; the checkpoint is torn, use another one")
            self.files[relative] = path.open("rb")
        return self.files[relative], path


def _stored_tensor(name: str, entry: Any, chunks: list[tuple[tuple[int, ...], Any]], files: _OpenFiles) -> StoredTensor:
    """One key of ``.metadata`` as a tensor with its blocks."""
    torch_name = entry.get("properties").get("state")[0]
    dtype = FROM_TORCH_NAME.get(torch_name)
    if dtype is None:
        raise CheckpointError(f"{name}: stored as {torch_name}; the bridge carries {', '.join(FROM_TORCH_NAME)}")
    shape = tuple(entry.get("size"))
    stacked = name.startswith("decoder.layers.") and not LAYER.match(name)
    rows, row_bytes = matrix(shape, dtype, shape[0] if stacked else 0)
    sizes = {tuple(chunk.get("offsets")): tuple(chunk.get("sizes")) for chunk in entry.get("chunks")}
    blocks: list[Block] = []
    for offsets, info in chunks:
        file, path = files.open(info.get("relative_path"))
        _, ranges = read_torch_zip(file, path, info.get("offset"), info.get("length"), restricted_pickle.WEIGHTS_NAMES)
        stored = next(iter(ranges.values()), None)
        if stored is None or stored.dtype != dtype or stored.shape != sizes.get(offsets):
            raise CheckpointError(f"{path}: the chunk of {name} at {offsets} is not what .metadata says; the checkpoint is torn")
        blocks += _blocks(offsets, stored.shape, shape, stacked, DTYPES[dtype].item_bytes, path, stored.offset)
    return StoredTensor(name, dtype, shape, rows, row_bytes, tuple(sorted(blocks, key=lambda block: (block.row, block.column))))


def _blocks(
    offsets: tuple[int, ...], sizes: tuple[int, ...], shape: tuple[int, ...], stacked: bool, item: int, path: Path, start: int
) -> list[Block]:
    """A chunk as blocks of the folded matrix: one for each layer it spans."""
    first, layers = (offsets[0], sizes[0]) if stacked else (0, 1)
    offset, size, whole = (part[1:] if stacked else part for part in (offsets, sizes, shape))
    column, columns = (offset[1], size[1]) if len(whole) == 2 else (0, 1)
    rows, step = size[0], size[0] * columns * item
    return [
        Block((first + layer) * whole[0] + offset[0], rows, column * item, columns * item, path, start + layer * step)
        for layer in range(layers)
    ]


def _one_spelling(tensors: dict[str, StoredTensor]) -> dict[str, StoredTensor]:
    """Join gate and up stored apart (``_w``, ``_v``) and layers stored one by one into the stacked form."""
    for name in [name for name in tensors if name.endswith("linear_fc1.weight_w")]:
        gate, up = tensors.pop(name), tensors.pop(f"{name[:-1]}v", None)
        if up is None or (up.shape, up.dtype) != (gate.shape, gate.dtype):
            raise CheckpointError(f"{name}: its other half {name[:-1]}v is missing or of another shape; the checkpoint is torn")
        tensors[name[:-2]] = _gate_over_up(name[:-2], gate, up)
    layers: dict[str, dict[int, StoredTensor]] = defaultdict(dict)
    for name in list(tensors):
        if match := LAYER.match(name):
            layers[LAYER.sub("decoder.layers.", name)][int(match[1])] = tensors.pop(name)
    return tensors | {name: _stack(name, found) for name, found in layers.items()}


def _gate_over_up(name: str, gate: StoredTensor, up: StoredTensor) -> StoredTensor:
    """Rows of ``gate`` then rows of ``up``, layer by layer."""
    ffn = gate.shape[-2]
    blocks = [
        replace(block, row=block.row + (block.row // ffn + half) * ffn)
        for half, tensor in enumerate((gate, up))
        for block in tensor.blocks
    ]
    shape = (*gate.shape[:-2], 2 * ffn, gate.shape[-1])
    return StoredTensor(name, gate.dtype, shape, 2 * gate.rows, gate.row_bytes, tuple(blocks))


def _stack(name: str, layers: dict[int, StoredTensor]) -> StoredTensor:
    """One tensor with a layer axis from one tensor a layer."""
    first = next(iter(layers.values()))
    if sorted(layers) != list(range(len(layers))) or any(
        (layer.shape, layer.dtype) != (first.shape, first.dtype) for layer in layers.values()
    ):
        raise CheckpointError(f"{name}: layers {sorted(layers)} are missing some or differ in shape; the checkpoint is torn")
    blocks = [replace(block, row=block.row + index * first.rows) for index, layer in layers.items() for block in layer.blocks]
    return StoredTensor(name, first.dtype, (len(layers), *first.shape), len(layers) * first.rows, first.row_bytes, tuple(blocks))
