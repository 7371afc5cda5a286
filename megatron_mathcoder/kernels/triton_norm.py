"""RMSNorm, alone or fused with the addition of the residual stream before it, in Triton.

Decides: one program a row forward; backward as many programs as the row's length says, each over a share of the rows, so that
the weight's gradient is summed in the same order every time, on any GPU.
Does not: take rows that are not contiguous, or wider than ``MAX_COLUMNS`` (a row is held in registers).
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

MAX_COLUMNS = 32768
THREAD_BYTES = 32
"""Of each tensor that a thread takes from a row, in two accesses of the widest kind: twice that spills in the backward pass."""
SHARES = 2**20
"""Numbers that backward programs have of the weight's gradient, together: 4 MiB, which stay in cache until they are summed."""
SUM_ROWS, SUM_COLUMNS = 64, 32
"""Of those, what a program sums at a time: 128 programs for 4,096 columns. torch's sum and a rounding are two launches."""


@triton.jit
def _forward_kernel(  # type: ignore[no-untyped-def]
    x_ptr, residual_ptr, sum_ptr, y_ptr, weight_ptr, scale_ptr, columns, eps, ADD: tl.constexpr, BLOCK: tl.constexpr
):
    row = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, BLOCK)
    inside = column < columns
    here = row * columns + column
    x = tl.load(x_ptr + here, mask=inside, other=0.0).to(tl.float32)
    if ADD:
        x += tl.load(residual_ptr + here, mask=inside, other=0.0).to(tl.float32)
        rounded = x.to(sum_ptr.dtype.element_ty)
        tl.store(sum_ptr + here, rounded, mask=inside)
        x = rounded.to(tl.float32)
    scale = 1.0 / tl.sqrt(tl.sum(x * x, axis=0) / columns + eps)
    tl.store(scale_ptr + row, scale)
    weight = tl.load(weight_ptr + column, mask=inside, other=0.0).to(tl.float32)
    tl.store(y_ptr + here, (x * scale * weight).to(y_ptr.dtype.element_ty), mask=inside)


@triton.jit
def _backward_kernel(  # type: ignore[no-untyped-def]
    dy_ptr, dsum_ptr, x_ptr, weight_ptr, scale_ptr, dx_ptr, dweight_ptr, rows, columns, ADD: tl.constexpr, BLOCK: tl.constexpr
):
    program = tl.program_id(0)
    column = tl.arange(0, BLOCK)
    inside = column < columns
    weight = tl.load(weight_ptr + column, mask=inside, other=0.0).to(tl.float32)
    dweight = tl.zeros((BLOCK,), dtype=tl.float32)
    here = program.to(tl.int64) * columns + column
    stride = tl.num_programs(0).to(tl.int64) * columns
    next_x = tl.load(x_ptr + here, mask=inside, other=0.0)
    next_dy = tl.load(dy_ptr + here, mask=inside, other=0.0)
    for row in range(program, rows, tl.num_programs(0)):
        # The next row is asked for before this one is summed: programs are few, and memory must not wait for sums.
        x, dy = next_x.to(tl.float32), next_dy.to(tl.float32)
        further = column < tl.where(row + tl.num_programs(0) < rows, columns, 0)
        next_x = tl.load(x_ptr + here + stride, mask=further, other=0.0)
        next_dy = tl.load(dy_ptr + here + stride, mask=further, other=0.0)
        scale = tl.load(scale_ptr + row)
        normalised = x * scale
        dweight += dy * normalised
        weighted = dy * weight
        if ADD:
            through = tl.load(dsum_ptr + here, mask=inside, other=0.0).to(tl.float32)
        dx = scale * (weighted - normalised * (tl.sum(weighted * normalised, axis=0) / columns))
        if ADD:
            dx += through
        tl.store(dx_ptr + here, dx.to(dx_ptr.dtype.element_ty), mask=inside)
        here += stride
    tl.store(dweight_ptr + program.to(tl.int64) * columns + column, dweight, mask=inside)


@triton.jit
def _sum_kernel(shares_ptr, dweight_ptr, programs, columns, ROWS: tl.constexpr, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    column = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = column < columns
    total = tl.zeros((ROWS, BLOCK), dtype=tl.float32)
    for start in range(0, programs, ROWS):
        row = start + tl.arange(0, ROWS)
        mask = (row < programs)[:, None] & inside[None, :]
        total += tl.load(shares_ptr + row[:, None] * columns + column[None, :], mask=mask, other=0.0)
    tl.store(dweight_ptr + column, tl.sum(total, axis=0).to(dweight_ptr.dtype.element_ty), mask=inside)


def _launch(x: Tensor) -> dict[str, int]:
    block = triton.next_power_of_2(x.shape[-1])
    most = 8 * x.element_size()  # an fp32 row of 8,192 would spill in 16 warps, a 16-bit one in 32
    return {"BLOCK": block, "num_warps": min(max(block * x.element_size() // (32 * THREAD_BYTES), 1), most)}


def _forward(x: Tensor, residual: Tensor | None, weight: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return the norm's output, what was normalised, and 1/rms [rows] fp32."""
    columns = x.shape[-1]
    if columns > MAX_COLUMNS:
        raise ValueError(f"rms_norm: {columns} columns; at most {MAX_COLUMNS} fit in registers")
    x = x.contiguous()
    total = x if residual is None else torch.empty_like(x)
    y = torch.empty_like(x)
    scale = torch.empty(x.numel() // columns, dtype=torch.float32, device=x.device)
    other = x if residual is None else residual.contiguous()
    add = residual is not None
    _forward_kernel[(len(scale),)](x, other, total, y, weight, scale, columns, eps, ADD=add, **_launch(x))
    return y, total, scale


def _backward(dy: Tensor, dsum: Tensor | None, x: Tensor, weight: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Return the gradients of what was normalised and of the weight."""
    columns, rows = x.shape[-1], len(scale)
    dy = dy.contiguous()
    dx = torch.empty_like(x)
    programs = min(rows, max(1, SHARES // columns))
    shares = torch.empty(programs, columns, dtype=torch.float32, device=x.device)
    through = dy if dsum is None else dsum.contiguous()
    add = dsum is not None
    _backward_kernel[(programs,)](dy, through, x, weight, scale, dx, shares, rows, columns, ADD=add, **_launch(x))
    dweight = torch.empty_like(weight)
    _sum_kernel[(triton.cdiv(columns, SUM_COLUMNS),)](shares, dweight, programs, columns, ROWS=SUM_ROWS, BLOCK=SUM_COLUMNS)
    return dx, dweight


class _RMSNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        y, kept, scale = _forward(x, None, weight, eps)
        ctx.save_for_backward(kept, weight, scale)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, Tensor, None]:
        return (*_backward(dy, None, *ctx.saved_tensors), None)


class _AddRMSNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, residual: Tensor, weight: Tensor, eps: float) -> tuple[Tensor, Tensor]:
        y, total, scale = _forward(x, residual, weight, eps)
        ctx.save_for_backward(total, weight, scale)
        return y, total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor, dsum: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        dx, dweight = _backward(dy, dsum, *ctx.saved_tensors)
        return dx, dx, dweight, None


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """Compute ``reference.rms_norm``; keeps x and 1/rms for the backward pass."""
    return _RMSNorm.apply(x, weight, eps)


def add_rms_norm(x: Tensor, residual: Tensor, weight: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """Compute ``reference.add_rms_norm``; keeps the sum, which the residual stream holds anyway, and 1/rms."""
    return _AddRMSNorm.apply(x, residual, weight, eps)
