"""Rotation and SwiGLU in torch's operators, with gradients written by hand.

Decides: that halves are written where they belong. Left to autograd each half is made by itself and concatenated, forward and
backward, and SiLU's output is kept beside the projection; on a CPU those copies were a twentieth of a training step.
Does not: differ from ``reference.py`` beyond the last bit of fp32 sums.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

Rotate = Callable[[Tensor, Tensor, Tensor, float], Tensor]
"""Takes x, cosine, sine and the direction, 1 or -1, and returns x turned."""


def _rotate(x: Tensor, cosine: Tensor, sine: Tensor, direction: float) -> Tensor:
    cosine, sine = cosine.unsqueeze(2), sine.unsqueeze(2)
    first, second = x.float().chunk(2, dim=-1)
    rotated = torch.empty(x.shape, dtype=torch.float32, device=x.device)
    low, high = rotated.chunk(2, dim=-1)
    torch.mul(first, cosine, out=low).addcmul_(second, sine, value=-direction)
    torch.mul(second, cosine, out=high).addcmul_(first, sine, value=direction)
    return rotated.to(x.dtype)


class _Rotary(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rotate: Rotate, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        ctx.save_for_backward(cosine, sine)
        ctx.rotate = rotate
        return rotate(x, cosine, sine, 1.0)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[None, Tensor, None, None]:
        cosine, sine = ctx.saved_tensors
        return None, ctx.rotate(dy, cosine, sine, -1.0), None, None


class _SwiGLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gate_up: Tensor) -> Tensor:
        ctx.save_for_backward(gate_up)
        gate, up = gate_up.chunk(2, dim=-1)
        return F.silu(gate.float()).mul_(up).to(gate_up.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> Tensor:
        (gate_up,) = ctx.saved_tensors
        gate, up = gate_up.chunk(2, dim=-1)
        gate, dy = gate.float(), dy.float()
        dx = torch.empty_like(gate_up)
        dgate, dup = dx.chunk(2, dim=-1)
        # Written in dx's dtype, computed in fp32.
        torch.ops.aten.silu_backward.grad_input(dy * up, gate, grad_input=dgate)
        torch.mul(dy, F.silu(gate), out=dup)
        return dx


def rotary(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Compute ``reference.rotary``; keeps cosine and sine alone."""
    return rotary_by(_rotate, x, cosine, sine)


def rotary_by(rotate: Rotate, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Compute ``reference.rotary`` by any ``rotate``, whose gradient is the rotation by the opposite angle."""
    return _Rotary.apply(rotate, x, cosine, sine)


def swiglu(gate_up: Tensor) -> Tensor:
    """Compute ``reference.swiglu``; keeps its input alone."""
    return _SwiGLU.apply(gate_up)
