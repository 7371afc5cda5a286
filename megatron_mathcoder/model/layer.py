"""The decoder layer and its SwiGLU, by the kernels a model was given.

Decides: where the fused operations stand: the residual addition inside the norm after it, the SwiGLU between its two matrices.
Does not: communicate or multiply matrices; megatron-core's parallel linear layers do. Dropout, biases after a projection and
activation offloading of megatron-core's layer are left out, as no model here has them.
"""

from typing import Any

from megatron.core import tensor_parallel
from megatron.core.transformer import TransformerConfig
from megatron.core.transformer.transformer_layer import TransformerLayer
from megatron.core.utils import make_viewless_tensor
from torch import Tensor

from megatron_mathcoder.kernels.kernel_set import KernelSet


class SwiGLU:
    """The activation of megatron-core's ``MLP``, which hands it gate and up in one tensor (``use_te_activation_func``)."""

    def __init__(self, config: TransformerConfig, kernels: KernelSet) -> None:
        """Take megatron-core's builder argument, which has no meaning here, and the kernels."""
        self._kernels = kernels

    def __call__(self, gate_up: Tensor) -> Tensor:
        """Return ``silu(gate) · up`` [s, b, f] of [s, b, 2f]."""
        return self._kernels.swiglu(gate_up)


class DecoderLayer(TransformerLayer):
    """Norm, attention, residual, norm, SwiGLU, residual."""

    def forward(self, hidden_states: Tensor, packed_seq_params: Any = None, **_unused: Any) -> tuple[Tensor, None]:
        """Map the residual stream [s, b, h] to the next; the second of the pair is a cross-attention context."""
        attended, _bias = self.self_attention(
            self.input_layernorm(hidden_states), attention_mask=None, packed_seq_params=packed_seq_params
        )
        normalised, residual = self.pre_mlp_layernorm.add(attended, hidden_states)
        if self.recompute_mlp:
            output, _bias = tensor_parallel.checkpoint(self.mlp, False, normalised)
        else:
            output, _bias = self.mlp(normalised)
        total = output + residual
        # megatron-core's pipeline sends this tensor away and frees it, which a view forbids.
        return make_viewless_tensor(total, requires_grad=total.requires_grad, keep_graph=True), None
