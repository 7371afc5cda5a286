"""The table over layouts: every one obeys the rules, and what is said of those that do not fit is true."""

from dataclasses import replace
from itertools import pairwise

import pytest

from megatron_mathcoder.config.gpus import GPUS, gpu_named
from megatron_mathcoder.config.loader import load_config
from megatron_mathcoder.config.rules import check, check_world_size
from megatron_mathcoder.planning.layouts import allowed_layouts, cost, gib, why_not
from megatron_mathcoder.planning.main import make_plan
from megatron_mathcoder.planning.memory import stage_memory
from megatron_mathcoder.planning.speed import Machine
from tests.repository import RECIPES

A100 = Machine(gpu=gpu_named("a100-40"), gpus=16, gpus_per_node=8, mfu=0.4, headroom=0.08, write_bytes_per_second=2e9)


@pytest.fixture(scope="module")
def recipe():
    return load_config(RECIPES / "llama3_8b.toml")


@pytest.fixture(scope="module")
def plan(recipe):
    return make_plan("llama3_8b.toml", recipe, A100)


def test_every_layout_obeys_the_rules_and_is_named_once(plan):
    for layout in plan.layouts:
        check(layout.config)
        check_world_size(layout.config, 16)
    assert len({layout.name for layout in plan.layouts}) == len(plan.layouts) > 100


def test_every_direction_is_tried(plan):
    parallel = [layout.config.parallel for layout in plan.layouts]
    assert {each.tensor_model_parallel_size for each in parallel} == {1, 2, 4, 8}
    assert {each.pipeline_model_parallel_size for each in parallel} == {1, 2, 4, 8, 16}
    assert {each.virtual_pipeline_model_parallel_size for each in parallel} >= {1, 2, 4}
    assert {each.sequence_parallel for each in parallel} == {True, False}
    assert {layout.config.training.recompute for layout in plan.layouts} == {"none", "selective", "full"}
    assert {layout.config.training.micro_batch_size for layout in plan.layouts} >= {1, 2, 4, 8, 16}


def test_long_samples_are_divided_among_context_parallel_ranks():
    """Each doubling leaves a rank half of the tokens and their activations."""
    long = load_config(RECIPES / "llama3_8b.toml", ["dataset.seq_length=65536", "model.max_position_embeddings=65536"])
    layouts, _ = allowed_layouts(long, A100)
    assert {layout.config.parallel.context_parallel_size for layout in layouts} == {1, 2, 4, 8}
    alike = [each for each in layouts if each.name.startswith("TP 2 SP PP 1 ") and each.name.endswith("batch 1, recompute full")]
    peaks = {each.config.parallel.context_parallel_size: each.memory.peak for each in alike}
    assert peaks[8] < peaks[4] < peaks[2] < peaks[1]
    assert any("CP 8 DP" in layout.name for layout in layouts)


def test_the_recipe_s_own_context_parallel_size_is_planned():
    own = cost(load_config(RECIPES / "llama3_8b.toml", ["parallel.context_parallel_size=2"]), A100)
    whole = cost(load_config(RECIPES / "llama3_8b.toml"), A100)
    assert own.memory.activations < whole.memory.activations
    assert own.memory.communication > whole.memory.communication / 2
    # The optimizer is divided among all that hold the same weights.
    assert (own.data_parallel * 2, own.memory.optimizer) == (whole.data_parallel, whole.memory.optimizer)


def test_the_fastest_comes_first_and_ties_go_to_the_smaller(plan):
    for before, after in pairwise(plan.fitting):
        assert (before.step.total, before.memory.peak) <= (after.step.total, after.memory.peak)
        assert before.memory.peak <= A100.usable_bytes


def test_a_near_miss_is_faster_than_what_fits_and_says_what_would_fit(plan):
    assert plan.near_misses
    for layout in plan.near_misses:
        assert layout.step.total < plan.fitting[0].step.total
        reason = why_not(layout, A100, plan.layouts)
        assert reason.startswith(f"{gib(layout.memory.peak - A100.usable_bytes)} too much, of which ")
        _, _, change = reason.partition("; fits with ")
        if change:
            training = layout.config.training
            for part in change.split(" and "):
                key, value = part.rsplit(" ", 1)
                field = {"micro-batch": "micro_batch_size", "recompute": "recompute"}[key]
                training = replace(training, **{field: int(value) if field == "micro_batch_size" else value})
            assert cost(replace(layout.config, training=training), A100).fits(A100)


def test_what_no_change_of_batch_can_mend_is_said(recipe):
    layouts, _ = allowed_layouts(recipe, A100)
    whole = next(each for each in layouts if each.name.startswith("TP 1 PP 1 DP 16"))
    assert why_not(whole, A100, layouts).endswith("weights, gradients and optimizer alone do not fit: more TP, PP or DP")


def test_no_stage_between_the_ends_is_fuller(plan):
    """``rank_memory`` looks at the first and the last stage only."""
    deep = [layout for layout in plan.layouts if layout.config.parallel.pipeline_model_parallel_size >= 4]
    for layout in deep[::7]:
        stages = layout.config.parallel.pipeline_model_parallel_size
        every = [stage_memory(layout.config, layout.data_parallel, layout.num_microbatches, stage) for stage in range(stages)]
        assert layout.memory.peak == max(memory.peak for memory in every)


def test_more_of_anything_that_divides_needs_less(recipe):
    """The terms move as they must when one key changes."""

    def memory(*overrides: str):
        return cost(load_config(RECIPES / "llama3_8b.toml", overrides), A100).memory

    base = memory("training.recompute=none")
    assert memory("training.recompute=none", "parallel.sequence_parallel=false").activations > base.activations
    assert memory("training.recompute=none", "parallel.tensor_model_parallel_size=4").weights < base.weights
    assert memory("training.recompute=full").activations < memory().activations < base.activations
    undivided = memory("parallel.use_distributed_optimizer=false", "parallel.overlap_param_gather=false")
    assert undivided.optimizer == pytest.approx(8 * base.optimizer, rel=1e-3)


def test_refused_layouts_are_counted_by_key(plan):
    for key, messages in plan.refused.items():
        assert all(message.startswith(f"{key} ") for message in messages)


def test_the_table_of_gpus_is_sane():
    """An A800 differs from an A100 in its links alone; each generation is faster and larger."""
    a800, a100 = GPUS["a800"], GPUS["a100-80"]
    assert (a800.memory_bytes, a800.peak_flops) == (a100.memory_bytes, a100.peak_flops)
    assert a800.nvlink_bytes_per_second < a100.nvlink_bytes_per_second
    assert GPUS["h200"].peak_flops == GPUS["h100"].peak_flops < GPUS["b200"].peak_flops
    assert GPUS["a100-40"].memory_bytes * 2 == a100.memory_bytes < GPUS["h200"].memory_bytes < GPUS["b200"].memory_bytes
