"""Bytes of the tensors that a forward pass keeps for its backward pass.

Decides: what each part of a layer keeps, as the modules of ``model/layer_spec.py`` keep it: every storage once, however many
views of it are saved. The method is that of Korthikanti et al. 2022 (arXiv 2205.05198, section 4); their 34·s·b·h of a layer
becomes another sum here, since ours has grouped queries, a SwiGLU, no dropout and attention that keeps no s × s scores.
Does not: count what is never saved (gradients of activations, communication: ``memory``).

Letters: s samples' length, b micro-batch size, t tensor-parallel and c context-parallel size, h hidden size, f the SwiGLU's
width, n query heads, g query groups, d the width of a head, V the padded vocabulary, e bytes of an element.
"""

import functools
from dataclasses import dataclass
from typing import Literal, NamedTuple

from megatron_mathcoder.config.architectures import padded_vocab_size
from megatron_mathcoder.config.loss_chunk import chunk_tokens
from megatron_mathcoder.config.schema import ModelConfig, ParallelSection, RunConfig
from megatron_mathcoder.planning.weights import DTYPE_BYTES

FP32 = 4
INT64 = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The sizes that the activations of one micro-batch on one rank depend on."""

    tokens: int
    """s·b, or s·b/c on one of c context-parallel ranks."""
    seq_length: int
    context_parallel: int
    context_rank: int
    """Of the context-parallel ranks the first keeps other keys than the others."""
    tensor_parallel: int
    element_bytes: int
    local_tokens: int
    """Tokens whose norms and residuals this rank keeps: s·b, or s·b/t under sequence parallelism."""
    norm: Literal["fused", "composite"]
    """How torch computes RMSNorm: one kernel that keeps its input (CUDA), or a product of fp32 tensors (CPU)."""
    packed: bool
    """Whether a sample holds documents that do not see each other."""
    varlen: bool
    """Whether attention is one call for all documents (bf16 on CUDA), or one for each (CPU, fp32)."""


def shape_of(
    config: RunConfig, norm: Literal["fused", "composite"] = "fused", varlen: bool | None = None, context_rank: int = 0
) -> Shape:
    """Return the sizes of one micro-batch of ``config``; ``varlen`` = None is what the trainer does on the norm's platform."""
    parallel = config.parallel
    tokens = config.dataset.seq_length * config.training.micro_batch_size // parallel.context_parallel_size
    return Shape(
        tokens=tokens,
        seq_length=config.dataset.seq_length,
        context_parallel=parallel.context_parallel_size,
        context_rank=context_rank,
        tensor_parallel=parallel.tensor_model_parallel_size,
        element_bytes=DTYPE_BYTES[config.training.precision],
        local_tokens=tokens // parallel.tensor_model_parallel_size if parallel.sequence_parallel else tokens,
        norm=norm,
        packed=config.dataset.document_mask,
        varlen=varlen if varlen is not None else norm == "fused" and config.training.precision == "bf16",
    )


def norm_bytes(model: ModelConfig, shape: Shape) -> int:
    """Return what one RMSNorm and the linear layer after it keep of the residual stream.

    The fused kernel keeps its input (the residual, e·h a token) and 1/rms in fp32; the composite one keeps in fp32 the input
    and the normalised input. The linear layer keeps the norm's output, e·h.
    """
    kept = shape.element_bytes if shape.norm == "fused" else 2 * FP32
    return shape.local_tokens * (model.hidden_size * (kept + shape.element_bytes) + FP32)


def attention_bytes(model: ModelConfig, shape: Shape) -> int:
    """Return what one attention block keeps: norm, rotation, query, key, value, output and the softmax's normaliser.

    Per token and rank: the rotated queries nd/t; the output nd/t, which the projection after it shares; fp32 log-sum-exp n/t.
    Keys and values are counted by ``_key_value_bytes``.
    """
    t, d, e = shape.tensor_parallel, model.kv_channels, shape.element_bytes
    heads = model.num_attention_heads // t
    per_token = e * 2 * heads * d + FP32 * heads
    return norm_bytes(model, shape) + shape.tokens * per_token + _key_value_bytes(model, shape)


def _key_value_bytes(model: ModelConfig, shape: Shape) -> int:
    """Return what attention keeps of keys and values, and what it keeps besides because of how it is divided into calls.

    Alone, the rotated keys gd/t, and the fused projection (n+2g)d/t, all of which stays because the values are a view of it;
    with fewer groups than tensor-parallel ranks the projection is gathered whole before it is cut. One call for all documents
    copies the values of several samples, and drops the projection. Context-parallel ranks gather: the projection is dropped,
    and what stays is counted from the calls. A sample is taken to be one document there, the most it can keep.
    """
    t, d, e = shape.tensor_parallel, model.kv_channels, shape.element_bytes
    heads, groups = model.num_attention_heads // t, max(model.num_query_groups // t, 1)
    samples = shape.tokens * shape.context_parallel // shape.seq_length
    if shape.varlen and shape.context_parallel > 1:
        # An early and a late chunk of 2c: together the same number of keys on every rank.
        keys = samples * shape.seq_length * (2 * shape.context_parallel + 1) // (2 * shape.context_parallel)
        return e * 2 * keys * groups * d
    if shape.varlen and samples > 1:
        return e * 2 * shape.tokens * groups * d
    calls = attention_calls(shape.seq_length, model.sliding_window, shape.context_parallel, shape.context_rank)
    total = 0
    if shape.context_parallel == 1:
        projection = (model.num_attention_heads + 2 * model.num_query_groups) * d
        if model.num_query_groups >= t:
            projection //= t
        total += e * shape.tokens * (projection + groups * d)
    elif calls.sees_gathered or heads == groups:
        total += e * 2 * samples * shape.seq_length * groups * d
    if shape.varlen:
        return total
    total += e * calls.mask_elements
    if heads > groups:
        total += e * 2 * samples * calls.masked_keys * heads * d
    if shape.packed or calls.calls > 1:  # the outputs of the calls before they are joined
        total += e * shape.tokens * heads * d
    return total


