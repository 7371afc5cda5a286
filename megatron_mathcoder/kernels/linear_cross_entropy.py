"""Cross entropy of an output layer whose vocabulary is divided over tensor-parallel ranks, without the logits of all tokens.

Decides: tokens are taken in chunks; a chunk's logits are made, reduced to two numbers a token, and dropped. The backward pass
makes them again (one more product with the output matrix, a few percent of a step), turns them into their gradient in place,
and multiplies that into the gradients of the hidden states and of the weight, the latter summed in fp32. What fits into one
chunk is kept instead. megatron-core stores all logits in fp32, twice: 3.9 GiB for 8,192 tokens of a 128,256-token vocabulary.
Does not: gather a divided sequence, or sum the hidden states' gradient over ranks: the caller's region functions do.
"""

from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable

from megatron_mathcoder.config.loss_chunk import chunk_tokens
from megatron_mathcoder.kernels.kernel_set import KernelSet


class VocabularyShare(NamedTuple):
    """This rank's rows of the output matrix."""

    first: int
    """Token id of its first row."""
    columns: int
    """Rows that are real tokens; the rest is padding and has no part in the softmax. May be 0."""
    group: dist.ProcessGroup | None
    """The ranks that hold the other rows; None = this rank holds all."""


def linear_cross_entropy(hidden: Tensor, weight: Tensor, labels: Tensor, share: VocabularyShare, kernels: KernelSet) -> Tensor:
    """Return ``cross_entropy(hidden @ weightᵀ, labels)`` per token, [n] fp32, the same on all ranks of the group.

    Args:
        hidden: [n, h].
        weight: [v, h], this rank's rows. With a ``main_grad`` (megatron-core's fp32 buffer) its gradient is added there.
        labels: [n] int64 token ids.
        share: which rows those are.
        kernels: the row kernels, the weight-gradient product, and how many logits to hold at a time.
    """
    tokens = chunk_tokens(len(weight), kernels.chunk_logits)
    loss: Tensor = _LinearCrossEntropy.apply(hidden, weight, labels - share.first, share, kernels, tokens)
    return loss


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, labels: Tensor, share: VocabularyShare, kernels: KernelSet, tokens: int
    ) -> Tensor:
        statistics = torch.empty(2, len(hidden), dtype=torch.float32, device=hidden.device)
        kept = None
        for begin in range(0, len(hidden), tokens):
            chunk = slice(begin, begin + tokens)
            logits = hidden[chunk] @ weight.t()
            statistics[:, chunk] = kernels.softmax_statistics(logits, labels[chunk], share.columns)
            kept = logits if len(hidden) <= tokens else None
            del logits  # before the next chunk's are made
        log_sum, at_label = _over_ranks(statistics, share.group)
        ctx.save_for_backward(hidden, weight, labels, log_sum, kept)
        ctx.share, ctx.kernels, ctx.tokens = share, kernels, tokens
        return log_sum - at_label

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dloss: Tensor) -> tuple[Tensor, Tensor, None, None, None, None]:
        hidden, weight, labels, log_sum, kept = ctx.saved_tensors
        dhidden = torch.empty_like(hidden)
        main_grad = getattr(weight, "main_grad", None)
        dweight = torch.zeros_like(weight, dtype=torch.float32) if main_grad is None else main_grad
        for begin in range(0, len(hidden), ctx.tokens):
            chunk = slice(begin, begin + ctx.tokens)
            logits = hidden[chunk] @ weight.t() if kept is None else kept
            gradient = ctx.kernels.softmax_gradient_(logits, labels[chunk], log_sum[chunk], dloss[chunk], ctx.share.columns)
            torch.mm(gradient, weight, out=dhidden[chunk])
            ctx.kernels.accumulate_weight_gradient_(dweight, gradient, hidden[chunk])
            del logits, gradient  # before the next chunk's are made, or a gradient of the weight's size
        return dhidden, dweight.to(weight.dtype) if main_grad is None else _added_already(weight), None, None, None, None


def _over_ranks(statistics: Tensor, group: dist.ProcessGroup | None) -> tuple[Tensor, Tensor]:
    """Join every rank's statistics into the logarithm of the whole sum of exponentials and the label's logit, each [n]."""
    log_sum, at_label = statistics
    if group is None or group.size() == 1:
        return log_sum, at_label
    maximum = log_sum.clone()
    dist.all_reduce(maximum, op=dist.ReduceOp.MAX, group=group)
    sums = torch.stack(((log_sum - maximum).exp(), at_label))
    dist.all_reduce(sums, group=group)
    return sums[0].log() + maximum, sums[1]


def _added_already(weight: Tensor) -> Tensor:
    """Return what autograd wants for a gradient that stands in ``main_grad``, and tell megatron-core not to add it.

    A weight shared with the embedding gets another gradient, which autograd adds to this one at the end of the backward pass:
    until then it keeps zeros, and one is enough of them.
    """
    weight.grad_added_to_main_grad = True  # type: ignore[attr-defined]
    return weight.new_zeros(()).expand_as(weight) if getattr(weight, "zero_out_wgrad", False) else torch.empty_like(weight)
