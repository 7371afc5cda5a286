"""AdamW over many tensors in one launch, in Triton: each byte of a parameter's state is read and written once.

Decides: that a program takes one chunk of one tensor, and that those that hardware reads in its widest accesses are updated apart
from the rest. Where the chunks lie is a table of addresses on the device, made once, since the tensors are views of buffers that
stay where they are.
Does not: differ from ``adamw.py``, beyond the last bit of fp32 sums.
"""

from collections.abc import Sequence
from functools import lru_cache

import torch
import triton
import triton.language as tl
from torch import Tensor

from megatron_mathcoder.kernels import adamw
from megatron_mathcoder.kernels.adamw import Parameter, Update
from megatron_mathcoder.platforms.transfer import to_device

CHUNK = 65536
"""Elements of a program: 8e9 parameters are 122,000 programs and a table of 6 MB."""
BLOCKS = {"weight": 1024, "fp32": 1024, "remainder": 2048}
"""Elements that 256 threads take at a time: each 16 bytes of most of its tensors. With 2,048 beside an fp32 master every store
of fp32 would go through shared memory."""
ALIGNMENT = 16
"""Bytes that a tensor's address, and elements that its length must be a multiple of for the widest accesses."""
COLUMNS = 6
"""Of the table: five addresses, and the chunk's number of elements."""
WIDTHS = {"weight": (4, 4, 4, 4, 4), "fp32": (2, 4, 4, 4, 4), "remainder": (2, 2, 2, 2, 4)}
"""Bytes of an element of weight, master, moments and gradient."""

HASH_MASTER = tl.constexpr(adamw.HASH_MASTER)
HASH_STEP = tl.constexpr(adamw.HASH_STEP)
SHIFT_1, FACTOR_1 = tl.constexpr(adamw.HASH_ROUNDS[0][0]), tl.constexpr(adamw.HASH_ROUNDS[0][1])
SHIFT_2, FACTOR_2 = tl.constexpr(adamw.HASH_ROUNDS[1][0]), tl.constexpr(adamw.HASH_ROUNDS[1][1])
SHIFT_3 = tl.constexpr(adamw.HASH_ROUNDS[2][0])


@triton.jit
def _round_by(value, noise):  # type: ignore[no-untyped-def]
    bits = value.to(tl.uint32, bitcast=True) + (noise & 0xFFFF)
    return (bits >> 16).to(tl.uint16).to(tl.bfloat16, bitcast=True)


@triton.jit
def _noise(master, second, step):  # type: ignore[no-untyped-def]
    mixed = (master.to(tl.uint32, bitcast=True) * HASH_MASTER) ^ second.to(tl.uint32, bitcast=True)
    mixed = mixed ^ (step.to(tl.uint32) * HASH_STEP)
    mixed = (mixed ^ (mixed >> SHIFT_1)) * FACTOR_1
    mixed = (mixed ^ (mixed >> SHIFT_2)) * FACTOR_2
    return mixed ^ (mixed >> SHIFT_3)


