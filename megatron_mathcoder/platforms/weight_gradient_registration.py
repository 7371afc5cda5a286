"""Tell megatron-core how to add a weight's gradient to its fp32 buffer in one matrix product.

Decides: that its parallel linear layers call the function they are given where they would call apex's extension.
Does not: compute, or say which layers do (``model/gpt.py``).

Why a patch: megatron-core 0.16.1 takes that product from apex alone. Without it a layer makes the gradient in the weight's dtype
and adds it afterwards: a weight-sized tensor and two passes over memory more.
"""

from collections.abc import Callable
from types import SimpleNamespace

from torch import Tensor


def register_weight_gradient(accumulate_: Callable[[Tensor, Tensor, Tensor], None]) -> None:
    """Make ``accumulate_(main_grad, output_gradient, layer_input)`` megatron-core's fused weight gradient."""
    from megatron.core.tensor_parallel import layers

    def wgrad_gemm_accum_fp32(layer_input: Tensor, output_gradient: Tensor, main_grad: Tensor) -> None:
        accumulate_(main_grad, output_gradient, layer_input)

    layers.fused_weight_gradient_mlp_cuda = SimpleNamespace(wgrad_gemm_accum_fp32=wgrad_gemm_accum_fp32)
    layers._grad_accum_fusion_available = True
