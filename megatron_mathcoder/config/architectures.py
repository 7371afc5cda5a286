"""The numbers of every model a recipe can name, and what follows from them alone.

Decides: the fields of ``ModelConfig`` for each architecture, as published with the weights in the model's ``config.json``.
Does not: hold anything of a run (sequence length, precision, layout), nor build a model (``model/transformer_config.py``).

Two conventions differ from Hugging Face's names: ``kv_channels`` is ``head_dim`` and ``rotary_base`` is ``rope_theta``.
Every model has an RMSNorm, a SwiGLU, rotary positions and no bias unless ``add_qkv_bias`` says so.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from megatron_mathcoder.config.schema import ModelConfig

TINY_LLAMA = ModelConfig(
    architecture="tiny_llama",
    num_layers=4,
    hidden_size=128,
    ffn_hidden_size=384,
    num_attention_heads=4,
    num_query_groups=2,
    kv_channels=32,
    vocab_size=4096,
    max_position_embeddings=1024,
    rotary_base=10_000,
    rope_scaling_factor=0.0,
    layernorm_epsilon=1e-5,
    sliding_window=0,
    add_qkv_bias=False,
    share_embeddings_and_output_weights=False,
    init_method_std=0.02,
)
"""Ours, for two CPU cores and for tests: every part of Llama-3-8B, small, and divisible by 4 ranks in every direction."""

LLAMA2_7B = ModelConfig(
    architecture="llama2_7b",
    num_layers=32,
    hidden_size=4096,
    ffn_hidden_size=11_008,
    num_attention_heads=32,
    num_query_groups=32,
    kv_channels=128,
    vocab_size=32_000,
    max_position_embeddings=4096,
    rotary_base=10_000,
    rope_scaling_factor=0.0,
    layernorm_epsilon=1e-5,
    sliding_window=0,
    add_qkv_bias=False,
    share_embeddings_and_output_weights=False,
    init_method_std=0.02,
)
"""Model card meta-llama/Llama-2-7b-hf."""

CODE_LLAMA_7B = replace(
    LLAMA2_7B,
    architecture="code_llama_7b",
    vocab_size=32_016,
    max_position_embeddings=16_384,
    rotary_base=1_000_000,
)
"""Model card codellama/CodeLlama-7b-hf: Llama 2 with 16 infilling tokens and a larger rotary base."""

DEEPSEEK_MATH_7B = replace(
    LLAMA2_7B,
    architecture="deepseek_math_7b",
    num_layers=30,
    vocab_size=102_400,
    layernorm_epsilon=1e-6,
)
"""Model card deepseek-ai/deepseek-math-7b-base; its tokenizer is shorter than these 102,400 rows."""

MISTRAL_7B = replace(
    LLAMA2_7B,
    architecture="mistral_7b",
    ffn_hidden_size=14_336,
    num_query_groups=8,
    max_position_embeddings=32_768,
    sliding_window=4096,
)
"""Model card mistralai/Mistral-7B-v0.1. Versions 0.2 and 0.3 have no window and another rotary base: override them."""

LLAMA3_8B = replace(
    LLAMA2_7B,
    architecture="llama3_8b",
    ffn_hidden_size=14_336,
    num_query_groups=8,
    vocab_size=128_256,
    max_position_embeddings=8192,
    rotary_base=500_000,
)
"""Model card meta-llama/Meta-Llama-3-8B."""

LLAMA3_1_8B = replace(
    LLAMA3_8B,
    architecture="llama3_1_8b",
    max_position_embeddings=131_072,
    rope_scaling_factor=8.0,
)
"""Model card meta-llama/Llama-3.1-8B: Llama 3 with rotary frequencies scaled for long texts."""

QWEN2_5_MATH_7B = ModelConfig(
    architecture="qwen2_5_math_7b",
    num_layers=28,
    hidden_size=3584,
    ffn_hidden_size=18_944,
    num_attention_heads=28,
    num_query_groups=4,
    kv_channels=128,
    vocab_size=152_064,
    max_position_embeddings=4096,
    rotary_base=10_000,
    rope_scaling_factor=0.0,
    layernorm_epsilon=1e-6,
    sliding_window=0,
    add_qkv_bias=True,
    share_embeddings_and_output_weights=False,
    init_method_std=0.02,
)
"""Model card Qwen/Qwen2.5-Math-7B; 28 heads divide over 1, 2 or 4 tensor-parallel ranks."""

QWEN2_5_MATH_1_5B = replace(
    QWEN2_5_MATH_7B,
    architecture="qwen2_5_math_1_5b",
    hidden_size=1536,
    ffn_hidden_size=8960,
    num_attention_heads=12,
    num_query_groups=2,
    vocab_size=151_936,
    share_embeddings_and_output_weights=True,
)
"""Model card Qwen/Qwen2.5-Math-1.5B."""

ARCHITECTURES: Mapping[str, ModelConfig] = MappingProxyType(
    {
        model.architecture: model
        for model in (
            TINY_LLAMA,
            LLAMA2_7B,
            LLAMA3_8B,
            LLAMA3_1_8B,
            DEEPSEEK_MATH_7B,
            MISTRAL_7B,
            CODE_LLAMA_7B,
            QWEN2_5_MATH_7B,
            QWEN2_5_MATH_1_5B,
        )
    }
)
"""Every architecture by the name a recipe gives in ``model.architecture``."""


def padded_vocab_size(model: ModelConfig, tensor_model_parallel_size: int) -> int:
    """Return the rows of the embedding in memory: ``vocab_size`` rounded up so that every tensor-parallel rank has the same.

    The multiple is ``make_vocab_size_divisible_by * tensor_model_parallel_size``, Megatron's rule, so the padded size depends
    on the layout while the stored one does not.
    """
    multiple = model.make_vocab_size_divisible_by * tensor_model_parallel_size
    return math.ceil(model.vocab_size / multiple) * multiple


def parameter_count(model: ModelConfig) -> int:
    """Return the exact number of weights of the model as stored: without vocabulary padding, a tied matrix once.

    With h the hidden size, d the head width, n and g the query heads and groups, f the SwiGLU's width, one layer has
    ``h(n+2g)d`` (query, key, value; ``(n+2g)d`` more with bias) ``+ nd·h`` (projection) ``+ 3hf`` (gate, up, down)
    ``+ 2h`` (two norms); around the layers are the embedding, the output layer unless it is tied, and one norm.
    """
    h, d = model.hidden_size, model.kv_channels
    qkv_width = (model.num_attention_heads + 2 * model.num_query_groups) * d
    attention = h * qkv_width + (qkv_width if model.add_qkv_bias else 0) + model.num_attention_heads * d * h
    layer = attention + 3 * h * model.ffn_hidden_size + 2 * h
    vocabulary_matrices = 1 if model.share_embeddings_and_output_weights else 2
    return vocabulary_matrices * model.vocab_size * h + model.num_layers * layer + h
