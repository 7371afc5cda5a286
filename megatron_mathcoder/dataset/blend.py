"""Which sample comes when.

Decides: the order of training samples over all parts of the blend, as a pure function of (seed, number of the sample).
Nothing about ranks, micro-batches or the run's length enters it, so a run can be resumed on another layout or prolonged
without changing what was and what will be seen.
Does not: keep state; ``consumed_samples`` in the checkpoint is all there is to resume.

One epoch of the run draws ``m`` samples from a part of ``n``: ``m = epochs · n``, or its share of all samples where weights
are given. The epoch's samples are shuffled over all parts. A part's own epochs go on from one epoch of the run to the next,
so that each of its samples comes once before any comes twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from megatron_mathcoder.config.errors import DataError
from megatron_mathcoder.config.schema import BlendPart, DatasetSection
from megatron_mathcoder.dataset.blend_rules import check_parts
from megatron_mathcoder.dataset.packing import PackedStream, open_mask
from megatron_mathcoder.dataset.part_identity import PartIdentity, identify_part
from megatron_mathcoder.dataset.permutation import KeyedPermutation, make_key
from megatron_mathcoder.dataset.token_stream import Sample, TokenStream, open_dataset, split_at_document


@dataclass(frozen=True, slots=True)
class OpenPart:
    """One part of the blend with its training and held-out tokens."""

    name: str
    training: TokenStream | PackedStream
    validation: TokenStream | PackedStream | None
    identity: PartIdentity


class Blend:
    """The training samples of a run, addressed by number from 0 without end."""

    def __init__(self, parts: Sequence[OpenPart], samples_per_epoch: Sequence[int], seed: int) -> None:
        """Blend ``parts``, drawing ``samples_per_epoch[i]`` samples of part i in every epoch of the run."""
        self.parts = tuple(parts)
        self.part_samples_per_epoch = tuple(samples_per_epoch)
        self._ends = np.cumsum(samples_per_epoch)
        self._seed = seed

    @property
    def samples_per_epoch(self) -> int:
        """Samples of one epoch of the run."""
        return int(self._ends[-1])

    def sample(self, number: int) -> Sample:
        """Return training sample ``number`` of the run."""
        part, of_epoch, offset = self._place(number)
        return self.parts[part].training.sample(of_epoch, offset)

    def documents(self, first_sample: int, count: int) -> dict[str, list[tuple[int, int]]]:
        """Return, by part, the documents of ``count`` samples from ``first_sample`` on: ascending (first, last) numbers."""
        found: dict[str, list[tuple[int, int]]] = {}
        for number in range(first_sample, first_sample + count):
            part, of_epoch, offset = self._place(number)
            ranges = self.parts[part].training.documents(of_epoch, offset)
            found.setdefault(self.parts[part].name, []).extend(ranges)
        return {name: _merged(ranges) for name, ranges in found.items()}

    def _place(self, number: int) -> tuple[int, int, int]:
        """Return where sample ``number`` of the run lies: the part, its sample, and the offset of the part's epoch."""
        epoch, position = divmod(number, self.samples_per_epoch)
        slot = KeyedPermutation(self.samples_per_epoch, make_key(self._seed, "blend", epoch))[position]
        part = int(np.searchsorted(self._ends, slot, side="right"))
        drawn_per_epoch = self.part_samples_per_epoch[part]
        drawn = epoch * drawn_per_epoch + slot - (int(self._ends[part]) - drawn_per_epoch)
        # The part's own epochs have each an order and an offset of their own.
        stream, name = self.parts[part].training, self.parts[part].name
        part_epoch, position = divmod(drawn, stream.num_samples)
        order = KeyedPermutation(stream.num_samples, make_key(self._seed, "part", name, part_epoch))
        offset = make_key(self._seed, "offset", name, part_epoch) % stream.num_tokens
        return part, order[position], offset


def _merged(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join ranges that overlap or touch."""
    merged: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return merged


def open_blend(section: DatasetSection, vocab_size: int, seed: int) -> Blend:
    """Open every part of the recipe's blend.

    Raises:
        DataError: a dataset cannot be used (``open_dataset``), does not belong with the others (``blend_rules``), or gives no
            sample in an epoch.
    """
    parts = [_open_part(part, section, vocab_size) for part in section.blend]
    check_parts(section, [part.identity for part in parts])
    return Blend(parts, _samples_per_epoch(section.blend, parts), seed)


def _open_part(part: BlendPart, section: DatasetSection, vocab_size: int) -> OpenPart:
    dataset = open_dataset(part.prefix, vocab_size)
    total = split_at_document(dataset, 0.0)
    boundary = split_at_document(dataset, section.validation_fraction)

    mask = open_mask(part.prefix, total)

    def stream(start: int, end: int) -> TokenStream | PackedStream:
        if mask is None:
            return TokenStream(dataset, part.prefix, start, end, section.seq_length, vocab_size)
        first, last = np.searchsorted(dataset.index.sequence_pointers, np.array([start, end]) * dataset.index.dtype_size)
        return PackedStream(dataset, mask, part.prefix, int(first), int(last), section.seq_length, vocab_size)

    held_out = stream(boundary, total) if boundary < total else None
    documents = len(dataset.document_indices) - 1
    return OpenPart(part.name, stream(0, boundary), held_out, identify_part(part.name, part.prefix, total, documents))


def _samples_per_epoch(parts: Sequence[BlendPart], opened: Sequence[OpenPart]) -> list[int]:
    sizes = [part.training.num_samples for part in opened]
    total_weight = sum(part.weight for part in parts)
    if total_weight > 0:
        drawn = [round(part.weight / total_weight * sum(sizes)) for part in parts]
    else:
        drawn = [round(part.epochs * size) for part, size in zip(parts, sizes, strict=True)]
    for part, count in zip(parts, drawn, strict=True):
        if count < 1:
            raise DataError(
                f"dataset.blend {part.name!r}: weight {part.weight}, epochs {part.epochs} give no sample in an epoch of the run; "
                "raise them or leave the part out"
            )
    return drawn
