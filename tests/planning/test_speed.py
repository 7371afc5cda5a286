"""The estimate of a step: what must hold of it exactly, whatever is assumed."""

from dataclasses import replace

import pytest

from megatron_mathcoder.config.flops import training_flops_per_token
from megatron_mathcoder.config.gpus import gpu_named
from megatron_mathcoder.config.loader import load_config
from megatron_mathcoder.planning.layouts import cost
from megatron_mathcoder.planning.speed import LINK_EFFICIENCY, Machine
from tests.repository import RECIPES

H100 = Machine(gpu=gpu_named("h100"), gpus=64, gpus_per_node=8, mfu=0.4, headroom=0.08, write_bytes_per_second=2e9)
ALONE = ("parallel.tensor_model_parallel_size=1", "parallel.sequence_parallel=false", "training.recompute=none")


def llama3(*overrides: str, machine: Machine = H100):
    return cost(load_config(RECIPES / "llama3_8b.toml", overrides), machine)


def test_without_losses_a_step_takes_its_arithmetic_over_the_assumed_rate():
    layout = llama3(*ALONE, machine=replace(H100, gpus=1))
    flops = 4_194_304 * training_flops_per_token(layout.config.model, 8192)
    assert layout.step.total == layout.step.compute == pytest.approx(flops / (0.4 * 989e12))


def test_full_recompute_repeats_the_layers_forward_and_selective_their_swiglus():
    """A third of the layers' training arithmetic; the output layer is not repeated."""
    none, selective, full = (llama3(*ALONE[:2], f"training.recompute={mode}").step for mode in ("none", "selective", "full"))
    model = llama3(*ALONE).config.model
    total = training_flops_per_token(model, 8192)
    head = 2 * model.hidden_size * model.vocab_size
    swiglus = 6 * model.hidden_size * model.ffn_hidden_size * model.num_layers
    assert none.recompute == 0
    assert full.recompute / full.compute == pytest.approx((total / 3 - head) / total)
    assert selective.recompute / selective.compute == pytest.approx(swiglus / total)


def test_the_bubble_is_a_stage_less_than_the_pipeline_and_interleaving_divides_it():
    pipeline = (*ALONE, "parallel.pipeline_model_parallel_size=4")
    plain, interleaved = llama3(*pipeline), llama3(*pipeline, "parallel.virtual_pipeline_model_parallel_size=4")
    assert plain.step.bubble / plain.step.compute == pytest.approx(3 / plain.num_microbatches)
    assert interleaved.step.bubble == pytest.approx(plain.step.bubble / 4)
    assert plain.step.pipeline_parallel > interleaved.step.pipeline_parallel == 0


def test_tensor_parallel_traffic_by_hand():
    """32 layers × 4 all-reduces of 2·(t-1)/t · 8192·4096 elements of 2 bytes, over NVLink."""
    layout = llama3("parallel.tensor_model_parallel_size=4", "training.recompute=none")
    seconds = 32 * 4 * 2 * 3 / 4 * 8192 * 4096 * 2 / (450e9 * LINK_EFFICIENCY)
    assert layout.step.tensor_parallel == pytest.approx(layout.num_microbatches * seconds)


def test_context_parallel_traffic_and_arithmetic_by_hand():
    """32 layers gather 2 · 8192 · 8 · 128 elements of 2 bytes over 2 ranks, and scatter as many; each computes half."""
    alone, divided = llama3(*ALONE), llama3(*ALONE, "parallel.context_parallel_size=2")
    seconds = 32 * 2 * 1 / 2 * 2 * 8192 * 8 * 128 * 2 / (450e9 * LINK_EFFICIENCY)
    assert divided.step.context_parallel == pytest.approx(divided.num_microbatches * seconds)
    assert alone.step.context_parallel == 0
    assert divided.step.compute == pytest.approx(alone.step.compute)  # twice the micro-batches a rank, of half the time


def test_overlap_hides_data_parallel_traffic():
    off = ("parallel.overlap_grad_reduce=false", "parallel.overlap_param_gather=false")
    visible, hidden = llama3(*ALONE, *off).step.data_parallel, llama3(*ALONE).step.data_parallel
    # 8.03e9 weights, 4 + 2 bytes each, over the 8 cards of a node; NVLink is faster than they are.
    assert visible == pytest.approx(8_030_261_248 * 6 * 63 / 64 / (8 * 50e9 * LINK_EFFICIENCY), rel=1e-3)
    assert hidden < visible / 2


PUBLISHED = {
    # Model card of Llama 2: 184,320 hours of A100-80GB for 2.0e12 tokens; samples of 4096, 4M tokens a step.
    "llama2_7b": ("a100-80", 4096, 2.0e12 / (184_320 * 3600)),
    # Model card of Llama 3: 1.3 million hours of H100-80GB for 15e12 tokens; samples of 8192.
    "llama3_8b": ("h100", 8192, 15e12 / (1.3e6 * 3600)),
}


@pytest.mark.parametrize("architecture", PUBLISHED)
def test_published_rates_lie_within_the_table_of_the_docs(architecture):
    """docs/plan.md states these errors at the default --mfu; a change of the estimate must change it there."""
    gpu, seq_length, published = PUBLISHED[architecture]
    machine = replace(H100, gpu=gpu_named(gpu))
    overrides = (f'model={{architecture="{architecture}"}}', f"dataset.seq_length={seq_length}")
    layout = llama3(*overrides, *ALONE, "training.micro_batch_size=1", machine=machine)
    per_gpu = 4_194_304 / layout.step.total / 64
    documented = {"llama2_7b": -0.034, "llama3_8b": 1.398}[architecture]
    assert per_gpu / published - 1 == pytest.approx(documented, abs=0.001)
