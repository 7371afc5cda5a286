"""Legacy checkpoints (``mp_rank_XX[_YYY]/model_optim_rng.pt``), read and laid out.

Decides: how ranks' files become one set of tensors, and the reverse. Does not: keep optimizer state.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from checkpoints_convert import restricted_pickle
from checkpoints_convert.conversion import NewCheckpoint, TargetFile
from checkpoints_convert.dtypes import DTYPES
from checkpoints_convert.legacy_layout import Layout, Part, Spec, check_layout, parts, rank_folder
from checkpoints_convert.param_mapping import PadVocabulary, Rule
from checkpoints_convert.stored_tensor import Block, StoredTensor, matrix
from checkpoints_convert.torch_zip import TensorRange, read_torch_zip
from checkpoints_convert.torch_zip_writer import tensor, torch_file
from megatron_mathcoder.config.architectures import padded_vocab_size
from megatron_mathcoder.config.errors import CheckpointError
from megatron_mathcoder.config.schema import ModelConfig

FILE = "model_optim_rng.pt"
TRACKER, RELEASE = "latest_checkpointed_iteration.txt", "release"
"""Megatron-LM loads the folder the tracker names; ``release`` is one without optimizer and random states."""
FOLDER = re.compile(r"mp_rank_(\d\d)(?:_(\d\d\d))?")
EXTRA_STATES = ("self_attention.linear_qkv", "self_attention.linear_proj", "mlp.linear_fc1", "mlp.linear_fc2")
"""Modules whose state dict has an empty ``_extra_state``."""


def legacy_folder(path: Path) -> Path | None:
    """The folder of the ranks' folders that ``path`` means: itself, or the one its tracker file names; None for none."""
    if (path / TRACKER).is_file():
        name = (path / TRACKER).read_text().strip()
        path = path / (name if name == RELEASE else f"iter_{name:0>7}")
    return path if path.is_dir() and any(FOLDER.fullmatch(inner.name) for inner in path.iterdir()) else None


def make_legacy(
    rules: tuple[Rule, ...], model: ModelConfig, dtypes: Mapping[str, str], folder: Path, layout: Layout, spec: Spec
) -> NewCheckpoint:
    """Lay out the ranks' files; vocabulary padding is zeros. Raises ``CheckpointError`` for an impossible layout."""
    check_layout(model, layout)
    by_rank: dict[tuple[int, int], list[Part]] = defaultdict(list)
    for part in parts(rules, model, layout, spec):
        by_rank[part.tp_rank, part.pp_rank].append(part)
    places: list[tuple[Part, Path, int]] = []
    targets = []
    for (tp_rank, pp_rank), members in by_rank.items():
        path = folder / RELEASE / rank_folder(tp_rank, pp_rank, layout) / FILE
        sizes = [_bytes(part, dtypes) for part in members]
        file = torch_file(_state(members, dtypes, layout, model), sizes)
        targets.append(TargetFile(path, file.length, file.frames))
        places += [(part, path, offset) for part, offset in zip(members, file.data, strict=True)]
    return NewCheckpoint(_copies(rules, model, dtypes, places), targets, {}, (TRACKER, RELEASE.encode()))


def _bytes(part: Part, dtypes: Mapping[str, str]) -> int:
    return sum(rows * columns for _, rows, _, columns in part.spans) * DTYPES[dtypes[part.rule.key]].item_bytes


