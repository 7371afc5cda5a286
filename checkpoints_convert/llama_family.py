"""The families the bridge knows: one table each.

Decides: which Hugging Face architecture a ``ModelConfig`` is, and which rules its parameters follow.
Does not: translate ``config.json`` (``hf_config``).

To add a family whose parameters differ only in name or presence: write its table, add it to ``FAMILIES``, give its configuration
keys to ``hf_config``, and add its tiny model to ``tests/checkpoints_convert/conftest.py``; every test then runs on it.
"""

from dataclasses import dataclass

from checkpoints_convert.param_mapping import FuseGateUp, FuseQKV, PadVocabulary, Rename, Rule
from megatron_mathcoder.config.schema import ModelConfig


def hidden(model: ModelConfig) -> int:
    """Width of the residual stream."""
    return model.hidden_size


def ffn(model: ModelConfig) -> int:
    """Width of the SwiGLU."""
    return model.ffn_hidden_size


def heads(model: ModelConfig) -> int:
    """Width of all query heads together."""
    return model.num_attention_heads * model.kv_channels


def vocabulary(model: ModelConfig) -> int:
    """Rows of the embedding without padding."""
    return model.vocab_size


HF = "model.layers.{layer}."
DECODER = "decoder.layers."

EMBEDDING = PadVocabulary(
    hf=("model.embed_tokens.weight",), key="embedding.word_embeddings.weight", rows=vocabulary, columns=hidden, shard_axis=0
)
LAYERS: tuple[Rule, ...] = (
    Rename(hf=(HF + "input_layernorm.weight",), key=DECODER + "self_attention.linear_qkv.layer_norm_weight", rows=hidden),
    FuseQKV(
        hf=(HF + "self_attn.q_proj.weight", HF + "self_attn.k_proj.weight", HF + "self_attn.v_proj.weight"),
        key=DECODER + "self_attention.linear_qkv.weight",
        columns=hidden,
        shard_axis=0,
    ),
    Rename(
        hf=(HF + "self_attn.o_proj.weight",),
        key=DECODER + "self_attention.linear_proj.weight",
        rows=hidden,
        columns=heads,
        shard_axis=1,
    ),
    Rename(hf=(HF + "post_attention_layernorm.weight",), key=DECODER + "mlp.linear_fc1.layer_norm_weight", rows=hidden),
    FuseGateUp(
        hf=(HF + "mlp.gate_proj.weight", HF + "mlp.up_proj.weight"),
        key=DECODER + "mlp.linear_fc1.weight",
        columns=hidden,
        shard_axis=0,
    ),
    Rename(hf=(HF + "mlp.down_proj.weight",), key=DECODER + "mlp.linear_fc2.weight", rows=hidden, columns=ffn, shard_axis=1),
)
QKV_BIAS = FuseQKV(
    hf=(HF + "self_attn.q_proj.bias", HF + "self_attn.k_proj.bias", HF + "self_attn.v_proj.bias"),
    key=DECODER + "self_attention.linear_qkv.bias",
    shard_axis=0,
)
FINAL_NORM = Rename(hf=("model.norm.weight",), key="decoder.final_layernorm.weight", rows=hidden)
OUTPUT = PadVocabulary(hf=("lm_head.weight",), key="output_layer.weight", rows=vocabulary, columns=hidden, shard_axis=0)


@dataclass(frozen=True, slots=True)
class Family:
    """One Hugging Face architecture: its class, its ``model_type``, and the parameters every model of it has."""

    hf_class: str
    model_type: str
    ignored: tuple[str, ...] = ("rotary_emb.inv_freq",)
    """Ends of names of tensors that old files carry and no model needs: they are recomputed from the configuration."""

    def rules(self, model: ModelConfig) -> tuple[Rule, ...]:
        """The rules of this very model: with or without biases, with or without an output matrix of its own."""
        bias = (QKV_BIAS,) if model.add_qkv_bias else ()
        output = () if model.share_embeddings_and_output_weights else (OUTPUT,)
        return (EMBEDDING, *LAYERS, *bias, FINAL_NORM, *output)

    def tied(self, model: ModelConfig) -> dict[str, str]:
        """Second copies that some files store of a tensor the model has once."""
        return {OUTPUT.hf[0]: EMBEDDING.hf[0]} if model.share_embeddings_and_output_weights else {}


LLAMA = Family("LlamaForCausalLM", "llama")
MISTRAL = Family("MistralForCausalLM", "mistral")
QWEN2 = Family("Qwen2ForCausalLM", "qwen2")
FAMILIES: dict[str, Family] = {family.hf_class: family for family in (LLAMA, MISTRAL, QWEN2)}


def family_of(model: ModelConfig) -> Family:
    """The Hugging Face class that computes what this model computes: biases need Qwen2, a window needs Mistral, else Llama."""
    if model.add_qkv_bias:
        return QWEN2
    if model.sliding_window or model.architecture.startswith("mistral"):
        return MISTRAL
    return LLAMA
