"""torch_dist folders, laid out: where every tensor of a new checkpoint will lie, and the files around them.

Decides: the grid of chunks. megatron-core reads whole chunks, so tensors are stored in the pieces that tensor-parallel
ranks need: row blocks for column-parallel layers and the vocabulary, column blocks for row-parallel layers. One folder
loads at every layout. Does not: write tensor data (``conversion``).

Format: torch ``distributed/checkpoint/metadata.py`` and ``filesystem.py``; megatron-core ``dist_checkpointing/core.py``.
"""

import json
from collections.abc import Iterator, Mapping
from itertools import pairwise
from math import gcd, prod
from pathlib import Path
from typing import Any, NamedTuple

from checkpoints_convert.conversion import NewCheckpoint, TargetFile
from checkpoints_convert.dtypes import DTYPES
from checkpoints_convert.param_mapping import PadVocabulary, Rule
from checkpoints_convert.pickle_writer import Call, Global, Instance, Items, dumps
from checkpoints_convert.stored_tensor import Block, StoredTensor, matrix
from checkpoints_convert.torch_zip_writer import ALIGNMENT, TorchFile, tensor, torch_file
from megatron_mathcoder.config.run_folder import LAST_WRITTEN_FILE
from megatron_mathcoder.config.schema import ModelConfig

FILE_BYTES = 4 << 30
"""Most bytes of one data file; a whole chunk may follow."""
COLUMN_BLOCKS = 8
EXTRA_STATES = (
    "self_attention.linear_qkv",
    "self_attention.linear_proj",
    "self_attention.core_attention",
    "mlp.linear_fc1",
    "mlp.linear_fc2",
)
"""Modules whose empty state megatron-core or Transformer Engine demands; one that is not demanded is ignored."""
_METADATA = "torch.distributed.checkpoint.metadata"


class Chunk(NamedTuple):
    """One stored piece: its place in the tensor, layer axis included."""

    key: str
    offsets: tuple[int, ...]
    sizes: tuple[int, ...]


def make_checkpoint(rules: tuple[Rule, ...], model: ModelConfig, dtypes: Mapping[str, str], folder: Path) -> NewCheckpoint:
    """Lay out a checkpoint of ``model`` in ``folder``; ``dtypes`` gives each Megatron key's dtype."""
    shapes = {rule.key: rule.key_shape(model) for rule in rules}
    blocks: dict[str, list[Block]] = {rule.key: [] for rule in rules}
    files, chunks = [_DataFile(folder, 0)], list[Chunk]()
    storage: dict[tuple[str, tuple[int, ...] | None], tuple[str, int, int]] = {}
    for rule, chunk in _in_reading_order(rules, model):
        dtype = dtypes[rule.key]
        wrapped = torch_file(tensor(0, dtype, chunk.sizes), [prod(chunk.sizes) * DTYPES[dtype].item_bytes])
        file = _file_with_room(files, folder)
        start = file.append(wrapped)
        storage[chunk.key, chunk.offsets] = (file.path.name, start, wrapped.length)
        chunks.append(chunk)
        blocks[rule.key].append(_block(rule, model, chunk, DTYPES[dtype].item_bytes, file.path, start + wrapped.data[0]))
    states = _extra_state_keys(model)
    empty = torch_file([None])
    for key in states:
        file = _file_with_room(files, folder)
        storage[key, None] = (file.path.name, file.append(empty), empty.length)
    tensors = {}
    for rule in rules:
        rows, row_bytes = matrix(shapes[rule.key], dtypes[rule.key], rule.layers(model))
        place = tuple(blocks[rule.key])
        tensors[rule.key] = StoredTensor(rule.key, dtypes[rule.key], shapes[rule.key], rows, row_bytes, place)
    common = torch_file({"checkpoint_version": 3.0, "iteration": 0})
    small = {".metadata": _metadata(tensors, chunks, states, storage), "common.pt": common.frames[0][1]}
    return NewCheckpoint([tensors], [file.target() for file in files], small, (LAST_WRITTEN_FILE, _marker()))


def _marker() -> bytes:
    """The content of ``metadata.json``, the file that makes a folder a checkpoint."""
    backends = {"sharded_backend": "torch_dist", "common_backend": "torch"}
    versions = {"sharded_backend_version": 1, "common_backend_version": 1}
    return json.dumps(backends | versions).encode()


