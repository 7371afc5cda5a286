"""Micro-batches of one optimizer step on one rank.

Decides: which samples of the global batch a data-parallel rank computes, and in which tensors.
Does not: know about tensor or pipeline ranks: each reads the same files and builds the same batch, which costs a memory-mapped
read and saves a broadcast.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from megatron_mathcoder.dataset.token_stream import Sample


class MicroBatch(NamedTuple):
    """Tensors [micro_batch_size, seq_length] on the platform's device."""

    tokens: Tensor
    """int64"""
    labels: Tensor
    """int64"""
    loss_mask: Tensor
    """float32"""


def micro_batches(
    read_sample: Callable[[int], Sample],
    first_sample: int,
    *,
    num_microbatches: int,
    micro_batch_size: int,
    data_parallel_rank: int,
    data_parallel_size: int,
    device: torch.device,
) -> Iterator[MicroBatch]:
    """Yield this rank's micro-batches of the global batch that begins at ``first_sample``.

    Micro-batch ``m`` of rank ``r`` holds samples ``first + (m · data_parallel_size + r) · micro_batch_size + i``.
    """
    for number in range(num_microbatches):
        start = first_sample + (number * data_parallel_size + data_parallel_rank) * micro_batch_size
        samples = [read_sample(start + i) for i in range(micro_batch_size)]
        yield MicroBatch(*(torch.from_numpy(np.stack(column)).to(device) for column in zip(*samples, strict=True)))
