"""``config.json`` to an architecture and back.

Decides: what every key of a Hugging Face configuration means for Megatron. Reading is a total function of the raw JSON:
each key is mapped, declared irrelevant, or refused with a sentence. Does not: use transformers' configuration objects,
whose defaults and spellings change between versions (``rope_theta`` and ``rope_scaling`` of 4 are ``rope_parameters`` in 5).
"""

import math
from dataclasses import replace
from typing import Any

from checkpoints_convert.dtypes import DTYPES
from checkpoints_convert.hf_config_keys import DEFAULT_ROPE_THETA, DEFAULTS, IRRELEVANT, KINDS, REQUIRED, ROPE_KEYS
from checkpoints_convert.llama_family import FAMILIES, QWEN2, Family
from checkpoints_convert.tokenizer_files import Tokenizer
from megatron_mathcoder.config.architectures import ARCHITECTURES
from megatron_mathcoder.config.errors import CheckpointError
from megatron_mathcoder.config.schema import ModelConfig

LLAMA3_ROPE = {"low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}
"""The constants megatron-core builds in (0.16.1, ``rotary_pos_embedding.py``: ``_apply_scaling``)."""
MAPPED = {
    "num_hidden_layers": "num_layers",
    "hidden_size": "hidden_size",
    "intermediate_size": "ffn_hidden_size",
    "num_attention_heads": "num_attention_heads",
    "num_key_value_heads": "num_query_groups",
    "head_dim": "kv_channels",
    "vocab_size": "vocab_size",
    "max_position_embeddings": "max_position_embeddings",
    "rms_norm_eps": "layernorm_epsilon",
    "initializer_range": "init_method_std",
    "tie_word_embeddings": "share_embeddings_and_output_weights",
}
"""Keys whose value is a field of ``ModelConfig``."""
HANDLED = {"architectures", "model_type", "rope_theta", "rope_scaling", "rope_parameters"}
HANDLED |= {"sliding_window", "use_sliding_window", "max_window_layers", "layer_types"}
"""Keys that need a rule of their own."""


def read_config(config: dict[str, Any]) -> tuple[Family, ModelConfig]:
    """Return the family and architecture that a ``config.json`` describes.

    Raises ``CheckpointError`` naming the first key that is unknown, missing or has a value Megatron cannot compute with.
    """
    family = _family(config)
    for key, value in config.items():
        _check_key(key, value)
    given = {key: value for key, value in (DEFAULTS[family.model_type] | config).items() if value is not None}
    given.setdefault("num_key_value_heads", given.get("num_attention_heads"))
    for key in MAPPED:
        if key == "head_dim":
            given.setdefault(key, given["hidden_size"] // given["num_attention_heads"])
        _check_number(family, given, key)
    theta, factor = _rope(given)
    model = ModelConfig(
        architecture=family.model_type,
        rotary_base=theta,
        rope_scaling_factor=factor,
        sliding_window=_window(family, given),
        add_qkv_bias=family is QWEN2,
        **{field: given[key] for key, field in MAPPED.items()},
    )
    if model.num_attention_heads % model.num_query_groups:
        raise CheckpointError(
            f"config.json: num_attention_heads {model.num_attention_heads} is no multiple of num_key_value_heads "
            f"{model.num_query_groups}; correct it"
        )
    return family, _named(model)


def _family(config: dict[str, Any]) -> Family:
    names = config.get("architectures") or []
    family = next((FAMILIES[name] for name in FAMILIES if names == [name]), None)
    if family is None or config.get("model_type") != family.model_type:
        raise CheckpointError(
            f"config.json: architectures {names} with model_type {config.get('model_type')!r}; known are "
            + ", ".join(f"{name} ({family.model_type})" for name, family in FAMILIES.items())
            + "; another model cannot be imported, and one of these must say so"
        )
    return family


def _check_key(key: str, value: Any) -> None:
    """Refuse a key that is not known, and a value that changes what the model computes or is of another kind than it has."""
    _check_kind(key, value)
    if key in REQUIRED:
        allowed, reason = REQUIRED[key]
        if value not in allowed:
            raise CheckpointError(f"config.json: {key} = {value!r}; {reason}")
    elif key not in MAPPED and key not in HANDLED and key not in IRRELEVANT:
        raise CheckpointError(
            f"config.json: {key} = {str(value)[:60]!r} is not a key this converter knows, so it might change the model; "
            "remove it if you know that it does not"
        )


def _check_kind(key: str, value: Any) -> None:
    """Refuse a value of another JSON kind than its key has."""
    if key in KINDS and value is not None and type(value) not in KINDS[key][0]:
        raise CheckpointError(f"config.json: {key} = {value!r}; it must be {KINDS[key][1]}, correct it")


def _check_number(family: Family, given: dict[str, Any], key: str) -> None:
    """Refuse a mapped key that is missing or no number of its kind."""
    if key not in given:
        raise CheckpointError(f"config.json: {key} is missing; every {family.hf_class} has one, get the file again")
    if key == "tie_word_embeddings":
        right, wanted = type(given[key]) is bool, "true or false"
    elif key in ("rms_norm_eps", "initializer_range"):
        right, wanted = type(given[key]) in (int, float) and given[key] >= 0, "a number of 0 or more"
    else:
        right, wanted = type(given[key]) is int and given[key] >= 1, "a whole number of 1 or more"
    if not right:
        raise CheckpointError(f"config.json: {key} = {given[key]!r}; it must be {wanted}, correct it")


def _rope(given: dict[str, Any]) -> tuple[int, float]:
    """(theta, llama3 factor or 0) from either spelling."""
    new, old = given.get("rope_parameters") or {}, given.get("rope_scaling") or {}
    scaling = new or old
    kind = scaling.get("rope_type", scaling.get("type", "default"))
    if kind not in ("default", "llama3"):
        raise CheckpointError(f"config.json: rope type {kind!r}; Megatron's GPT model computes default and llama3 only")
    for key, value in (old | new).items():
        _check_rope_key(key, value)
    thetas = [each["rope_theta"] for each in (new, given) if each.get("rope_theta") is not None] or [DEFAULT_ROPE_THETA]
    theta = thetas[0]
    if thetas[-1] != theta:
        raise CheckpointError(
            f"config.json: rope_theta {given.get('rope_theta')!r} and {new.get('rope_theta')!r}; it needs one value"
        )
    if not (math.isfinite(theta) and theta >= 1 and int(theta) == theta):
        raise CheckpointError(f"config.json: rope_theta = {theta!r}; Megatron takes whole numbers only, from 1 on")
    if kind == "default":
        return int(theta), 0.0
    for key, value in LLAMA3_ROPE.items():
        if scaling.get(key) != value:
            raise CheckpointError(
                f"config.json: llama3 rope with {key} = {scaling.get(key)!r}; megatron-core has {value} built in"
            )
    factor = scaling.get("factor") or 0
    if not 1 <= factor < math.inf:
        raise CheckpointError(f"config.json: llama3 rope with factor = {scaling.get('factor')!r}; it must be at least 1")
    return int(theta), float(factor)


def _check_rope_key(key: str, value: Any) -> None:
    """Refuse a key of a rope object that is not known, and a rotation of a part of the head."""
    if key not in ROPE_KEYS or (key in REQUIRED and value not in REQUIRED[key][0]):
        raise CheckpointError(f"config.json: rope with {key} = {str(value)[:60]!r}; Megatron's GPT model has nothing like it")
    _check_kind(key, value)


def _window(family: Family, given: dict[str, Any]) -> int:
    """Keys a query sees, itself included; 0 = all. One window for all layers, or none."""
    window = given.get("sliding_window") or 0
    if family is QWEN2:
        window = window if given.get("use_sliding_window") else 0
        full = min(given.get("max_window_layers", 0), given["num_hidden_layers"])
        if window and full:
            raise CheckpointError(
                f"config.json: max_window_layers = {full}; Megatron has one window for all layers, so only 0 works"
            )
    elif family.model_type == "llama":
        window = 0
    kinds = sorted({str(kind) for kind in given.get("layer_types") or ()})
    if kinds not in ([], ["sliding_attention" if window else "full_attention"]):
        raise CheckpointError(f"config.json: layer_types {kinds} with a window of {window or 'none'}; all layers must be alike")
    return int(window)


def _named(model: ModelConfig) -> ModelConfig:
    """The model under the name of the known architecture with the same numbers, if there is one."""
    for known in ARCHITECTURES.values():
        if replace(model, architecture=known.architecture) == known:
            return known
    return model


def write_config(family: Family, model: ModelConfig, dtype: str, tokenizer: Tokenizer) -> dict[str, Any]:
    """Return a ``config.json`` that transformers 4 and 5 read identically: it has both spellings of what they spell apart."""
    scaling = {"rope_type": "llama3", "factor": float(model.rope_scaling_factor), **LLAMA3_ROPE}
    llama3 = bool(model.rope_scaling_factor)
    config = {key: getattr(model, field) for key, field in MAPPED.items()} | {
        "architectures": [family.hf_class],
        "model_type": family.model_type,
        "attention_dropout": 0.0,
        "hidden_act": "silu",
        "rope_theta": float(model.rotary_base),
        "rope_scaling": scaling if llama3 else None,
        "rope_parameters": {"rope_theta": float(model.rotary_base), **(scaling if llama3 else {"rope_type": "default"})},
        "torch_dtype": DTYPES[dtype].torch_name,
        "dtype": DTYPES[dtype].torch_name,
        "use_cache": True,
        **_family_keys(family, model),
    }
    return dict(sorted((config | special_tokens(tokenizer)).items()))


def _family_keys(family: Family, model: ModelConfig) -> dict[str, Any]:
    """The keys only some families have."""
    if family.model_type == "llama":
        return {"attention_bias": False, "mlp_bias": False, "pretraining_tp": 1}
    if family is QWEN2:
        # Layers below max_window_layers would see everything, so with a window it is 0.
        window = {"use_sliding_window": bool(model.sliding_window), "sliding_window": model.sliding_window or None}
        return window | {"max_window_layers": 0 if model.sliding_window else model.num_layers}
    return {"sliding_window": model.sliding_window or None}


def special_tokens(tokenizer: Tokenizer) -> dict[str, Any]:
    """Ids of the special tokens under the names of config.json and generation_config.json; None where there is none."""
    return {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
