"""Which module stands where in a transformer layer.

Decides: the modules of every layer, as megatron-core ``ModuleSpec``s: its own parallel linear layers; our layer, norm, SwiGLU
and attention, which compute by the kernels they are given.
Does not: choose the kernels (``kernels/kernel_set.py``).
"""

from functools import partial

from megatron.core.tensor_parallel.layers import ColumnParallelLinear, RowParallelLinear
from megatron.core.transformer.attention import SelfAttention, SelfAttentionSubmodules
from megatron.core.transformer.enums import AttnMaskType
from megatron.core.transformer.mlp import MLP, MLPSubmodules
from megatron.core.transformer.spec_utils import ModuleSpec
from megatron.core.transformer.transformer_block import TransformerBlockSubmodules
from megatron.core.transformer.transformer_layer import TransformerLayerSubmodules

from megatron_mathcoder.kernels.kernel_set import KernelSet
from megatron_mathcoder.model.attention import SDPAttention
from megatron_mathcoder.model.layer import DecoderLayer, SwiGLU
from megatron_mathcoder.model.norm import RMSNorm

CHECKPOINT_NAMES = {
    "input_layernorm.": "self_attention.linear_qkv.layer_norm_",
    "pre_mlp_layernorm.": "mlp.linear_fc1.layer_norm_",
}
"""megatron-core's names on disk, where Transformer Engine fuses each norm into the linear layer after it; with them a
checkpoint does not depend on which of the two wrote it."""


def layer_spec(kernels: KernelSet) -> ModuleSpec:
    """Return the spec of one decoder layer: norm, grouped-query attention, norm, SwiGLU."""
    norm = norm_spec(kernels)
    attention = ModuleSpec(
        module=SelfAttention,
        params={"attn_mask_type": AttnMaskType.causal},
        submodules=SelfAttentionSubmodules(
            linear_qkv=ColumnParallelLinear,
            core_attention=partial(SDPAttention, kernels=kernels),
            linear_proj=RowParallelLinear,
        ),
    )
    mlp = ModuleSpec(
        module=MLP,
        submodules=MLPSubmodules(
            linear_fc1=ColumnParallelLinear,
            linear_fc2=RowParallelLinear,
            activation_func=ModuleSpec(module=SwiGLU, params={"kernels": kernels}),
        ),
    )
    return ModuleSpec(
        module=DecoderLayer,
        submodules=TransformerLayerSubmodules(
            input_layernorm=norm,
            self_attention=attention,
            pre_mlp_layernorm=norm,
            mlp=mlp,
            sharded_state_dict_keys_map=CHECKPOINT_NAMES,
        ),
    )


def norm_spec(kernels: KernelSet) -> ModuleSpec:
    """Return the spec of every norm."""
    return ModuleSpec(module=RMSNorm, params={"kernels": kernels})


def block_spec(num_layers_here: int, kernels: KernelSet) -> TransformerBlockSubmodules:
    """Return the spec of the ``num_layers_here`` layers of one model chunk and of the final norm after the last one."""
    return TransformerBlockSubmodules(layer_specs=[layer_spec(kernels)] * num_layers_here, layer_norm=norm_spec(kernels))
