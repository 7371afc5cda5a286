"""Weights, gradients and optimizer state against what real ranks allocate: to the byte."""

import pytest

from megatron_mathcoder.config.architectures import LLAMA3_8B, parameter_count
from megatron_mathcoder.planning.weights import chunk_weights, static_bytes
from tests.planning.tiny_runs import held_bytes, tiny

LAYOUTS = {
    "one rank": (1, ()),
    "TP2": (1, ("parallel.tensor_model_parallel_size=2",)),
    "TP2 SP, padded vocabulary": (
        1,
        ("parallel.tensor_model_parallel_size=2", "parallel.sequence_parallel=true", "model.vocab_size=500"),
    ),
    "TP4 of 2 groups, bias": (1, ("parallel.tensor_model_parallel_size=4", "model.add_qkv_bias=true")),
    "PP2": (1, ("parallel.pipeline_model_parallel_size=2",)),
    "PP2, tied": (1, ("parallel.pipeline_model_parallel_size=2", "model.share_embeddings_and_output_weights=true")),
    "PP2 interleaved": (
        1,
        ("parallel.pipeline_model_parallel_size=2", "parallel.virtual_pipeline_model_parallel_size=2"),
    ),
    "DP2": (2, ()),
    "DP3, odd width": (3, ("model.ffn_hidden_size=101", "model.add_qkv_bias=true")),
    "DP2 PP2, tied, overlapped": (
        2,
        (
            "parallel.pipeline_model_parallel_size=2",
            "parallel.overlap_grad_reduce=true",
            "model.share_embeddings_and_output_weights=true",
        ),
    ),
    "CP2, DP2": (2, ("parallel.context_parallel_size=2",)),
    "DP2, optimizer not divided": (2, ("parallel.use_distributed_optimizer=false",)),
}


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_bytes_between_steps_are_exact(layout, precision):
    data_parallel, overrides = LAYOUTS[layout]
    config = tiny(f"training.precision={precision}", "training.global_batch_size=24", *overrides)
    for held in held_bytes(config, data_parallel, num_microbatches=2):
        # Context-parallel ranks hold the same weights and divide the optimizer with the others.
        copies = data_parallel * config.parallel.context_parallel_size
        planned = static_bytes(config.model, config.parallel, precision, copies, held["stage"], held["data_parallel_rank"])
        assert (planned.weights, planned.gradients, planned.optimizer) == (held["weights"], held["gradients"], held["optimizer"])


@pytest.mark.parametrize("layout", ["one rank", "DP3, odd width", "PP2, tied"])
def test_the_precision_aware_optimizer_makes_twelve_bytes_of_eighteen(layout):
    data_parallel, overrides = LAYOUTS[layout]
    small = ("training.precision=bf16", "optimizer.use_precision_aware_optimizer=true", "training.global_batch_size=24")
    config = tiny(*small, *overrides)
    for held in held_bytes(config, data_parallel, num_microbatches=2):
        planned = static_bytes(
            config.model, config.parallel, "bf16", data_parallel, held["stage"], held["data_parallel_rank"], True
        )
        assert (planned.weights, planned.gradients, planned.optimizer) == (held["weights"], held["gradients"], held["optimizer"])
    whole = static_bytes(LLAMA3_8B, config.parallel, "bf16", 1, 0)
    compact = static_bytes(LLAMA3_8B, config.parallel, "bf16", 1, 0, compact=True)
    assert whole.optimizer == 2 * compact.optimizer


def test_the_weights_of_a_whole_model_are_its_parameter_count():
    weights = chunk_weights(LLAMA3_8B, 1, LLAMA3_8B.num_layers, first=True, last=True)
    assert sum(weight.elements for weight in weights) == parameter_count(LLAMA3_8B) == 8_030_261_248


def test_buckets_of_a_large_model_cover_every_weight_once():
    """Tiny models fill one bucket; here the rule of 40 million elements cuts many."""
    from megatron_mathcoder.planning.weights import BUCKET_ELEMENTS, place, rank_elements

    weights = chunk_weights(LLAMA3_8B, 2, LLAMA3_8B.num_layers, first=True, last=True)
    placement = place(weights, 24, BUCKET_ELEMENTS)
    assert len(placement.buckets) > 50
    assert sum(rank_elements(placement, 24, rank) for rank in range(24)) == sum(weight.elements for weight in weights)
