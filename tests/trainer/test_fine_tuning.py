"""What a conversation's mask leaves out trains nothing, and packed conversations train as each would alone."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from megatron_mathcoder.platforms.ranks import Rank
from tests.multiprocess import run_ranks
from tests.trainer.runs import RECIPE, SMALL, small_config, train

LENGTHS = (30, 12, 21, 40, 17, 25)
SEQ_LENGTH = 64


@pytest.fixture(scope="module")
def conversations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Documents whose first third is a prompt, with a token in the middle of the rest that does not count either."""
    import torch
    from megatron.core.datasets.indexed_dataset import IndexedDatasetBuilder

    prefix = tmp_path_factory.mktemp("conversations") / "sft"
    random = np.random.default_rng(0)
    builder = IndexedDatasetBuilder(f"{prefix}.bin", dtype=np.uint16)
    mask = b""
    for length in LENGTHS * 20:
        builder.add_document(torch.from_numpy(random.integers(1, 512, length)), [length])
        mask += bytes(number >= length // 3 and number != length // 2 for number in range(length))
    builder.finalize(f"{prefix}.idx")
    prefix.with_suffix(".mask").write_bytes(mask)
    return prefix


def gradients(rank: Rank, prefix: str) -> dict[str, float]:
    """Return differences between gradients of the first packed sample: with other labels where nothing counts, and apart."""
    import torch

    from megatron_mathcoder.config.loader import load_config
    from megatron_mathcoder.dataset.batch import BatchShape, micro_batches
    from megatron_mathcoder.dataset.blend import open_blend
    from megatron_mathcoder.kernels.kernel_set import torch_kernels
    from megatron_mathcoder.model.attention import DocumentBounds
    from megatron_mathcoder.model.gpt import build_chunks
    from megatron_mathcoder.model.transformer_config import build_transformer_config
    from megatron_mathcoder.parallel import process_groups
    from megatron_mathcoder.platforms.select import select_platform

    config = load_config(RECIPE, [*SMALL, f"dataset.blend.0.prefix={prefix!r}", "dataset.tokenizer="])
    platform = select_platform(config.platform, config.parallel, rank)
    with process_groups(platform, config.parallel, rank, config.run.seed) as groups:
        transformer = build_transformer_config(config.model, config.parallel, config.training)
        [model] = build_chunks(config.model, transformer, groups, torch_kernels(), platform.device)
        blend = open_blend(config.dataset, config.model.vocab_size, config.run.seed)
        shape = BatchShape(1, 0, 1, ((0, SEQ_LENGTH),), document_mask=True, device=platform.device)
        [batch] = micro_batches(blend.sample, 0, 1, shape)
        starts = batch.document_starts[0]

        def gradient(tokens: Any, labels: Any, mask: Any, positions: Any, bounds: tuple[int, ...]) -> list[Any]:
            model.zero_grad()
            losses = model(tokens, positions, None, labels=labels, packed_seq_params=DocumentBounds(starts=(bounds,)))
            (losses.float() * mask).sum().backward()
            return [parameter.grad.clone() for parameter in model.parameters()]

        def largest(first: list[Any], second: list[Any]) -> float:
            return max((a - b).abs().max().item() for a, b in zip(first, second, strict=True))

        packed = gradient(batch.tokens, batch.labels, batch.loss_mask, batch.positions, starts)
        noise = torch.randint(0, config.model.vocab_size, batch.labels.shape)
        others = torch.where(batch.loss_mask > 0, batch.labels, noise)
        changed = gradient(batch.tokens, others, batch.loss_mask, batch.positions, starts)
        moved = gradient(
            batch.tokens, torch.where(batch.loss_mask > 0, noise, batch.labels), batch.loss_mask, batch.positions, starts
        )
        apart = [torch.zeros_like(each) for each in packed]
        for start, end in zip(starts, (*starts[1:], SEQ_LENGTH), strict=True):
            piece = [each[:, start:end] for each in (batch.tokens, batch.labels, batch.loss_mask)]
            alone = gradient(*piece, None, (0,))
            apart = [total + each for total, each in zip(apart, alone, strict=True)]
    return {
        "documents": len(starts),
        "uncounted labels changed": largest(packed, changed),
        "counted labels changed": largest(packed, moved),
        "apart": largest(packed, apart),
        "gradient": max(each.abs().max().item() for each in packed),
    }


def test_masked_tokens_have_no_gradient_and_packing_changes_nothing(conversations: Path) -> None:
    [found] = run_ranks(gradients, 1, str(conversations))
    assert found["documents"] >= 2
    assert found["uncounted labels changed"] == 0.0
    assert found["counted labels changed"] > 1e-2
    assert found["apart"] < 1e-5 * max(1.0, found["gradient"])


def test_fine_tuning_is_the_same_on_two_ranks(tmp_path: Path, conversations: Path) -> None:
    settings = ("training.steps=4", "dataset.validation_fraction=0.2", "validation.interval_steps=2")
    alone = train(small_config(tmp_path / "alone", conversations, *settings))
    divided = train(small_config(tmp_path / "divided", conversations, *settings), data_parallel_size=2)
    for name in ("loss", "grad_norm"):
        assert [row[name] for row in divided] == pytest.approx([row[name] for row in alone], abs=1e-5)
