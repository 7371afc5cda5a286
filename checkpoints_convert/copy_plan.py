"""From rules to a list of byte copies, proved an exact cover before a byte is written.

Decides: that the two sides fit: the same parameters, shapes and dtypes; every row of every Hugging Face tensor and every
row of every Megatron tensor (vocabulary padding aside) in exactly one interval; every byte of them stored exactly once.
Does not: copy (``byte_copy``). A plan has no direction; the same one imports, exports and verifies.
"""

import difflib
from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from checkpoints_convert.llama_family import Family
from checkpoints_convert.param_mapping import Interval, PadVocabulary
from checkpoints_convert.stored_tensor import StoredTensor
from megatron_mathcoder.config.errors import CheckpointError
from megatron_mathcoder.config.schema import ModelConfig


class Copy(NamedTuple):
    """``rows`` rows, dense at ``hf_path[hf_offset:]``, whose byte columns lie in ``parts``: (file, offset, bytes per row)."""

    hf_path: Path
    hf_offset: int
    rows: int
    parts: tuple[tuple[Path, int, int], ...]


Plan = dict[str, list[Copy]]
"""For every Hugging Face tensor, in the order of its rows, the copies that make it up."""


def make_plan(family: Family, model: ModelConfig, hf: dict[str, StoredTensor], megatron: dict[str, StoredTensor]) -> Plan:
    """Prove that ``hf`` and ``megatron`` are this model, once each, and return the copies between them.

    Raises ``CheckpointError`` naming the first tensor that is missing, unknown (with the nearest known name), of another shape or
    dtype, or not stored exactly once.
    """
    rules = family.rules(model)
    tied = {copy: name for copy, name in family.tied(model).items() if copy in hf}
    check_names("the Hugging Face folder", hf.keys() - tied, [name for rule in rules for name in rule.hf_shapes(model)])
    check_names("the checkpoint", megatron, [rule.key for rule in rules])
    by_hf: dict[str, list[Interval]] = defaultdict(list)
    for rule in rules:
        for name, shape in rule.hf_shapes(model).items():
            check_shape(name, hf[name].shape, shape)
            check_dtype(hf[name], megatron[rule.key])
        padded = isinstance(rule, PadVocabulary)
        check_shape(rule.key, megatron[rule.key].shape, rule.key_shape(model), padded)
        intervals = list(rule.intervals(model))
        rows = sum(interval.rows for interval in intervals)
        check_cover(rule.key, [(interval.key_row, interval.rows) for interval in intervals], rows)
        for interval in intervals:
            by_hf[interval.hf_name].append(interval)
    plan: Plan = {}
    for name, intervals in by_hf.items():
        intervals.sort(key=lambda interval: interval.hf_row)
        check_cover(name, [(interval.hf_row, interval.rows) for interval in intervals], hf[name].rows)
        plan[name] = [copy for interval in intervals for copy in _copies(hf[name], megatron[interval.key], interval)]
    for copy, name in tied.items():
        check_shape(copy, hf[copy].shape, hf[name].shape)
        check_dtype(hf[copy], hf[name])
        plan[copy] = [_moved(part, hf[name], hf[copy]) for part in plan[name]]
    return plan


def plan_of_copies(
    family: Family, model: ModelConfig, hf: dict[str, StoredTensor], copies: Iterable[dict[str, StoredTensor]]
) -> Plan:
    """The plan that writes every copy of the model's tensors; what several copies share is written once."""
    plans = [make_plan(family, model, hf, megatron) for megatron in copies]
    return {name: list(dict.fromkeys(copy for plan in plans for copy in plan[name])) for name in plans[0]}


def _moved(copy: Copy, source: StoredTensor, target: StoredTensor) -> Copy:
    """The same copy for an equal tensor elsewhere."""
    (here,), (there,) = source.blocks, target.blocks
    return copy._replace(hf_path=there.path, hf_offset=copy.hf_offset - here.offset + there.offset)


def _copies(hf: StoredTensor, megatron: StoredTensor, interval: Interval) -> Iterable[Copy]:
    """One interval, cut where the Megatron side's blocks begin and end; a Hugging Face tensor is always one block."""
    (block,) = hf.blocks
    for strip in megatron.strips(interval.key_row, interval.key_row + interval.rows):
        hf_row = interval.hf_row + strip.row - interval.key_row
        yield Copy(block.path, block.offset + hf_row * hf.row_bytes, strip.rows, strip.parts)


def check_names(where: str, found: Iterable[str], expected: Iterable[str]) -> None:
    """Refuse tensors this model does not have, and the lack of ones it has."""
    found, expected = set(found), set(expected)
    for name in sorted(found - expected):
        near = difflib.get_close_matches(name, expected, n=1)
        hint = f"; the nearest known is {near[0]}" if near else ""
        raise CheckpointError(f"{where} has a tensor {name} that this architecture has not{hint}; check the architecture")
    for name in sorted(expected - found):
        raise CheckpointError(f"{where} has no tensor {name}, which this architecture needs; the files are incomplete")


def check_shape(name: str, found: tuple[int, ...], expected: tuple[int, ...], padded: bool = False) -> None:
    """Refuse another shape; with ``padded`` more rows than expected are the vocabulary's padding."""
    if found != expected and not (padded and found[1:] == expected[1:] and found[0] >= expected[0]):
        raise CheckpointError(f"{name} has shape {list(found)}, its architecture says {list(expected)}; check the architecture")


def check_dtype(hf: StoredTensor, megatron: StoredTensor) -> None:
    """Refuse two dtypes for the same bytes."""
    if hf.dtype != megatron.dtype:
        raise CheckpointError(
            f"{hf.name} is {hf.dtype} but {megatron.name} is {megatron.dtype}; "
            "tensors that share a Megatron parameter need one dtype, convert the source first"
        )


def check_cover(name: str, spans: list[tuple[int, int]], rows: int) -> None:
    """Prove that (start, length) spans, in order, tile ``[0, rows)``."""
    edges = [(0, 0), *spans, (rows, 0)]
    for (start, length), (following, _) in pairwise(edges):
        if start + length != following:
            raise CheckpointError(f"{name}: rows {start + length} to {following} are covered twice or never; its rule is wrong")
