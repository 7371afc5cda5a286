"""``config.json``, from the architecture.

Decides: what every key of a Hugging Face configuration means for Megatron.
Does not: use transformers' configuration objects: their defaults and spellings change between versions, the JSON does not.
"""

from typing import Any

from checkpoints_convert.dtypes import DTYPES
from checkpoints_convert.llama_family import QWEN2, Family
from checkpoints_convert.tokenizer_files import Tokenizer
from megatron_mathcoder.config.schema import ModelConfig

LLAMA3_ROPE = {"low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}
"""The constants megatron-core builds in (0.16.1, ``rotary_pos_embedding.py``: ``_apply_scaling``)."""


def write_config(family: Family, model: ModelConfig, dtype: str, tokenizer: Tokenizer) -> dict[str, Any]:
    """Return a ``config.json`` that transformers 4 and 5 read identically: it has both spellings of what they spell apart."""
    scaling = {"rope_type": "llama3", "factor": float(model.rope_scaling_factor), **LLAMA3_ROPE}
    llama3 = bool(model.rope_scaling_factor)
    config = {
        "architectures": [family.hf_class],
        "model_type": family.model_type,
        "attention_dropout": 0.0,
        "hidden_act": "silu",
        "hidden_size": model.hidden_size,
        "head_dim": model.kv_channels,
        "initializer_range": model.init_method_std,
        "intermediate_size": model.ffn_hidden_size,
        "max_position_embeddings": model.max_position_embeddings,
        "num_attention_heads": model.num_attention_heads,
        "num_hidden_layers": model.num_layers,
        "num_key_value_heads": model.num_query_groups,
        "rms_norm_eps": model.layernorm_epsilon,
        "rope_theta": float(model.rotary_base),
        "rope_scaling": scaling if llama3 else None,
        "rope_parameters": {"rope_theta": float(model.rotary_base), **(scaling if llama3 else {"rope_type": "default"})},
        "tie_word_embeddings": model.share_embeddings_and_output_weights,
        "torch_dtype": DTYPES[dtype].torch_name,
        "dtype": DTYPES[dtype].torch_name,
        "use_cache": True,
        "vocab_size": model.vocab_size,
        **family_keys(family, model),
    }
    ids = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    return dict(sorted((config | ids).items()))


def family_keys(family: Family, model: ModelConfig) -> dict[str, Any]:
    """The keys only some families have."""
    if family.model_type == "llama":
        return {"attention_bias": False, "mlp_bias": False, "pretraining_tp": 1}
    if family is QWEN2:
        # Layers below max_window_layers would see everything, so with a window it is 0.
        window = {"use_sliding_window": bool(model.sliding_window), "sliding_window": model.sliding_window or None}
        return window | {"max_window_layers": 0 if model.sliding_window else model.num_layers}
    return {"sliding_window": model.sliding_window or None}


def generation_config(tokenizer: Tokenizer) -> dict[str, Any]:
    """``generation_config.json``: the special tokens that end and pad a generation."""
    ids = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    return {key: value for key, value in ids.items() if value is not None}
