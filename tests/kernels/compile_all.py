"""Compile every Triton kernel of ours for a GPU that is not here: ``python -m tests.kernels.compile_all``.

Decides: which sizes: those of the models, and of their parts on tensor-parallel ranks. The code that launches is the kernels'
own, so a wrong argument there ends this too.
Does not: compute, since nothing is started (``machine_code.py``); that the numbers are right is the interpreter's to show.
Prints a table of what the compiler made, or with ``--json`` every specialisation.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from megatron_mathcoder.kernels.adamw import Parameter, Update
from megatron_mathcoder.kernels.kernel_set import KernelSet, triton_kernels

if TYPE_CHECKING:
    from tests.kernels.machine_code import Kernel

ROWS = 64
HIDDEN = (2048, 4096, 8192)
HEADS = ((32, 128), (8, 128), (1, 128), (32, 64), (8, 64))
"""Heads and their width: queries, keys, and the one key head of a rank of eight."""
FFN = (14336, 14336 // 8)
VOCABULARY = ((128256, 128256), (128256, 128003), (128256 // 8, 128256 // 8))
"""Columns of a rank, and how many of them are tokens."""
FORMS = ("weight", "fp32", "remainder")


def differentiate(function: Callable[..., Any], *inputs: Tensor) -> None:
    """Launch a function's kernels, forward and backward."""
    outputs = function(*inputs)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    torch.autograd.grad(outputs, inputs, [torch.empty_like(each) for each in outputs])


def layers(kernels: KernelSet, dtype: torch.dtype) -> None:
    """Launch what layers and loss are made of."""

    def empty(*shape: int) -> Tensor:
        return torch.empty(*shape, dtype=dtype).requires_grad_()

    for hidden in HIDDEN:
        differentiate(lambda x, w: kernels.rms_norm(x, w, 1e-5), empty(ROWS, 1, hidden), empty(hidden))
        both = (empty(ROWS, 1, hidden), empty(ROWS, 1, hidden))
        differentiate(lambda x, r, w: kernels.add_rms_norm(x, r, w, 1e-5), *both, empty(hidden))
    for heads, width in HEADS:
        angles = torch.empty(ROWS, 1, width // 2)
        differentiate(lambda x, by=angles: kernels.rotary(x, by, by), empty(ROWS, 1, heads, width))
    for width in FFN:
        differentiate(kernels.swiglu, empty(ROWS, 1, 2 * width))
    labels, numbers = torch.zeros(ROWS, dtype=torch.int64), torch.empty(ROWS)
    for width, columns in VOCABULARY:
        logits = empty(ROWS, width).detach()
        kernels.softmax_statistics(logits, labels, columns)
        kernels.softmax_gradient_(logits, labels, numbers, numbers, columns)


def optimizer(kernels: KernelSet, form: str, offset: int) -> None:
    """Launch an update of a parameter that begins ``offset`` elements behind an aligned address."""

    def empty(dtype: torch.dtype) -> Tensor:
        return torch.empty(2**20 + offset, dtype=dtype)[offset:]

    moments = torch.bfloat16 if form == "remainder" else torch.float32
    master = {"weight": None, "fp32": empty(torch.float32), "remainder": empty(torch.int16)}[form]
    weight = empty(torch.float32 if form == "weight" else torch.bfloat16)
    parameter = Parameter(weight, master, empty(moments), empty(moments), empty(torch.float32))
    update = Update(step=3, lr=1e-3, weight_decay=0.1, beta1=0.9, beta2=0.95, eps=1e-8, gradient_scale=0.5)
    kernels.adamw_([parameter], update)


def compile_for(architecture: int) -> "list[Kernel]":
    """Launch everything; return what was compiled."""
    with tempfile.TemporaryDirectory() as cache:
        os.environ["TRITON_CACHE_DIR"] = cache
        from tests.kernels.machine_code import Compiler

        compiler = Compiler(architecture)
        kernels = triton_kernels()
        for dtype in (torch.bfloat16, torch.float32):
            layers(kernels, dtype)
        for form in FORMS:
            for offset in (0, 1):
                optimizer(kernels, form, offset)
        return compiler.kernels


def table(kernels: "list[Kernel]") -> str:
    """Return the kernels of bf16 and of the optimizer as Markdown."""
    lines = ["| kernel | warps | registers | spilled | programs | KiB asked for | accesses below 16 bytes |", "|---" * 7 + "|"]
    for each in kernels:
        if each.dtype != "fp32":
            constants = ", ".join(f"{name} {value}" for name, value in each.constants.items())
            numbers = (each.warps, each.registers, each.spilled, each.programs, each.bytes_in_flight // 1024, each.narrow)
            lines.append(f"| {each.name} ({constants}) | {' | '.join(map(str, numbers))} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="what the compiler makes of the kernels, without a GPU")
    parser.add_argument("--architecture", type=int, choices=(80, 90, 100), default=90, help="A100, H100 and H200, B200")
    parser.add_argument("--json", action="store_true", help="print every specialisation instead of a table")
    options = parser.parse_args()
    os.environ.pop("TRITON_INTERPRET", None)  # read when triton is imported
    kernels = compile_for(options.architecture)
    print(json.dumps([each._asdict() for each in kernels]) if options.json else table(kernels))


if __name__ == "__main__":
    main()
