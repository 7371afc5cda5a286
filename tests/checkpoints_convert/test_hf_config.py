"""Every key of a configuration is mapped, irrelevant or refused, in the spellings of transformers 4 and 5."""

import json
from dataclasses import replace

import pytest

from checkpoints_convert.hf_config import read_config, write_config
from checkpoints_convert.llama_family import FAMILIES as HF_CLASSES
from checkpoints_convert.llama_family import family_of
from checkpoints_convert.tokenizer_files import Tokenizer
from megatron_mathcoder.config.architectures import ARCHITECTURES, MISTRAL_7B
from megatron_mathcoder.config.errors import CheckpointError
from tests.checkpoints_convert.tiny_models import FAMILIES

BASE = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 120,
    "rms_norm_eps": 1e-5,
}
MISTRAL = BASE | {"architectures": ["MistralForCausalLM"], "model_type": "mistral"}
QWEN2 = BASE | {"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "num_key_value_heads": 2}
LLAMA3_ROPE = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_comes_back_from_its_own_config(name):
    model = ARCHITECTURES[name]
    config = json.loads(json.dumps(write_config(family_of(model), model, "BF16", Tokenizer({}))))
    family, back = read_config(config)
    assert family is family_of(model)
    assert replace(back, architecture=name) == model


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_transformers_reads_what_is_written(name):
    """The object transformers makes of it says the same numbers; its own defaults fill nothing."""
    from transformers import AutoConfig

    model = ARCHITECTURES[name]
    written = write_config(family_of(model), model, "BF16", Tokenizer({}, 1, 2))
    read = AutoConfig.for_model(written["model_type"], **{k: v for k, v in written.items() if k != "model_type"})
    assert read.rope_parameters["rope_theta"] == model.rotary_base
    assert read.rope_parameters["rope_type"] == ("llama3" if model.rope_scaling_factor else "default")
    assert (read.head_dim, read.num_key_value_heads) == (model.kv_channels, model.num_query_groups)
    assert (getattr(read, "sliding_window", None) or 0) == model.sliding_window
    assert (read.bos_token_id, read.eos_token_id, read.tie_word_embeddings) == (1, 2, model.share_embeddings_and_output_weights)


@pytest.mark.parametrize("family", FAMILIES)
def test_both_spellings_of_rope_are_one_model(family, hf_model):
    """The file transformers 5 saved, respelled as transformers 4 would have."""
    config = json.loads((hf_model(family) / "config.json").read_text())
    rope = config.pop("rope_parameters")
    old = config | {"rope_theta": rope.pop("rope_theta"), "torch_dtype": config.pop("dtype")}
    old |= {"rope_scaling": rope if rope["rope_type"] != "default" else None}
    assert read_config(old) == read_config(json.loads((hf_model(family) / "config.json").read_text()))
    assert read_config(old | {"rope_scaling": {"type": "default"}})[1].rope_scaling_factor == 0 or rope["rope_type"] == "llama3"


def test_a_known_architecture_is_known_by_its_name():
    config = write_config(family_of(MISTRAL_7B), MISTRAL_7B, "BF16", Tokenizer({}))
    assert read_config(config)[1].architecture == "mistral_7b"
    assert read_config(config | {"sliding_window": None})[1].architecture == "mistral"


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (BASE, {"num_query_groups": 4, "kv_channels": 16, "rotary_base": 10_000, "sliding_window": 0}),
        (BASE | {"head_dim": None, "num_key_value_heads": None}, {"num_query_groups": 4, "kv_channels": 16}),
        (BASE | {"head_dim": 32, "num_key_value_heads": 2}, {"num_query_groups": 2, "kv_channels": 32}),
        (BASE | {"sliding_window": 100}, {"sliding_window": 0}),
        (BASE | {"rope_theta": 5e5}, {"rotary_base": 500_000}),
        (MISTRAL | {"num_key_value_heads": 2, "sliding_window": 4096}, {"sliding_window": 4096}),
        (MISTRAL | {"num_key_value_heads": 2, "sliding_window": None}, {"sliding_window": 0}),
        (MISTRAL | {"num_key_value_heads": 2}, {"sliding_window": 4096}),
        (QWEN2 | {"sliding_window": 4096, "use_sliding_window": False}, {"sliding_window": 0, "add_qkv_bias": True}),
        (QWEN2 | {"sliding_window": 9, "use_sliding_window": True, "max_window_layers": 0}, {"sliding_window": 9}),
    ],
)
def test_what_a_config_means(config, expected):
    defaults = {"max_position_embeddings": 256}
    model = read_config(defaults | config)[1]
    assert {name: getattr(model, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"architectures": ["GPT2LMHeadModel"]}, r"architectures \['GPT2LMHeadModel'\] with model_type 'llama'; known are Llama"),
        ({"model_type": "mistral"}, r"with model_type 'mistral'; known are"),
        ({"hidden_act": "gelu"}, r"hidden_act = 'gelu'; Megatron's SwiGLU is silu"),
        ({"attention_bias": True}, r"attention_bias = True; it puts a bias on o_proj too"),
        ({"mlp_bias": True}, r"mlp_bias = True; "),
        ({"quantization_config": {"bits": 4}}, r"quantised weights cannot be trained; take the unquantised model"),
        ({"partial_rotary_factor": 0.5}, r"partial_rotary_factor = 0.5; "),
        ({"auto_map": {"AutoModel": "x"}}, r"the model brings its own code"),
        (
            {"new_attention_trick": 3},
            r"new_attention_trick = '3' is not a key this converter knows, so it might change the model",
        ),
        (
            {"rope_scaling": {"type": "linear", "factor": 2.0}},
            r"rope type 'linear'; Megatron's GPT model computes default and llama3",
        ),
        ({"rope_scaling": {"rope_type": "yarn", "factor": 2.0}}, r"rope type 'yarn'"),
        ({"rope_parameters": {"rope_type": "dynamic"}}, r"rope type 'dynamic'"),
        (
            {"rope_scaling": {"rope_type": "llama3", **LLAMA3_ROPE, "low_freq_factor": 2.0}},
            r"llama3 rope with low_freq_factor = 2.0; megatron-core has 1.0 built in",
        ),
        (
            {"rope_scaling": {"rope_type": "llama3", **LLAMA3_ROPE, "original_max_position_embeddings": 4096}},
            r"original_max_position_embeddings = 4096; megatron-core has 8192 built in",
        ),
        ({"rope_theta": 1e4, "rope_parameters": {"rope_theta": 5e5}}, r"rope_theta 10000.0 and 500000.0; it needs one value"),
        ({"rope_theta": 1.5}, r"rope_theta = 1.5; Megatron takes whole numbers only"),
        ({"num_key_value_heads": 3}, r"num_attention_heads 4 is no multiple of num_key_value_heads 3"),
        ({"vocab_size": None}, r"vocab_size is missing; every LlamaForCausalLM has one"),
        ({"hidden_size": "64"}, r"hidden_size = '64'; it must be a whole number of 1 or more, correct it"),
        ({"rms_norm_eps": True}, r"rms_norm_eps = True; it must be a number of 0 or more"),
        ({"num_attention_heads": 0}, r"num_attention_heads = 0; it must be a whole number of 1 or more"),
        ({"num_key_value_heads": 0}, r"num_key_value_heads = 0; it must be a whole number of 1 or more"),
        ({"head_dim": "16"}, r"head_dim = '16'; it must be a whole number of 1 or more"),
        ({"tie_word_embeddings": 1}, r"tie_word_embeddings = 1; it must be true or false"),
        ({"architectures": "LlamaForCausalLM"}, r"architectures LlamaForCausalLM with model_type 'llama'; known are"),
        ({"architectures": None}, r"architectures \[\] with .* another model cannot be imported, and one of these must say so"),
        ({"rope_parameters": "default"}, r"rope_parameters = 'default'; it must be an object"),
        ({"rope_theta": -1}, r"rope_theta = -1; Megatron takes whole numbers only, from 1 on"),
        ({"rope_theta": float("inf")}, r"rope_theta = inf; Megatron takes whole numbers only, from 1 on"),
        ({"rope_scaling": {"rope_type": "llama3", **LLAMA3_ROPE, "factor": -8.0}}, r"factor = -8.0; it must be at least 1"),
        ({"rope_theta": "1e4"}, r"rope_theta = '1e4'; it must be a number"),
        ({"rope_parameters": {"rope_theta": [1e4]}}, r"rope_theta = \[10000.0\]; it must be a number"),
        ({"rope_parameters": {"rope_theta": 1e4, "partial_rotary_factor": 0.5}}, r"rope with partial_rotary_factor = '0.5'"),
        (
            {"rope_parameters": {"full_attention": {"rope_theta": 1e6}}},
            r"rope with full_attention = .*; Megatron's GPT model has",
        ),
        (
            {"rope_scaling": {"rope_type": "llama3", **LLAMA3_ROPE, "factor": None}},
            r"llama3 rope with factor = None; it must be at",
        ),
        (QWEN2 | {"use_sliding_window": True, "sliding_window": "9"}, r"sliding_window = '9'; it must be a whole number"),
        (QWEN2 | {"layer_types": "full_attention"}, r"layer_types = 'full_attention'; it must be a list"),
        (
            QWEN2 | {"use_sliding_window": True, "sliding_window": 9, "max_window_layers": 1},
            r"max_window_layers = 1; Megatron has one",
        ),
        (
            QWEN2 | {"layer_types": ["full_attention", "sliding_attention"]},
            r"layer_types \['full_attention', 'sliding_attention'\] with a window of none; all layers must be alike",
        ),
    ],
)
def test_what_megatron_cannot_compute_is_refused(config, message):
    with pytest.raises(CheckpointError, match=message) as caught:
        read_config(BASE | {"max_position_embeddings": 256} | config)
    assert "\n" not in str(caught.value)


def test_every_class_has_defaults_and_reads_its_minimum():
    for name, family in HF_CLASSES.items():
        minimal = BASE | {"architectures": [name], "model_type": family.model_type, "max_position_embeddings": 256}
        assert read_config(minimal | {"num_key_value_heads": 2})[0] is family
