"""Arithmetic of one token, for MFU.

Decides: which operations count: matrix products of the layers and of the output projection, and causal attention.
Does not: count norms, activations, the embedding look-up, or recomputation (MFU counts the model's own work only).
"""

from megatron_mathcoder.config.schema import ModelConfig


def training_flops_per_token(model: ModelConfig, seq_length: int) -> float:
    """Floating-point operations of forward and backward per token.

    Two per weight and token forward, twice that backward (Kaplan et al. 2020, section 2.1); attention adds
    ``2 · 2 · seq_length / 2`` per query channel forward, since half of the scores are causal (PaLM, appendix B, halved).
    A sliding window shortens the keys a query sees.
    """
    query = model.num_attention_heads * model.kv_channels
    key_value = 2 * model.num_query_groups * model.kv_channels
    layer_weights = model.hidden_size * (query + key_value) + query * model.hidden_size
    layer_weights += 3 * model.hidden_size * model.ffn_hidden_size
    weights = model.num_layers * layer_weights + model.hidden_size * model.vocab_size
    window = min(model.sliding_window or seq_length, seq_length)
    mean_keys = window - window * (window - 1) / (2 * seq_length)
    attention = model.num_layers * 4 * query * mean_keys
    return 3 * (2 * weights + attention)
