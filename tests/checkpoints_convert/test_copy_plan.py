"""A plan covers every row of both sides exactly once, or there is none; for the real models' sizes too."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from checkpoints_convert.conversion import NewCheckpoint
from checkpoints_convert.copy_plan import check_cover, make_plan
from checkpoints_convert.hf_output import new_weights
from checkpoints_convert.llama_family import LAYERS, Family, family_of
from checkpoints_convert.param_mapping import FuseGateUp, Piece
from checkpoints_convert.torch_dist_writer import make_checkpoint
from megatron_mathcoder.config.architectures import ARCHITECTURES, parameter_count
from megatron_mathcoder.config.errors import CheckpointError
from megatron_mathcoder.config.schema import ModelConfig
from tests.benchmarks.bench_convert import read_amplification

QWEN2_MATH_7B = replace(
    ARCHITECTURES["llama2_7b"],
    architecture="qwen2",
    num_layers=28,
    hidden_size=3584,
    ffn_hidden_size=18_944,
    num_attention_heads=28,
    num_query_groups=4,
    vocab_size=152_064,
    add_qkv_bias=True,
)
MODELS = {**ARCHITECTURES, "qwen2": QWEN2_MATH_7B}


def laid_out(model: ModelConfig) -> NewCheckpoint:
    """Where everything would lie; nothing is written."""
    rules = family_of(model).rules(model)
    return make_checkpoint(rules, model, {rule.key: "BF16" for rule in rules}, Path("/checkpoint"))


@pytest.mark.parametrize("name", MODELS)
def test_every_byte_of_every_real_model_is_copied_once(name):
    model = MODELS[name]
    (tensors,) = laid_out(model).copies
    hf = new_weights(model, tensors, Path("/hf")).tensors
    plan = make_plan(family_of(model), model, hf, tensors)
    copies = [copy for found in plan.values() for copy in found]
    assert sum(copy.rows * sum(width for *_, width in copy.parts) for copy in copies) == 2 * parameter_count(model)
    for side in (
        [(str(copy.hf_path), copy.hf_offset, copy.rows * sum(width for *_, width in copy.parts)) for copy in copies],
        [(str(path), offset, copy.rows * width) for copy in copies for path, offset, width in copy.parts],
    ):
        end = ("", 0)
        for path, offset, size in sorted(side):
            assert path != end[0] or offset >= end[1]
            end = (path, offset + size)


@pytest.mark.parametrize("ranks", [1, 2, 4, 8])
@pytest.mark.parametrize("name", ["llama3_8b", "deepseek_math_7b", "mistral_7b", "code_llama_7b"])
def test_a_rank_reads_little_beyond_what_it_needs(name, ranks):
    (tensors,) = laid_out(MODELS[name]).copies
    assert 1 <= read_amplification(tensors, MODELS[name], ranks) <= 1.2


@dataclass(frozen=True, slots=True, kw_only=True)
class GateTwice(FuseGateUp):
    """A rule somebody got wrong."""

    def pieces(self, model):
        return [Piece(0, 0, model.ffn_hidden_size), Piece(1, 1, model.ffn_hidden_size)]


def test_a_wrong_rule_is_no_plan(tiny):
    class Wrong(Family):
        def rules(self, model):
            right = super().rules(model)
            fused = next(rule for rule in LAYERS if isinstance(rule, FuseGateUp))
            wrong = GateTwice(key=fused.key, hf=fused.hf, columns=fused.columns, shard_axis=fused.shard_axis)
            return tuple(wrong if rule is fused else rule for rule in right)

    (tensors,) = laid_out(tiny).copies
    hf = new_weights(tiny, tensors, Path("/hf")).tensors
    with pytest.raises(CheckpointError, match=r"up_proj.weight: rows 0 to 1 are covered twice or never; its rule is wrong"):
        make_plan(Wrong("LlamaForCausalLM", "llama"), tiny, hf, tensors)


@pytest.mark.parametrize("spans", [[(0, 3), (4, 6)], [(0, 5), (4, 6)], [(0, 4)], [(1, 9)], [(0, 11)]])
def test_holes_and_overlaps_are_no_cover(spans):
    with pytest.raises(CheckpointError, match="covered twice or never"):
        check_cover("x", spans, 10)


def test_a_byte_stored_twice_or_never_is_refused(tiny):
    (tensors,) = laid_out(tiny).copies
    hf = new_weights(tiny, tensors, Path("/hf")).tensors
    key = "decoder.layers.mlp.linear_fc2.weight"
    for blocks in (tensors[key].blocks[1:], (*tensors[key].blocks, tensors[key].blocks[0])):
        torn = tensors | {key: replace(tensors[key], blocks=blocks)}
        with pytest.raises(CheckpointError, match=r"linear_fc2.weight: rows \d+ to \d+ are not stored exactly once"):
            make_plan(family_of(tiny), tiny, hf, torn)
