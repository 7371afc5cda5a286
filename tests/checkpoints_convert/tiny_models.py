"""Tiny models of every family, and their logits by transformers."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from megatron_mathcoder.config.architectures import TINY_LLAMA

TINY = replace(
    TINY_LLAMA,
    hidden_size=64,
    ffn_hidden_size=96,
    kv_channels=16,
    vocab_size=120,
    max_position_embeddings=256,
    init_method_std=0.1,
    make_vocab_size_divisible_by=16,
)
"""The vocabulary is padded from 120 to 128 rows."""

WIDTH = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 4, "num_attention_heads": 4, "vocab_size": 117}
WIDTH |= {"max_position_embeddings": 256, "initializer_range": 0.1, "attention_dropout": 0.0, "num_key_value_heads": 2}
LLAMA3_ROPE = {"rope_type": "llama3", "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}


def rope(theta: float, **scaling: Any) -> dict[str, Any]:
    return {"rope_parameters": {"rope_type": "default", "rope_theta": theta, **scaling}}


FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama2": ("Llama", {"num_attention_heads": 8, "num_key_value_heads": 8, "rms_norm_eps": 1e-5}),
    "llama3": ("Llama", {"rms_norm_eps": 1e-5, **rope(5e5)}),
    "llama31": ("Llama", {"rms_norm_eps": 1e-5, **rope(5e5, factor=8.0, **LLAMA3_ROPE), "max_position_embeddings": 131072}),
    "llama32-tied": ("Llama", {"tie_word_embeddings": True, **rope(5e5, factor=32.0, **LLAMA3_ROPE), "head_dim": 32}),
    "code-llama": ("Llama", {"num_key_value_heads": 4, "rms_norm_eps": 1e-5, **rope(1e6), "vocab_size": 113}),
    "deepseek-math": ("Llama", {"num_key_value_heads": 4, "num_hidden_layers": 2, "vocab_size": 120, "rms_norm_eps": 1e-6}),
    "mistral": ("Mistral", {"sliding_window": 7, "rms_norm_eps": 1e-5}),
    "mistral-no-window": ("Mistral", {"sliding_window": None, **rope(1e6)}),
    "qwen2": ("Qwen2", {"sliding_window": 16, "use_sliding_window": False, **rope(1e6)}),
    "qwen2-tied": ("Qwen2", {"tie_word_embeddings": True, "num_attention_heads": 12, "head_dim": 8}),
    "qwen2-window": ("Qwen2", {"sliding_window": 7, "use_sliding_window": True, "max_window_layers": 0}),
}
"""Tiny models with every feature of the published ones: transformers' class prefix and configuration."""


def save_hf_model(family: str, dtype: str, max_shard_size: str, folder: Path) -> Path:
    import torch
    import transformers

    prefix, changes = FAMILIES[family]
    config = getattr(transformers, f"{prefix}Config")(**WIDTH | changes)
    with torch.random.fork_rng():
        torch.manual_seed(len(family))
        model = getattr(transformers, f"{prefix}ForCausalLM")(config)
        for parameter in model.parameters():
            if parameter.ndim == 1:  # two norms or biases exchanged must show
                torch.nn.init.normal_(parameter, 1.0, 0.1)
    model.to(getattr(torch, dtype)).save_pretrained(folder, max_shard_size=max_shard_size)
    return folder


def hf_logits(folder: Path, tokens: Path, dtype: str) -> np.ndarray:
    """Logits of a folder for the token ids in a .npy file."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype))
    with torch.no_grad():
        return model(torch.from_numpy(np.load(tokens))).logits.numpy()