def _state(members: list[Part], dtypes: Mapping[str, str], layout: Layout, model: ModelConfig) -> dict[str, Any]:
    """The content of one rank's file, its tensors numbered in the order of ``members``."""
    chunks: list[dict[str, Any]] = [{} for _ in range(layout.vpp)]
    for number, part in enumerate(members):
        rows, columns = sum(rows for _, rows, _, _ in part.spans), part.spans[0][3]
        shape = (rows, columns) if part.rule.columns is not None else (rows,)
        chunks[part.chunk][part.name] = tensor(number, dtypes[part.rule.key], shape)
    for chunk, state in enumerate(chunks):
        for layer in range(model.num_layers // (layout.pp * layout.vpp)):
            state |= {f"decoder.layers.{layer}.{name}._extra_state": None for name in EXTRA_STATES}
        if "decoder.final_layernorm.weight" in state:
            state["output_layer._extra_state"] = None
        chunks[chunk] = state
    named = {"model": chunks[0]} if layout.vpp == 1 else {f"model{chunk}": state for chunk, state in enumerate(chunks)}
    return {"checkpoint_version": 3.0, "iteration": 0, **named}


def _copies(
    rules: tuple[Rule, ...], model: ModelConfig, dtypes: Mapping[str, str], places: list[tuple[Part, Path, int]]
) -> list[dict[str, StoredTensor]]:
    """Sort the places into complete tensors: the n-th storing of the same bytes belongs to the n-th copy."""
    blocks: dict[str, list[list[Block]]] = {rule.key: [] for rule in rules}
    seen: dict[tuple[str, int, tuple[tuple[int, int, int, int], ...]], int] = defaultdict(int)
    for part, path, offset in places:
        key = part.rule.key
        copy = seen[key, part.layer, part.spans]
        seen[key, part.layer, part.spans] += 1
        while len(blocks[key]) <= copy:
            blocks[key].append([])
        blocks[key][copy] += _blocks(part, model, DTYPES[dtypes[key]].item_bytes, path, offset)
    whole = max(len(found) for found in blocks.values())
    return [
        {
            rule.key: _stored(rule, model, dtypes[rule.key], blocks[rule.key][min(copy, len(blocks[rule.key]) - 1)])
            for rule in rules
        }
        for copy in range(whole)
    ]


def _blocks(part: Part, model: ModelConfig, item: int, path: Path, offset: int) -> list[Block]:
    """A rank's tensor as blocks of the whole matrix."""
    own = part.rule.key_shape(model)[1 if part.rule.layers(model) else 0]
    found = []
    for row, rows, column, columns in part.spans:
        found.append(Block(part.layer * own + row, rows, column * item, columns * item, path, offset))
        offset += rows * columns * item
    return found


def _stored(rule: Rule, model: ModelConfig, dtype: str, blocks: list[Block]) -> StoredTensor:
    shape = rule.key_shape(model)
    if isinstance(rule, PadVocabulary):
        shape = (max(block.row + block.rows for block in blocks), *shape[1:])
    rows, row_bytes = matrix(shape, dtype, rule.layers(model))
    return StoredTensor(
        rule.key, dtype, shape, rows, row_bytes, tuple(sorted(blocks, key=lambda block: (block.row, block.column)))
    )


def read_legacy(folder: Path, rules: tuple[Rule, ...], model: ModelConfig) -> list[dict[str, StoredTensor]]:
    """The tensors of a legacy checkpoint of either layer spec, once for each copy that ranks hold.

    Raises ``CheckpointError`` when ranks are missing, or their tensors are not this model's.
    """
    ranks = sorted((path for path in folder.iterdir() if FOLDER.fullmatch(path.name)), key=lambda path: path.name)
    files = {path: _read_rank(path / FILE) for path in ranks}
    numbers = {path: tuple(int(number or 0) for number in _match(path)) for path in ranks}
    layout = Layout(1 + max(tp for tp, _ in numbers.values()), 1 + max(pp for _, pp in numbers.values()), len(files[ranks[0]]))
    if len(ranks) != layout.tp * layout.pp:
        raise CheckpointError(f"{folder}: {len(ranks)} ranks' folders for tp {layout.tp} × pp {layout.pp}; some are missing")
    check_layout(model, layout)
    spec: Spec = "local" if any("input_layernorm" in name for name in files[ranks[0]][0]) else "te"
    found: list[tuple[Part, Path, int]] = []
    dtypes: dict[str, str] = {}
    for part in parts(rules, model, layout, spec):
        rank = folder / rank_folder(part.tp_rank, part.pp_rank, layout)
        place = files[rank][part.chunk].get(part.name)
        if place is None:
            raise CheckpointError(f"{rank / FILE}: has no tensor {part.name}, which this architecture needs; check run.toml")
        _check_part(part, place, padded_vocab_size(model, layout.tp), rank)
        dtypes[part.rule.key] = place.dtype
        found.append((part, rank / FILE, place.offset))
    return _copies(rules, model, dtypes, found)


def _match(path: Path) -> tuple[str | None, ...]:
    match = FOLDER.fullmatch(path.name)
    return match.groups() if match else ()


def _check_part(part: Part, place: TensorRange, padded: int, rank: Path) -> None:
    rows, columns = sum(rows for _, rows, _, _ in part.spans), part.spans[0][3]
    expected = (rows, columns) if part.rule.columns is not None else (rows,)
    if place.shape != expected:
        hint = f"; the vocabulary was padded to {padded} rows here" if isinstance(part.rule, PadVocabulary) else ""
        raise CheckpointError(
            f"{rank / FILE}: {part.name} has shape {list(place.shape)}, expected {list(expected)}{hint}; check run.toml"
        )


def _read_rank(path: Path) -> list[dict[str, TensorRange]]:
    """For each model chunk of a rank's file, tensor name → byte range."""
    if not path.is_file():
        raise CheckpointError(f"{path}: missing; every rank's folder has one")
    with path.open("rb") as file:
        content, ranges = read_torch_zip(file, path, 0, path.stat().st_size, restricted_pickle.LEGACY_NAMES)
    names = [
        name for name in ("model", *(f"model{chunk}" for chunk in range(64))) if isinstance(content, dict) and name in content
    ]
    if not names:
        raise CheckpointError(f"{path}: has no model; give a folder of Megatron's legacy checkpoints")
    return [{name: ranges[id(value)] for name, value in content[model].items() if id(value) in ranges} for model in names]