class _DataFile:
    """One ``.distcp`` file in the making: torch files, one after the other."""

    def __init__(self, folder: Path, number: int) -> None:
        self.path, self.length = folder / f"__0_{number}.distcp", 0
        self.frames: list[tuple[int, bytes]] = []

    def append(self, content: TorchFile) -> int:
        """Place a torch file at the end; returns its offset."""
        start = self.length
        self.frames += [(start + offset, frame) for offset, frame in content.frames]
        self.length = -(-(start + content.length) // ALIGNMENT) * ALIGNMENT
        return start

    def target(self) -> TargetFile:
        return TargetFile(self.path, self.length, self.frames)


def _file_with_room(files: list[_DataFile], folder: Path) -> _DataFile:
    if files[-1].length >= FILE_BYTES:
        files.append(_DataFile(folder, len(files)))
    return files[-1]


def _in_reading_order(rules: tuple[Rule, ...], model: ModelConfig) -> Iterator[tuple[Rule, Chunk]]:
    """Every chunk of every tensor: what comes once first, then layer by layer."""
    for rule in rules:
        if not rule.layers(model):
            yield from ((rule, chunk) for chunk in chunk_grid(rule, model, ()))
    for layer in range(model.num_layers):
        for rule in rules:
            if rule.layers(model):
                yield from ((rule, chunk) for chunk in chunk_grid(rule, model, (layer,)))


def chunk_grid(rule: Rule, model: ModelConfig, layer: tuple[int, ...]) -> Iterator[Chunk]:
    """The chunks of one layer of a parameter, or of a parameter without layers."""
    rows, *columns = rule.key_shape(model)[len(layer) :]
    ones = (1,) * len(layer)
    if rule.shard_axis == 1 and columns:
        width = columns[0] // gcd(columns[0], COLUMN_BLOCKS)
        for column in range(0, columns[0], width):
            yield Chunk(rule.key, (*layer, 0, column), (*ones, rows, width))
        return
    count = rule.row_blocks if rule.shard_axis == 0 and columns else 1
    count = count if isinstance(rule, PadVocabulary) else gcd(rows, count)
    for low, high in pairwise(sorted({rows * block // count for block in range(count + 1)})):
        yield Chunk(rule.key, (*layer, low, *(0 for _ in columns)), (*ones, high - low, *columns))


def _block(rule: Rule, model: ModelConfig, chunk: Chunk, item: int, path: Path, offset: int) -> Block:
    """The chunk as a block of the tensor's matrix."""
    stacked = bool(rule.layers(model))
    rows = rule.key_shape(model)[1 if stacked else 0]
    layer = chunk.offsets[0] if stacked else 0
    place, size = (part[1:] if stacked else part for part in (chunk.offsets, chunk.sizes))
    column, columns = (place[1], size[1]) if len(place) == 2 else (0, 1)
    return Block(layer * rows + place[0], size[0], column * item, columns * item, path, offset)


def _extra_state_keys(model: ModelConfig) -> list[str]:
    layers = model.num_layers
    keys = [f"decoder.layers.{name}._extra_state/shard_{layer}_{layers}" for layer in range(layers) for name in EXTRA_STATES]
    return [*keys, "decoder.final_layernorm._extra_state/shard_0_1"]


def _size(numbers: tuple[int, ...]) -> Call:
    return Call(Global("torch", "Size"), (tuple(numbers),))


def _metadata(
    tensors: dict[str, StoredTensor],
    chunks: list[Chunk],
    states: list[str],
    storage: Mapping[tuple[str, tuple[int, ...] | None], tuple[str, int, int]],
) -> bytes:
    """The content of ``.metadata``."""

    def instance(name: str, **state: Any) -> Instance:
        return Instance(Global(_METADATA, name), state)

    entries: dict[str, Instance] = {}
    for key, stored in tensors.items():
        dense = Call(Global(_METADATA, "_MEM_FORMAT_ENCODING"), (0,))
        strided = Call(Global("torch.serialization", "_get_layout"), ("torch.strided",))
        dtype = Global("torch", DTYPES[stored.dtype].torch_name)
        properties = Instance(Global(_METADATA, "TensorProperties"), (dtype, strided, False, dense, False))
        pieces = [
            instance("ChunkStorageMetadata", offsets=_size(chunk.offsets), sizes=_size(chunk.sizes))
            for chunk in chunks
            if chunk.key == key
        ]
        entries[key] = instance("TensorStorageMetadata", properties=properties, size=_size(stored.shape), chunks=pieces)
    entries |= {key: instance("BytesStorageMetadata") for key in states}
    places = [
        (
            instance("MetadataIndex", fqn=key, offset=None if offsets is None else _size(offsets), index=None),
            Instance(
                Global("torch.distributed.checkpoint.filesystem", "_StorageInfo"),
                {"relative_path": name, "offset": start, "length": length},
            ),
        )
        for (key, offsets), (name, start, length) in storage.items()
    ]
    whole = instance("Metadata", state_dict_metadata=entries, planner_data=None, storage_data=Items(places))
    return dumps(whole)
