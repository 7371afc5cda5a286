"""Which module stands where in a transformer layer.

Decides: the modules of every layer, as megatron-core ``ModuleSpec``s: its own parallel linear layers, our norm and attention.
Does not: choose by optional package: what works with pip alone is the path that is tested.
"""

from megatron.core.fusions.fused_bias_dropout import get_bias_dropout_add
from megatron.core.tensor_parallel.layers import ColumnParallelLinear, RowParallelLinear
from megatron.core.transformer.attention import SelfAttention, SelfAttentionSubmodules
from megatron.core.transformer.enums import AttnMaskType
from megatron.core.transformer.mlp import MLP, MLPSubmodules
from megatron.core.transformer.spec_utils import ModuleSpec
from megatron.core.transformer.transformer_block import TransformerBlockSubmodules
from megatron.core.transformer.transformer_layer import TransformerLayer, TransformerLayerSubmodules

from megatron_mathcoder.model.attention import SDPAttention, VarlenKernel
from megatron_mathcoder.model.norm import RMSNorm

CHECKPOINT_NAMES = {
    "input_layernorm.": "self_attention.linear_qkv.layer_norm_",
    "pre_mlp_layernorm.": "mlp.linear_fc1.layer_norm_",
}
"""megatron-core's names on disk, where Transformer Engine fuses each norm into the linear layer after it; with them a
checkpoint does not depend on which of the two wrote it."""


def layer_spec(varlen: VarlenKernel | None) -> ModuleSpec:
    """Return the spec of one decoder layer: norm, grouped-query attention (by ``varlen`` if there is one), norm, SwiGLU."""
    attention = ModuleSpec(
        module=SelfAttention,
        params={"attn_mask_type": AttnMaskType.causal},
        submodules=SelfAttentionSubmodules(
            linear_qkv=ColumnParallelLinear,
            core_attention=ModuleSpec(module=SDPAttention, params={"varlen": varlen}),
            linear_proj=RowParallelLinear,
        ),
    )
    mlp = ModuleSpec(module=MLP, submodules=MLPSubmodules(linear_fc1=ColumnParallelLinear, linear_fc2=RowParallelLinear))
    return ModuleSpec(
        module=TransformerLayer,
        submodules=TransformerLayerSubmodules(
            input_layernorm=RMSNorm,
            self_attention=attention,
            self_attn_bda=get_bias_dropout_add,
            pre_mlp_layernorm=RMSNorm,
            mlp=mlp,
            mlp_bda=get_bias_dropout_add,
            sharded_state_dict_keys_map=CHECKPOINT_NAMES,
        ),
    )


def block_spec(num_layers_here: int, varlen: VarlenKernel | None) -> TransformerBlockSubmodules:
    """Return the spec of the ``num_layers_here`` layers of one model chunk and of the final norm after the last one."""
    return TransformerBlockSubmodules(layer_specs=[layer_spec(varlen)] * num_layers_here, layer_norm=RMSNorm)
