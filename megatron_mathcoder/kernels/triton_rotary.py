"""Rotary position embedding in Triton, on Megatron's [s, b, heads, d].

Decides: one program a token and sample, over all its heads.
Does not: write over its input: queries and keys are views of one projection, which autograd lets nobody overwrite. What the
projection held is free as soon as it is rotated. Nor have a gradient of its own (``torch_layers.rotary_by``).
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from megatron_mathcoder.kernels.torch_layers import rotary_by


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
    batch,
    heads,
    half,
    direction,
    HEADS: tl.constexpr,
    HALF: tl.constexpr,
):
    token = tl.program_id(0).to(tl.int64)
    sample = tl.program_id(1).to(tl.int64)
    head = tl.arange(0, HEADS)[:, None]
    pair = tl.arange(0, HALF)[None, :]
    inside = (head < heads) & (pair < half)
    angle = token * angle_stride_s + sample * angle_stride_b + pair
    cosine = tl.load(cosine_ptr + angle, mask=pair < half, other=0.0)
    sine = tl.load(sine_ptr + angle, mask=pair < half, other=0.0) * direction
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
    _rotate_kernel[(length, batch)](
        x,
        y,
        cosine,
        sine,
        *x.stride()[:3],
        cosine.stride(0),
        cosine.stride(1) if cosine.shape[1] > 1 else 0,
        batch,
        heads,
        half,
        direction,
        HEADS=triton.next_power_of_2(heads),
        HALF=triton.next_power_of_2(half),
    )
    return y


def rotary(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Compute ``reference.rotary``."""
    return rotary_by(_rotate, x, cosine, sine)
