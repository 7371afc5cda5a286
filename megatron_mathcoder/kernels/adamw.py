"""One AdamW update of many tensors: the definition, in plain torch, and the two forms in which a master weight is kept.

Decides: the arithmetic (Loshchilov & Hutter 2019, algorithm 2, in fp32), that gradients are scaled where they are read (so that
clipping costs no pass of its own), and what 12 bytes a parameter hold: the bf16 weight, 16 bits that make it the exact fp32
master, bf16 moments, and the fp32 gradient. The usual 18 are weight, fp32 master, fp32 moments and gradient.
Moments of 16 bits are rounded stochastically. To nearest, a second moment could not shrink: with beta2 = 0.999 a step takes
at most 0.1 % off it, and half a step of bf16 is 0.2 to 0.4 %. The noise is a hash of the step, the master and the moment, so that
nothing is stored, a resumed run draws it again, and a layout that gives the same numbers gives the same noise.
Does not: say which tensors there are (``trainer/optimizer.py``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

HASH_MASTER = 0x9E3779B1
HASH_STEP = 0x85EBCA77
HASH_ROUNDS = ((16, 0x7FEB352D), (15, 0x846CA68B), (16, 0))
"""Shifts and odd factors of the mixing function of 32 bits (Wellons 2018, "lowbias32")."""


class Parameter(NamedTuple):
    """What one parameter (or a rank's part of it) is made of; flat tensors of one length."""

    weight: Tensor
    """bf16 or fp32, what the model multiplies by."""
    master: Tensor | None
    """fp32 master, or the int16 remainder of ``split_master``; None = the weight is fp32 and its own master."""
    exp_avg: Tensor
    """First moment; fp32, or bf16 beside a remainder."""
    exp_avg_sq: Tensor
    """Second moment, as the first."""
    gradient: Tensor
    """fp32; what is left in it after the update means nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """The numbers of one step."""

    step: int
    """From 1."""
    lr: float
    weight_decay: float
    beta1: float
    beta2: float
    eps: float
    gradient_scale: float = 1.0
    """Multiplies every gradient: the clip coefficient."""


def split_master(master: Tensor) -> tuple[Tensor, Tensor]:
    """Return the bf16 tensor nearest to ``master`` (fp32; ties away from zero), and the int16 remainder of its bits.

    As integers, ``master = weight · 2¹⁶ + remainder``: every bit pattern comes back, whichever way it was rounded.
    """
    bits = master.view(torch.int32)
    weight = ((bits + 0x8000) >> 16).to(torch.int16)
    return weight.view(torch.bfloat16), bits.to(torch.int16)


def join_master(weight: Tensor, remainder: Tensor) -> Tensor:
    """Return the fp32 tensor of which ``split_master`` made ``weight`` (bf16) and ``remainder`` (int16)."""
    return ((weight.view(torch.int16).to(torch.int32) << 16) + remainder.to(torch.int32)).view(torch.float32)


def adamw_(parameters: Sequence[Parameter], update: Update) -> None:
    """Update every parameter in place: masters, weights and moments."""
    whole = [each for each in parameters if each.master is None or each.master.dtype == torch.float32]
    if whole:
        _update_whole(whole, update)
    for each in parameters:
        if each.master is not None and each.master.dtype != torch.float32:
            _update_compact(each, each.master, update)


def _update_whole(parameters: Sequence[Parameter], update: Update) -> None:
    """Update fp32 masters by torch's fused kernel, and round them to the weights."""
    masters = [each.weight if each.master is None else each.master for each in parameters]
    step, scale = (torch.full((), value, device=masters[0].device) for value in (float(update.step), 1 / update.gradient_scale))
    torch._fused_adamw_(
        masters,
        [each.gradient for each in parameters],
        [each.exp_avg for each in parameters],
        [each.exp_avg_sq for each in parameters],
        [],
        [step] * len(masters),
        lr=update.lr,
        beta1=update.beta1,
        beta2=update.beta2,
        weight_decay=update.weight_decay,
        eps=update.eps,
        amsgrad=False,
        maximize=False,
        # torch divides by it, and writes what it has divided.
        grad_scale=None if update.gradient_scale == 1.0 else scale,
    )
    rounded = [each for each in parameters if each.master is not None]
    if rounded:
        torch._foreach_copy_([each.weight for each in rounded], [each.master for each in rounded])  # type: ignore[misc]


def _update_compact(parameter: Parameter, remainder: Tensor, update: Update) -> None:
    weight, _, exp_avg, exp_avg_sq, gradient = parameter
    gradient = gradient * update.gradient_scale
    first = exp_avg.float() * update.beta1 + gradient * (1.0 - update.beta1)
    second = exp_avg_sq.float() * update.beta2 + gradient * gradient * (1.0 - update.beta2)
    root = (second / (1.0 - update.beta2**update.step)).sqrt() + update.eps
    master = join_master(weight, remainder) * (1.0 - update.lr * update.weight_decay)
    master -= update.lr / (1.0 - update.beta1**update.step) * first / root
    noise = _noise(master, second, update.step)
    exp_avg.copy_(_round_by(first, noise >> 16))
    exp_avg_sq.copy_(_round_by(second, noise))
    for target, value in zip((weight, remainder), split_master(master), strict=True):
        target.copy_(value)


def _noise(master: Tensor, second: Tensor, step: int) -> Tensor:
    """Return 32 random bits an element, int32: a hash of the two tensors' bits and the step."""
    mixed = master.view(torch.int32) * _signed(HASH_MASTER) ^ second.view(torch.int32)
    mixed = mixed ^ _signed(step * HASH_STEP)
    for shift, factor in HASH_ROUNDS:
        mixed = mixed ^ ((mixed >> shift) & ((1 << (32 - shift)) - 1))
        mixed = mixed * _signed(factor) if factor else mixed
    return mixed


def _round_by(value: Tensor, noise: Tensor) -> Tensor:
    """Round fp32 to bf16, away from zero with the probability of the bits cut off; ``noise``'s low 16 bits decide."""
    bits = value.view(torch.int32) + (noise & 0xFFFF)
    return (bits >> 16).to(torch.int16).view(torch.bfloat16)


def _signed(number: int) -> int:
    """Return the int32 of a number's low 32 bits."""
    number &= 0xFFFFFFFF
    return number - (1 << 32) if number >= 1 << 31 else number