# A step is never a constant of the kernel: 1, and every multiple of 16, would each compile it again.
@triton.jit(do_not_specialize=["step"])
def _adamw_kernel(  # type: ignore[no-untyped-def]
    table_ptr,
    step,
    decay,
    rate,
    beta1,
    first_share,
    beta2,
    second_share,
    second_correction,
    eps,
    gradient_scale,
    MASTER: tl.constexpr,
    ALIGNED: tl.constexpr,
    BLOCK: tl.constexpr,
):
    row = table_ptr + tl.program_id(0) * 6
    weight_type = tl.float32 if MASTER == "weight" else tl.bfloat16
    moment_type = tl.bfloat16 if MASTER == "remainder" else tl.float32
    master_type = tl.int16 if MASTER == "remainder" else tl.float32
    weight_ptr = tl.load(row).to(tl.pointer_type(weight_type))
    master_ptr = tl.load(row + 1).to(tl.pointer_type(master_type))
    first_ptr = tl.load(row + 2).to(tl.pointer_type(moment_type))
    second_ptr = tl.load(row + 3).to(tl.pointer_type(moment_type))
    gradient_ptr = tl.load(row + 4).to(tl.pointer_type(tl.float32))
    count = tl.load(row + 5).to(tl.int32)
    if ALIGNED:
        weight_ptr = tl.multiple_of(weight_ptr, 16)
        master_ptr = tl.multiple_of(master_ptr, 16)
        first_ptr = tl.multiple_of(first_ptr, 16)
        second_ptr = tl.multiple_of(second_ptr, 16)
        gradient_ptr = tl.multiple_of(gradient_ptr, 16)
        # Without it the mask might end anywhere, and every access would be of one element.
        count = tl.multiple_of(count, 16)
    for begin in range(0, count, BLOCK):
        here = begin + tl.arange(0, BLOCK)
        inside = here < count
        gradient = tl.load(gradient_ptr + here, mask=inside, other=0.0) * gradient_scale
        first = tl.load(first_ptr + here, mask=inside, other=0.0).to(tl.float32) * beta1 + gradient * first_share
        second = tl.load(second_ptr + here, mask=inside, other=0.0).to(tl.float32) * beta2 + gradient * gradient * second_share
        root = tl.sqrt(second / second_correction) + eps
        if MASTER == "remainder":
            high = tl.load(weight_ptr + here, mask=inside, other=0.0).to(tl.int16, bitcast=True).to(tl.int32)
            low = tl.load(master_ptr + here, mask=inside, other=0).to(tl.int32)
            master = ((high << 16) + low).to(tl.float32, bitcast=True)
        else:
            master = tl.load(master_ptr + here, mask=inside, other=0.0)
        master = master * decay - rate * first / root
        if MASTER == "remainder":
            noise = _noise(master, second, step)
            tl.store(first_ptr + here, _round_by(first, noise >> 16), mask=inside)
            tl.store(second_ptr + here, _round_by(second, noise), mask=inside)
            bits = master.to(tl.int32, bitcast=True)
            rounded = ((bits + 0x8000) >> 16).to(tl.int16)
            tl.store(weight_ptr + here, rounded.to(tl.bfloat16, bitcast=True), mask=inside)
            tl.store(master_ptr + here, bits.to(tl.int16), mask=inside)
        else:
            tl.store(first_ptr + here, first, mask=inside)
            tl.store(second_ptr + here, second, mask=inside)
            tl.store(master_ptr + here, master, mask=inside)
            if MASTER == "fp32":
                tl.store(weight_ptr + here, master.to(tl.bfloat16), mask=inside)


def adamw_(parameters: Sequence[Parameter], update: Update) -> None:
    """Compute ``adamw.adamw_``; every tensor is contiguous. Gradients are not written."""
    alike: dict[tuple[str, bool], list[tuple[int, ...]]] = {}
    for each in parameters:
        addresses = (*(tensor.data_ptr() for tensor in _tensors(each)), each.weight.numel())
        aligned = all(number % ALIGNMENT == 0 for number in addresses)
        alike.setdefault((_kind(each), aligned), []).append(addresses)
    for (kind, aligned), members in alike.items():
        table = _table(tuple(members), WIDTHS[kind], CHUNK, parameters[0].weight.device)
        _adamw_kernel[(len(table),)](
            table,
            update.step,
            1.0 - update.lr * update.weight_decay,
            update.lr / (1.0 - update.beta1**update.step),
            update.beta1,
            # Not 1 - beta2 in the kernel: of 0.999 in fp32 that would be 0.0009999871.
            1.0 - update.beta1,
            update.beta2,
            1.0 - update.beta2,
            1.0 - update.beta2**update.step,
            update.eps,
            update.gradient_scale,
            MASTER=kind,
            ALIGNED=aligned,
            BLOCK=BLOCKS[kind],
            num_warps=8,
        )


def _kind(parameter: Parameter) -> str:
    if parameter.master is None:
        return "weight"
    return "fp32" if parameter.master.dtype == torch.float32 else "remainder"


def _tensors(parameter: Parameter) -> tuple[Tensor, ...]:
    """Return the five tensors; a weight that is its own master stands twice."""
    master = parameter.weight if parameter.master is None else parameter.master
    return parameter.weight, master, parameter.exp_avg, parameter.exp_avg_sq, parameter.gradient


@lru_cache(maxsize=16)
def _table(addresses: tuple[tuple[int, ...], ...], widths: tuple[int, ...], chunk: int, device: torch.device) -> Tensor:
    """Return the chunks [n, 6] int64 of tensors given by address and length."""
    rows = [
        (*(address + begin * width for address, width in zip(each, widths, strict=False)), min(chunk, each[-1] - begin))
        for each in addresses
        for begin in range(0, each[-1], chunk)
    ]
    return to_device(torch.tensor(rows, dtype=torch.int64).reshape(-1, COLUMNS), device)
