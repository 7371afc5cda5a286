"""What is known about the keys of ``config.json``, as tables.

Decides: which keys cannot change what a model computes, which may have one value only, and what a missing key means.
Does not: translate (``hf_config``).
"""

from typing import Any

DEFAULTS: dict[str, dict[str, Any]] = {
    "llama": {
        "rms_norm_eps": 1e-6,
        "initializer_range": 0.02,
        "tie_word_embeddings": False,
        "max_position_embeddings": 2048,
    },
    "mistral": {
        "rms_norm_eps": 1e-6,
        "initializer_range": 0.02,
        "tie_word_embeddings": False,
        "num_key_value_heads": 8,
        "sliding_window": 4096,
    },
    "qwen2": {
        "rms_norm_eps": 1e-6,
        "initializer_range": 0.02,
        "tie_word_embeddings": False,
        "num_key_value_heads": 32,
        "use_sliding_window": False,
        "sliding_window": 4096,
        "max_window_layers": 28,
    },
}
"""By model_type: what transformers' configuration classes take for a key that is left out (a null is not left out)."""

DEFAULT_ROPE_THETA = 10_000.0
"""The same for every family; apart because either spelling may give it."""

REQUIRED: dict[str, tuple[tuple[Any, ...], str]] = {
    "hidden_act": (("silu", "swish"), "Megatron's SwiGLU is silu; another activation is another model"),
    "attention_bias": ((False, None), "it puts a bias on o_proj too, and Megatron's add_qkv_bias covers q, k and v only"),
    "mlp_bias": ((False, None), "Megatron's add_bias_linear would put one on the attention as well"),
    "qkv_bias": ((True, None), "this family has biases on q, k and v"),
    "partial_rotary_factor": ((1, None), "only rotary positions on the whole head are built"),
    "quantization_config": ((None,), "quantised weights cannot be trained; take the unquantised model"),
    "compression_config": ((None,), "compressed weights cannot be trained; take the uncompressed model"),
    "is_encoder_decoder": ((False, None), "only decoders are built"),
    "add_cross_attention": ((False, None), "only decoders without cross-attention are built"),
    "tie_encoder_decoder": ((False, None), "only decoders are built"),
    "pruned_heads": (({}, None), "every layer must have all its heads"),
    "auto_map": ((None,), "the model brings its own code, which this converter does not know"),
    "use_mrope": ((False, None), "multimodal rotary positions are not built"),
}
"""Key → the values under which the model is what Megatron builds, and why."""

KINDS: dict[str, tuple[tuple[type, ...], str]] = {
    "architectures": ((list,), "a list with one name"),
    "rope_theta": ((int, float), "a number"),
    "rope_scaling": ((dict,), "an object"),
    "rope_parameters": ((dict,), "an object"),
    "sliding_window": ((int,), "a whole number"),
    "use_sliding_window": ((bool,), "true or false"),
    "max_window_layers": ((int,), "a whole number"),
    "layer_types": ((list,), "a list"),
    "factor": ((int, float), "a number"),
    "partial_rotary_factor": ((int, float), "a number"),
}
"""What kind of value a key with a rule of its own has in JSON, null aside; the last two are of a rope object."""

ROPE_KEYS = {"rope_type", "type", "rope_theta", "factor", "partial_rotary_factor"}
ROPE_KEYS |= {"low_freq_factor", "high_freq_factor", "original_max_position_embeddings"}
"""Keys of ``rope_scaling`` and ``rope_parameters`` that are read."""

_IRRELEVANT = """
_name_or_path _attn_implementation _attn_implementation_autoset attn_implementation transformers_version dtype
torch_dtype use_cache pretraining_tp torchscript use_bfloat16 tf_legacy_loss return_dict return_dict_in_generate
output_attentions output_hidden_states output_scores chunk_size_feed_forward gradient_checkpointing unsloth_version
unsloth_fixed transformers.js_config _commit_hash
attention_dropout hidden_dropout resid_pdrop embd_pdrop attn_pdrop
bos_token_id eos_token_id pad_token_id sep_token_id unk_token_id decoder_start_token_id forced_bos_token_id
forced_eos_token_id prefix begin_suppress_tokens suppress_tokens bad_words_ids do_sample early_stopping max_length
min_length num_beams num_beam_groups diversity_penalty temperature top_k top_p typical_p repetition_penalty
length_penalty no_repeat_ngram_size encoder_no_repeat_ngram_size num_return_sequences remove_invalid_values
exponential_decay_length_penalty tokenizer_class is_decoder cross_attention_hidden_size
id2label label2id num_labels problem_type finetuning_task task_specific_params
"""
IRRELEVANT = frozenset(_IRRELEVANT.split())
"""Keys that do not change what the weights compute: where they came from and how transformers runs them, dropout, generation,
other heads than the language model's."""
