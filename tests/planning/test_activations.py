"""Saved tensors of whole steps, counted by autograd's hooks over every micro-batch in flight, against the arithmetic.

The count has each storage once, whatever views of it are saved, and follows the schedule: what one backward pass released is
not there for the next. On a CPU torch computes RMSNorm as a product of fp32 tensors, hence ``norm="composite"``.
"""

from typing import Literal

import pytest

from megatron_mathcoder.config.schema import RunConfig
from megatron_mathcoder.planning.activations import chunks_in_flight, head_bytes, recomputed_bytes, rotation_bytes, shape_of
from megatron_mathcoder.planning.memory import activation_bytes
from tests.planning.tiny_runs import held_bytes, tiny

SIZES = {
    "small": ("training.micro_batch_size=1",),
    "two samples, long": ("training.micro_batch_size=2", "dataset.seq_length=160"),
    "wide SwiGLU, large vocabulary": ("model.ffn_hidden_size=512", "model.vocab_size=3000", "training.micro_batch_size=4"),
    "wide, many heads": (
        "model.hidden_size=192",
        "model.num_attention_heads=12",
        "model.num_query_groups=4",
        "model.ffn_hidden_size=256",
    ),
}
TP2 = ("parallel.tensor_model_parallel_size=2",)
SP = (*TP2, "parallel.sequence_parallel=true")
PP2 = ("parallel.pipeline_model_parallel_size=2",)
PP4 = ("parallel.pipeline_model_parallel_size=4",)
VPP2 = (*PP2, "parallel.virtual_pipeline_model_parallel_size=2")
LAYOUTS = {"TP1": (), "TP2": TP2, "TP2 SP": SP}
MODES = {
    "none": (),
    "selective": ("training.recompute=selective",),
    "full": ("training.recompute=full",),
    "full, groups of two": ("training.recompute=full", "training.recompute_num_layers=2"),
}
TOLERANCE = 0.01
"""The counts agree to the byte where this was written (docs/plan.md); another torch may save a small tensor more."""


def planned_saved_bytes(config: RunConfig, stage: int, num_microbatches: int, varlen: bool = False, context_rank: int = 0) -> int:
    """The peak of saved tensors: all in flight, and either the loss or what is being recomputed."""
    norm: Literal["fused", "composite"] = "fused" if config.platform.kernels == "triton" else "composite"
    shape = shape_of(config, norm, varlen=varlen, context_rank=context_rank)
    last = stage == config.parallel.pipeline_model_parallel_size - 1
    head = head_bytes(config.model, shape) if last else 0
    total = activation_bytes(config, shape, stage, num_microbatches) + max(head, recomputed_bytes(config, shape))
    if config.training.recompute == "full":
        # A recomputed group is handed its rotation past autograd, which sees it when the first group is made again.
        in_flight = chunks_in_flight(config.parallel, stage, num_microbatches)
        total -= (in_flight - (head < recomputed_bytes(config, shape))) * rotation_bytes(config.model, shape)
    return total


def check(config: RunConfig, num_microbatches: int, varlen: bool = False, tolerance: float = TOLERANCE) -> None:
    for held in held_bytes(config, 1, num_microbatches, varlen):
        planned = planned_saved_bytes(config, held["stage"], num_microbatches, varlen, held["context_rank"])
        assert planned == pytest.approx(held["saved"], rel=tolerance)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mode", ["none", "selective", "full"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_one_stage(layout, mode, size):
    precision = "fp32" if size == "small" else "bf16"
    check(tiny(f"training.precision={precision}", *SIZES[size], *LAYOUTS[layout], *MODES[mode]), num_microbatches=2)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("layout", "num_microbatches"), [(PP2, 1), (PP2, 4), (PP4, 6), (VPP2, 4)])
def test_micro_batches_in_flight(layout, num_microbatches, mode):
    """The loss of the last stage is small here, so that the layers in flight decide."""
    overrides = ("model.num_layers=8", "model.ffn_hidden_size=512", "training.precision=bf16", *layout, *MODES[mode])
    check(tiny(*overrides), num_microbatches)


@pytest.mark.parametrize(
    "overrides",
    [
        ("model.sliding_window=16", "dataset.document_mask=false"),
        ("parallel.tensor_model_parallel_size=4", "model.num_query_groups=2"),
        ("model.add_qkv_bias=true", "model.share_embeddings_and_output_weights=true", "model.vocab_size=500"),
    ],
    ids=["window", "fewer groups than TP", "bias, tied, padded"],
)
def test_variants_of_the_layer(overrides):
    check(tiny("training.precision=bf16", "training.micro_batch_size=2", *overrides), num_microbatches=1)


CP2 = ("parallel.context_parallel_size=2",)
CONTEXT = {
    "CP2": CP2,
    "CP3": ("parallel.context_parallel_size=3", "dataset.seq_length=96"),
    "CP2 TP2 SP": (*CP2, *SP),
    "CP2, equal heads": (*CP2, "model.num_query_groups=4"),
    "CP2, window": (*CP2, "model.sliding_window=16"),
}


@pytest.mark.parametrize("mode", ["none", "full"])
@pytest.mark.parametrize("varlen", [False, True], ids=["document by document", "all at once"])
@pytest.mark.parametrize("context", CONTEXT)
def test_context_parallel_ranks(context, varlen, mode):
    """On each rank, since the first keeps other keys than the others; samples of one document."""
    overrides = ("training.precision=bf16", "training.micro_batch_size=2", "dataset.document_mask=false")
    check(tiny(*overrides, *CONTEXT[context], *MODES[mode]), num_microbatches=1, varlen=varlen)


def test_context_parallel_ranks_keep_less_of_several_documents():
    """The plan counts a sample as one document there."""
    overrides = ("training.precision=bf16", "training.micro_batch_size=2", "dataset.document_mask=true", *CP2)
    check(tiny(*overrides), num_microbatches=1, varlen=True, tolerance=0.05)


@pytest.mark.parametrize("size", ["small", "two samples, long"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_attention_of_all_documents_at_once(layout, size):
    check(tiny("training.precision=bf16", *SIZES[size], *LAYOUTS[layout]), num_microbatches=2, varlen=True)


@pytest.mark.parametrize("recompute", ["none", "selective", "full"])
def test_tritons_kernels(recompute):
    """Under the interpreter they keep what they keep on a GPU."""
    pytest.importorskip("triton", reason="triton is published for Linux alone")
    overrides = ("platform.kernels=triton", f"training.recompute={recompute}", "dataset.seq_length=24", "model.num_layers=2")
    check(tiny("training.precision=fp32", *overrides), num_microbatches=1)


def test_the_kernels_of_a_gpu_keep_what_the_arithmetic_counts():
    """torch's own norm keeps more on a CPU, and attention has other kernels; what the GPU's save is read off autograd."""
    import torch

    def saved(node: str) -> set[str]:
        names = dir(getattr(torch._C._functions, node))
        return {name.removeprefix("_saved_") for name in names if name.startswith("_saved_")}

    # Its input, 1/rms and the weight: not the normalised input.
    assert saved("FusedRmsNormBackward0") == {"input", "normalized_shape", "result1", "weight"}
    for attention in ("ScaledDotProductFlashAttentionBackward0", "ScaledDotProductCudnnAttentionBackward0"):
        assert saved(attention) >= {"query", "key", "value", "output", "logsumexp"}
