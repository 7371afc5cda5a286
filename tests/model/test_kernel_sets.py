"""A whole step of training by Triton's kernels, under the interpreter, against the same step by torch's."""

import pytest

from tests.planning.tiny_runs import held_bytes, tiny

SHORT = ("dataset.seq_length=24", "model.num_layers=2", "training.micro_batch_size=2")
LAYOUTS = {
    "one rank": (),
    "TP2 SP": ("parallel.tensor_model_parallel_size=2", "parallel.sequence_parallel=true"),
    "tied": ("model.share_embeddings_and_output_weights=true", "model.vocab_size=500"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_both_sets_train_the_same(layout):
    pytest.importorskip("triton")
    by_torch, by_triton = (
        held_bytes(tiny(f"platform.kernels={kernels}", *SHORT, *LAYOUTS[layout]), 1, 2)[0] for kernels in ("torch", "triton")
    )
    assert by_triton["loss"] == pytest.approx(by_torch["loss"], rel=1e-6)
    assert by_triton["grad_norm"] == pytest.approx(by_torch["grad_norm"], rel=1e-5)
