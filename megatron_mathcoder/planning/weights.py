"""Bytes that a rank holds from the first step to the last: weights, gradients, optimizer state.

Decides: the exact sizes, by repeating how megatron-core 0.16.1 lays weights into buffers (``param_and_grad_buffer.py``) and
divides the optimizer among data-parallel ranks (``distrib_optimizer.py``; Rajbhandari et al. 2020, ZeRO stage 1).
Does not: count what lives only inside a step (``activations``).

A weight has 2 bytes in bf16 (4 in fp32), its gradient 4, Adam's moments 8, and in bf16 its fp32 master copy 4 more. With the
precision-aware optimizer moments have 4 bytes and the master 2 beside the weight's own: 12 in all instead of 18.
"""

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from megatron_mathcoder.config.architectures import padded_vocab_size
from megatron_mathcoder.config.schema import ModelConfig, ParallelSection

DTYPE_BYTES = {"fp32": 4, "bf16": 2}
GRADIENT_BYTES = 4
MOMENT_BYTES = 8
MASTER_BYTES = {"fp32": 0, "bf16": 4}
COMPACT_STATE_BYTES = 6
"""Of moments and remainder with the precision-aware optimizer."""

WEIGHT_ALIGNMENT = 64
"""Elements to whose multiple megatron-core moves the start of each weight when the optimizer is divided."""
BUCKET_ALIGNMENT = 128
"""The end of a bucket is a multiple of this and of the data-parallel size."""
BUCKET_ELEMENTS = 40_000_000
BUCKET_ELEMENTS_PER_RANK = 1_000_000
"""megatron-core's bucket size when gradients are reduced while the backward pass runs: the larger of the two."""


class Weight(NamedTuple):
    """One weight of one rank: its elements, and whether another pipeline stage holds a copy of it."""

    elements: int
    shared: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticBytes:
    """What one rank holds between steps."""

    weights: int
    gradients: int
    optimizer: int


def chunk_weights(model: ModelConfig, tensor_parallel: int, layers: int, *, first: bool, last: bool) -> list[Weight]:
    """Return the weights of one model chunk on one tensor-parallel rank, in the order of ``named_parameters``.

    ``first`` and ``last`` say whether the chunk has the embedding and the output layer.
    """
    h, d = model.hidden_size, model.kv_channels
    vocabulary = padded_vocab_size(model, tensor_parallel) // tensor_parallel * h
    query = model.num_attention_heads * d // tensor_parallel
    qkv = (model.num_attention_heads + 2 * model.num_query_groups) * d // tensor_parallel
    ffn = model.ffn_hidden_size // tensor_parallel
    bias = [qkv] if model.add_qkv_bias else []
    layer = [h, query * h, qkv * h, *bias, h, 2 * ffn * h, ffn * h]
    tied = model.share_embeddings_and_output_weights
    weights = [Weight(elements) for elements in layer * layers]
    if first:
        weights.insert(0, Weight(vocabulary, shared=tied and not last))
    if last:
        weights.append(Weight(h))
        if not (tied and first):
            weights.append(Weight(vocabulary, shared=tied))
    return weights


class Placement(NamedTuple):
    """Weights laid end to end: the buffer's elements, and per bucket its start, end and the weights' (start, end)."""

    elements: int
    buckets: list[tuple[int, int, list[tuple[int, int]]]]


def place(weights: list[Weight], data_parallel: int, bucket_elements: float) -> Placement:
    """Lay weights into a buffer that ``data_parallel`` ranks divide, last weight first, a new bucket when one is full.

    A shared weight has a bucket to itself, so that both stages divide it alike.
    """
    buckets: list[tuple[int, int, list[tuple[int, int]]]] = []
    spans: list[tuple[int, int]] = []
    bucket_start = end = 0

    def close() -> None:
        nonlocal bucket_start, end, spans
        end = _round_up(end, math.lcm(data_parallel, BUCKET_ALIGNMENT))
        buckets.append((bucket_start, end, spans))
        bucket_start, spans = end, []

    for weight in reversed(weights):
        start = _round_up(end, WEIGHT_ALIGNMENT)
        if weight.shared and spans:
            end = start
            close()
            start = end
        end = start + weight.elements
        spans.append((start, end))
        if end - bucket_start >= bucket_elements or weight.shared:
            close()
    if spans:
        close()
    return Placement(end, buckets)


def rank_elements(placement: Placement, data_parallel: int, rank: int) -> int:
    """Return the elements of weights, without padding, whose optimizer state data-parallel rank ``rank`` keeps."""
    count = 0
    for bucket_start, bucket_end, spans in placement.buckets:
        share = (bucket_end - bucket_start) // data_parallel
        start = bucket_start + rank * share
        count += sum(max(0, min(span_end, start + share) - max(span_start, start)) for span_start, span_end in spans)
    return count


@functools.cache
def static_bytes(
    model: ModelConfig,
    parallel: ParallelSection,
    precision: str,
    data_parallel: int,
    stage: int,
    rank: int = 0,
    compact: bool = False,
) -> StaticBytes:
    """Return what data-parallel rank ``rank`` of pipeline stage ``stage`` holds between steps; ``compact`` with the
    precision-aware optimizer.

    With a divided optimizer ranks differ by the padding that falls into their share: fewer than 128 · DP elements a bucket,
    mostly on the last rank.
    """
    chunks = list(_stage_chunks(model, parallel, stage))
    per_weight = COMPACT_STATE_BYTES if compact else MOMENT_BYTES + MASTER_BYTES[precision]
    if parallel.use_distributed_optimizer:
        placements = [place(weights, data_parallel, _bucket_elements(parallel, data_parallel, stage, n)) for n, weights in chunks]
        held = sum(placement.elements for placement in placements)
        stepped = sum(rank_elements(placement, data_parallel, rank) for placement in placements)
    else:
        held = stepped = sum(weight.elements for _, weights in chunks for weight in weights)
    return StaticBytes(weights=held * DTYPE_BYTES[precision], gradients=held * GRADIENT_BYTES, optimizer=stepped * per_weight)


def _stage_chunks(model: ModelConfig, parallel: ParallelSection, stage: int) -> Iterator[tuple[int, list[Weight]]]:
    stages, chunks = parallel.pipeline_model_parallel_size, parallel.virtual_pipeline_model_parallel_size
    layers = model.num_layers // (stages * chunks)
    for number in range(chunks):
        first, last = stage == 0 and number == 0, stage == stages - 1 and number == chunks - 1
        yield number, chunk_weights(model, parallel.tensor_model_parallel_size, layers, first=first, last=last)


def _bucket_elements(parallel: ParallelSection, data_parallel: int, stage: int, chunk: int) -> float:
    """Only the first chunk of the first stage is bucketed: the other reductions are not on the critical path."""
    if not parallel.overlap_grad_reduce or stage > 0 or chunk > 0:
        return math.inf
    return max(BUCKET_ELEMENTS, BUCKET_ELEMENTS_PER_RANK * data_parallel)


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
