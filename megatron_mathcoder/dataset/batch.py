"""Micro-batches of one optimizer step on one rank.

Decides: which samples of the global batch a data-parallel rank computes, which of their tokens a context-parallel rank holds,
and whether documents see each other.
Does not: know about tensor or pipeline ranks: each reads the same files and builds the same batch, which costs a memory-mapped
read and saves a broadcast.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from megatron_mathcoder.dataset.token_stream import Sample
from megatron_mathcoder.platforms.transfer import to_device


class MicroBatch(NamedTuple):
    """Tensors [micro_batch_size, tokens of this context-parallel rank] on the platform's device."""

    tokens: Tensor
    """int64"""
    labels: Tensor
    """int64"""
    loss_mask: Tensor
    """float32"""
    positions: Tensor
    """int64; counted from the beginning of each document, or of the sample where documents see each other."""
    document_starts: tuple[tuple[int, ...], ...]
    """Per sample, where documents that must not see each other begin in the whole sequence; the first is 0."""


class BatchShape(NamedTuple):
    """What a rank's micro-batches look like, the same in every step."""

    micro_batch_size: int
    data_parallel_rank: int
    data_parallel_size: int
    chunks: tuple[tuple[int, int], ...]
    """Ranges of the sequence that this context-parallel rank holds, in its order."""
    document_mask: bool
    """Whether documents of one sample do not see each other."""
    device: torch.device


def micro_batches(
    read_sample: Callable[[int], Sample], first_sample: int, num_microbatches: int, shape: BatchShape
) -> Iterator[MicroBatch]:
    """Yield this rank's micro-batches of the global batch that begins at ``first_sample``.

    Micro-batch ``m`` of rank ``r`` holds samples ``first + (m · data_parallel_size + r) · micro_batch_size + i``.
    """
    for number in range(num_microbatches):
        start = first_sample + (number * shape.data_parallel_size + shape.data_parallel_rank) * shape.micro_batch_size
        yield _to_micro_batch([read_sample(start + i) for i in range(shape.micro_batch_size)], shape)


def _to_micro_batch(samples: list[Sample], shape: BatchShape) -> MicroBatch:
    starts = tuple(sample.document_starts if shape.document_mask else (0,) for sample in samples)
    positions = [_positions(bounds, len(sample.tokens)) for bounds, sample in zip(starts, samples, strict=True)]
    return MicroBatch(
        tokens=_to_tensor([sample.tokens for sample in samples], shape),
        labels=_to_tensor([sample.labels for sample in samples], shape),
        loss_mask=_to_tensor([sample.loss_mask for sample in samples], shape),
        positions=_to_tensor(positions, shape),
        document_starts=starts,
    )


def _positions(starts: tuple[int, ...], length: int) -> NDArray[np.int64]:
    """Count tokens from the last start before them."""
    lengths = np.diff((*starts, length))
    return np.arange(length) - np.repeat(starts, lengths)


def _to_tensor(rows: Sequence[NDArray[Any]], shape: BatchShape) -> Tensor:
    whole = np.stack(rows)
    share = np.concatenate([whole[:, begin:end] for begin, end in shape.chunks], axis=1)
    return to_device(torch.from_numpy(share), shape.device)
