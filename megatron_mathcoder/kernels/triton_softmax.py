"""The two row kernels of a cross entropy whose vocabulary is divided over ranks, in Triton.

Decides: one program a row, which walks its columns once with a running maximum (Milakov & Gimelshein 2018, algorithm 3), and few
instructions a number: at two bytes each a GPU has time for about 14 while memory is read. So powers are of 2, which is one
instruction where e's are five, and only the last block of a row asks where it ends.
Does not: talk to other ranks or multiply matrices (``linear_cross_entropy.py``).
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from megatron_mathcoder.kernels import reference

BLOCK = 4096
LOG2_E = tl.constexpr(1.4426950408889634)


@triton.jit
def _joined(value, maximum, total):  # type: ignore[no-untyped-def]
    higher = tl.maximum(maximum, tl.max(value, axis=0))
    exponent = higher * LOG2_E
    return higher, total * tl.exp2(maximum * LOG2_E - exponent) + tl.sum(tl.exp2(value * LOG2_E - exponent), axis=0)


@triton.jit
def _statistics_kernel(logits_ptr, label_ptr, out_ptr, rows, width, columns, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    row = tl.program_id(0).to(tl.int64)
    base = logits_ptr + row * width
    maximum = -float("inf")
    total = 0.0
    for start in range(0, columns - BLOCK + 1, BLOCK):
        value = tl.load(base + start + tl.arange(0, BLOCK)).to(tl.float32)
        maximum, total = _joined(value, maximum, total)
    if columns % BLOCK:
        column = columns // BLOCK * BLOCK + tl.arange(0, BLOCK)
        # Rows are padded to a width that divides well; the number of tokens need not, and as a mask would split the load.
        value = tl.load(base + column, mask=column < width, other=-float("inf")).to(tl.float32)
        maximum, total = _joined(tl.where(column < columns, value, -float("inf")), maximum, total)
    label = tl.load(label_ptr + row)
    here = (label >= 0) & (label < columns)
    at_label = tl.load(base + tl.where(here, label, 0), mask=here, other=0.0).to(tl.float32)
    tl.store(out_ptr + row, maximum + tl.log(total))
    tl.store(out_ptr + rows + row, at_label)


@triton.jit
def _gradient_kernel(  # type: ignore[no-untyped-def]
    logits_ptr, label_ptr, log_sum_ptr, scale_ptr, width, columns, BLOCK: tl.constexpr
):
    row = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = column < width
    here = logits_ptr + row * width + column
    value = tl.load(here, mask=inside, other=0.0).to(tl.float32)
    gradient = tl.exp2(value * LOG2_E - tl.load(log_sum_ptr + row) * LOG2_E)
    gradient = tl.where(column == tl.load(label_ptr + row), gradient - 1.0, gradient) * tl.load(scale_ptr + row)
    gradient = tl.where(column < columns, gradient, 0.0)
    tl.store(here, gradient.to(logits_ptr.dtype.element_ty), mask=inside)


def softmax_statistics(logits: Tensor, labels: Tensor, columns: int) -> Tensor:
    """Compute ``reference.softmax_statistics``; ``logits`` is contiguous."""
    if columns == 0:
        return reference.softmax_statistics(logits, labels, columns)
    rows, width = logits.shape
    out = torch.empty(2, rows, dtype=torch.float32, device=logits.device)
    # With 32 registers 8 rows are on a multiprocessor, and the rows of a chunk on 132 of them at once.
    _statistics_kernel[(rows,)](logits, labels, out, rows, width, columns, BLOCK=BLOCK, num_warps=8, maxnreg=32)
    return out


def softmax_gradient_(logits: Tensor, labels: Tensor, log_sum: Tensor, scale: Tensor, columns: int) -> Tensor:
    """Compute ``reference.softmax_gradient_``; ``logits`` is contiguous."""
    rows, width = logits.shape
    grid = (rows, triton.cdiv(width, BLOCK))
    # The gradient of a sum is one number, expanded: read as rows it would be what lies behind it.
    _gradient_kernel[grid](logits, labels, log_sum, scale.contiguous(), width, columns, BLOCK=BLOCK, num_warps=8)
    return logits
