"""Which implementation of each fused operation a model runs.

Decides: two sets, ``torch`` (``torch_layers.py``, ``reference.py``, ``adamw.py``) and ``triton``, and whether attention takes all
documents in one call; a model and its optimizer are given a set and never ask again.
Does not: compute.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from megatron_mathcoder.config.errors import PlatformError
from megatron_mathcoder.config.loss_chunk import CHUNK_LOGITS
from megatron_mathcoder.config.schema import PlatformSection
from megatron_mathcoder.kernels import adamw, reference, torch_layers
from megatron_mathcoder.kernels.adamw import Parameter, Update
from megatron_mathcoder.kernels.varlen_attention import VarlenKernel, torch_varlen_kernel
from megatron_mathcoder.platforms.interface import Platform


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelSet:
    """One implementation of every operation that ``reference.py`` and ``adamw.py`` define."""

    name: str
    rms_norm: Callable[[Tensor, Tensor, float], Tensor]
    add_rms_norm: Callable[[Tensor, Tensor, Tensor, float], tuple[Tensor, Tensor]]
    rotary: Callable[[Tensor, Tensor, Tensor], Tensor]
    swiglu: Callable[[Tensor], Tensor]
    softmax_statistics: Callable[[Tensor, Tensor, int], Tensor]
    softmax_gradient_: Callable[[Tensor, Tensor, Tensor, Tensor, int], Tensor]
    accumulate_weight_gradient_: Callable[[Tensor, Tensor, Tensor], None]
    adamw_: Callable[[Sequence[Parameter], Update], None]
    varlen_attention: VarlenKernel | None = None
    """All documents of a micro-batch in one call; None = document by document."""
    chunk_logits: int = CHUNK_LOGITS
    """Logits that the loss holds at a time; if all fit they are not made twice."""


def choose_kernels(section: PlatformSection, platform: Platform, precision: str) -> KernelSet:
    """Return the set that the recipe names, or the platform's fastest, for a model of ``precision`` ``fp32`` or ``bf16``.

    Raises:
        PlatformError: Triton's kernels are asked for where they cannot run.
    """
    if section.kernels == "triton" and not platform.runs_triton:
        raise PlatformError(
            f"platform.kernels = 'triton': they need an NVIDIA GPU and the package triton, and this platform is {platform.name}; "
            "use --set platform.kernels=torch, or install the extra [gpu] on a machine with a GPU"
        )
    kernels = triton_kernels() if platform.runs_triton and section.kernels != "torch" else torch_kernels()
    # torch's flash kernels are 16-bit kernels.
    varlen = torch_varlen_kernel() if platform.has_flash_attention and precision == "bf16" else None
    return replace(kernels, varlen_attention=varlen)


def torch_kernels() -> KernelSet:
    """Return the set that runs wherever torch does."""
    return KernelSet(
        name="torch",
        rms_norm=reference.rms_norm,
        add_rms_norm=reference.add_rms_norm,
        rotary=torch_layers.rotary,
        swiglu=torch_layers.swiglu,
        softmax_statistics=reference.softmax_statistics,
        softmax_gradient_=reference.softmax_gradient_,
        accumulate_weight_gradient_=reference.accumulate_weight_gradient_,
        adamw_=adamw.adamw_,
    )


def triton_kernels() -> KernelSet:
    """Return the fused set: NVIDIA GPUs, or the CPU under Triton's interpreter (``TRITON_INTERPRET=1``, for tests)."""
    from megatron_mathcoder.kernels import triton_adamw, triton_norm, triton_rotary, triton_softmax, triton_swiglu

    return KernelSet(
        name="triton",
        rms_norm=triton_norm.rms_norm,
        add_rms_norm=triton_norm.add_rms_norm,
        rotary=triton_rotary.rotary,
        swiglu=triton_swiglu.swiglu,
        softmax_statistics=triton_softmax.softmax_statistics,
        softmax_gradient_=triton_softmax.softmax_gradient_,
        accumulate_weight_gradient_=_accumulate_in_fp32_,
        adamw_=triton_adamw.adamw_,
    )


def _accumulate_in_fp32_(main_grad: Tensor, output_gradient: Tensor, layer_input: Tensor) -> None:
    """Compute ``reference.accumulate_weight_gradient_`` in one matrix product with bf16 factors and an fp32 sum."""
    if output_gradient.dtype == main_grad.dtype:
        reference.accumulate_weight_gradient_(main_grad, output_gradient, layer_input)
    else:
        torch.addmm(main_grad, output_gradient.t(), layer_input, out_dtype=torch.float32, out=main_grad)
