"""A packed sample trains exactly as its documents would apart."""

import pytest

from megatron_mathcoder.platforms.ranks import Rank
from tests.multiprocess import run_ranks
from tests.trainer.runs import RECIPE, SMALL

LENGTHS = (10, 1, 23, 30)


def gradients(rank: Rank, document_mask: bool, recompute: str) -> tuple[float, float]:
    """Return the largest difference of a gradient between one packed sample and its documents apart, and the largest gradient."""
    import torch

    from megatron_mathcoder.config.loader import load_config
    from megatron_mathcoder.kernels.kernel_set import torch_kernels
    from megatron_mathcoder.model.attention import DocumentBounds
    from megatron_mathcoder.model.gpt import build_chunks
    from megatron_mathcoder.model.transformer_config import build_transformer_config
    from megatron_mathcoder.parallel import process_groups
    from megatron_mathcoder.platforms.select import select_platform

    config = load_config(RECIPE, [*SMALL, f"training.recompute={recompute!r}"])
    platform = select_platform(config.platform, config.parallel, rank)
    with process_groups(platform, config.parallel, rank, config.run.seed) as groups:
        transformer = build_transformer_config(config.model, config.parallel, config.training)
        [model] = build_chunks(config.model, transformer, groups, torch_kernels(), platform.device)
        tokens = torch.randint(0, config.model.vocab_size, (1, sum(LENGTHS) + 1))
        starts = [sum(LENGTHS[:number]) for number in range(len(LENGTHS))]
        positions = torch.cat([torch.arange(length) for length in LENGTHS])[None]

        bounds = DocumentBounds(starts=(tuple(starts) if document_mask else (0,),))
        model(tokens[:, :-1], positions, None, labels=tokens[:, 1:], packed_seq_params=bounds).sum().backward()
        packed = [parameter.grad.clone() for parameter in model.parameters()]
        model.zero_grad()
        for start, length in zip(starts, LENGTHS, strict=True):
            piece = tokens[:, start : start + length + 1]
            model(piece[:, :-1], None, None, labels=piece[:, 1:]).sum().backward()
        apart = [parameter.grad for parameter in model.parameters()]
    difference = max((a - b).abs().max().item() for a, b in zip(packed, apart, strict=True))
    return difference / sum(LENGTHS), max(gradient.abs().max().item() for gradient in apart) / sum(LENGTHS)


@pytest.mark.parametrize("recompute", ["none", "full"])
def test_packed_gradients_are_those_of_separate_documents(recompute: str) -> None:
    [(difference, largest)] = run_ranks(gradients, 1, True, recompute)
    assert difference < 1e-6
    assert largest > 1e-3


def test_without_a_mask_they_are_not() -> None:
    [(difference, _largest)] = run_ranks(gradients, 1, False, "none")
    assert difference > 1e-4