class AttentionCalls(NamedTuple):
    """The calls of scaled_dot_product_attention for a sample of one document on one context-parallel rank."""

    calls: int
    sees_gathered: bool
    """Whether one of them is causal without a mask, and so keeps the keys and values as they are."""
    masked_keys: int
    """Keys of the others, which are repeated to as many heads as the queries have."""
    mask_elements: int


@functools.cache
def attention_calls(seq_length: int, window: int, context_parallel: int, context_rank: int) -> AttentionCalls:
    """Return the calls of ``model/attention.py``: one a chunk, or one a window's length of it."""
    length = seq_length // (2 * context_parallel) if context_parallel > 1 else seq_length
    chunks = (context_rank, 2 * context_parallel - 1 - context_rank) if context_parallel > 1 else (0,)
    count = masked_keys = mask_elements = 0
    sees_gathered = False
    for chunk in chunks:
        for begin in range(chunk * length, (chunk + 1) * length, window or length):
            end = min(begin + (window or length), (chunk + 1) * length)
            keys = end - max(0, begin - window + 1 if window else 0)
            count += 1
            if keys == end - begin:
                sees_gathered = True
            else:
                masked_keys += keys
                mask_elements += (end - begin) * keys
    return AttentionCalls(count, sees_gathered, masked_keys, mask_elements)


def mlp_inner_bytes(model: ModelConfig, shape: Shape) -> int:
    """Return what a SwiGLU keeps beyond its input, and does not keep when recomputed.

    The fused gate and up projection, 2f/t a token, and the product for the last matrix, f/t.
    """
    return 3 * model.ffn_hidden_size // shape.tensor_parallel * shape.tokens * shape.element_bytes


def rotation_bytes(model: ModelConfig, shape: Shape) -> int:
    """Return the cosines and sines of a micro-batch, which all layers of a model chunk share: fp32 s·b·d."""
    return shape.tokens * model.kv_channels * FP32


def layer_bytes(model: ModelConfig, shape: Shape) -> int:
    """Return what one layer keeps when nothing is recomputed."""
    return attention_bytes(model, shape) + norm_bytes(model, shape) + mlp_inner_bytes(model, shape)


def residual_bytes(model: ModelConfig, shape: Shape) -> int:
    """Return one residual stream: the input of a layer, and what a fully recomputed group of layers keeps."""
    return shape.local_tokens * model.hidden_size * shape.element_bytes


def layers_bytes(config: RunConfig, shape: Shape, layers: int) -> int:
    """Return what the ``layers`` layers of one model chunk keep of one micro-batch, by the recipe's recompute mode.

    Full recompute keeps the groups' inputs alone.
    """
    model, training = config.model, config.training
    if training.recompute == "full":
        groups = layers // training.recompute_num_layers
        return groups * residual_bytes(model, shape) + rotation_bytes(model, shape)
    per_layer = layer_bytes(model, shape)
    recomputed = mlp_inner_bytes(model, shape) if training.recompute == "selective" else 0
    return layers * (per_layer - recomputed) + rotation_bytes(model, shape)


def recomputed_bytes(config: RunConfig, shape: Shape) -> int:
    """Return what the backward pass makes again, and keeps, at a time: one SwiGLU, or one group of layers.

    A norm that keeps its input as it is shares the group's first with what the forward pass kept.
    """
    model, training = config.model, config.training
    if training.recompute == "full":
        shared = shape.norm == "fused" or shape.element_bytes == FP32
        return training.recompute_num_layers * layer_bytes(model, shape) - (residual_bytes(model, shape) if shared else 0)
    return mlp_inner_bytes(model, shape) if training.recompute == "selective" else 0


def embedding_bytes(shape: Shape) -> int:
    """Return what the embedding keeps: token ids, and which of them another tensor-parallel rank holds."""
    return shape.tokens * (INT64 + (1 if shape.tensor_parallel > 1 else 0))


def head_bytes(model: ModelConfig, shape: Shape) -> int:
    """Return what the final norm and the loss keep: the norm's output, gathered under sequence parallelism; labels, the mask and
    the softmax's normaliser; and the logits, where those of all tokens fit into one chunk."""
    gathered = (shape.tokens - shape.local_tokens) * model.hidden_size * shape.element_bytes
    per_token = INT64 + 2 * FP32
    return norm_bytes(model, shape) + gathered + shape.tokens * per_token + kept_logits_bytes(model, shape)


def kept_logits_bytes(model: ModelConfig, shape: Shape) -> int:
    """Return the logits that the loss keeps: all, or none."""
    columns = padded_vocab_size(model, shape.tensor_parallel) // shape.tensor_parallel
    return shape.tokens * columns * shape.element_bytes if shape.tokens <= chunk_tokens(columns) else 0


def chunks_in_flight(parallel: ParallelSection, stage: int, num_microbatches: int) -> int:
    """Return how many (micro-batch, model chunk) pairs a stage keeps at once: its warm-up and one more.

    One forward, one backward (Narayanan et al. 2021, arXiv 2104.04473, section 2.2): pp - stage micro-batches; interleaved,
    2(pp - stage - 1) + (v - 1)·pp + 1 pairs, each with 1/v of the stage's layers.
    """
    stages, chunks = parallel.pipeline_model_parallel_size, parallel.virtual_pipeline_model_parallel_size
    warmup = stages - stage - 1
    if chunks > 1:
        warmup = 2 * warmup + (chunks - 1) * stages
    return min(warmup + 1, num_microbatches * chunks)
