"""Rotary position embedding in Triton, on Megatron's [s, b, heads, d].

Decides: a program takes so many heads of a sample, one token's after the other's, that a rank's single key head fills it as 32
query heads do.
Does not: write over its input: queries and keys are views of one projection, which autograd lets nobody overwrite. What the
projection held is free as soon as it is rotated. Nor have a gradient of its own (``torch_layers.rotary_by``).
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from megatron_mathcoder.kernels.torch_layers import rotary_by

PAIRS = 2048
"""Of a program of 256 threads: 8 of each, so that 16-bit numbers are read and written 16 bytes at a time."""


@triton.jit
def _rotate_kernel(  # type: ignore[no-untyped-def]
    x_ptr,
    y_ptr,
    cosine_ptr,
    sine_ptr,
    x_stride_s,
    x_stride_b,
    x_stride_h,
    angle_stride_s,
    angle_stride_b,
    rows,
    batch,
    heads,
    half,
    direction,
    ROWS: tl.constexpr,
    HALF: tl.constexpr,
):
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)[:, None]
    token, head = (row // heads).to(tl.int64), row % heads
    sample = tl.program_id(1).to(tl.int64)
    pair = tl.arange(0, HALF)[None, :]
    inside = (row < rows) & (pair < half)
    angle = token * angle_stride_s + sample * angle_stride_b + pair
    cosine = tl.load(cosine_ptr + angle, mask=inside, other=0.0)
    sine = tl.load(sine_ptr + angle, mask=inside, other=0.0) * direction
    read = x_ptr + token * x_stride_s + sample * x_stride_b + head * x_stride_h + pair
    first = tl.load(read, mask=inside, other=0.0).to(tl.float32)
    second = tl.load(read + half, mask=inside, other=0.0).to(tl.float32)
    write = y_ptr + ((token * batch + sample) * heads + head) * (2 * half) + pair
    tl.store(write, (first * cosine - second * sine).to(y_ptr.dtype.element_ty), mask=inside)
    tl.store(write + half, (second * cosine + first * sine).to(y_ptr.dtype.element_ty), mask=inside)


def _rotate(x: Tensor, cosine: Tensor, sine: Tensor, direction: float) -> Tensor:
    length, batch, heads, width = x.shape
    if x.stride(-1) != 1:
        x = x.contiguous()
    if cosine.stride() != sine.stride() or cosine.stride(-1) != 1:
        cosine, sine = cosine.contiguous(), sine.contiguous()
    y = torch.empty(x.shape, dtype=x.dtype, device=x.device)
    half = width // 2
    all_pairs = triton.next_power_of_2(half)
    rows = max(1, PAIRS // all_pairs)
    _rotate_kernel[(triton.cdiv(length * heads, rows), batch)](
        x,
        y,
        cosine,
        sine,
        *x.stride()[:3],
        cosine.stride(0),
        cosine.stride(1) if cosine.shape[1] > 1 else 0,
        length * heads,
        batch,
        heads,
        half,
        direction,
        ROWS=rows,
        HALF=all_pairs,
        num_warps=8,
    )
    return y


def rotary(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Compute ``reference.rotary``."""
    return rotary_by(_rotate, x, cosine, sine)
