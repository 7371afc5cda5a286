"""Attention against the definition: softmax of masked scores, written out; alone and divided over context-parallel ranks."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from megatron_mathcoder.platforms.ranks import Rank
from tests.multiprocess import run_ranks

Starts = tuple[tuple[int, ...], ...]
ONE_DOCUMENT: Starts = ((0,), (0,))


def plain_attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, window: int, starts: Starts) -> torch.Tensor:
    """Attend with all scores in memory; [s, b, heads, d] to [s, b, heads · d]."""
    length, batch, heads, width = query.shape
    groups = heads // key.shape[2]
    key, value = (tensor.repeat_interleave(groups, dim=2) for tensor in (key, value))
    scores = torch.einsum("qbhd,kbhd->bhqk", query, key) / width**0.5
    distance = torch.arange(length)[:, None] - torch.arange(length)
    document = torch.zeros(batch, length, dtype=torch.long)
    for sample, bounds in enumerate(starts):
        for start in bounds[1:]:
            document[sample, start:] += 1
    forbidden = (distance < 0) | (document[:, :, None] != document[:, None, :])
    if window:
        forbidden |= distance >= window
    scores = scores.masked_fill(forbidden[:, None], float("-inf"))
    return torch.einsum("bhqk,kbhd->qbhd", scores.softmax(-1), value).reshape(length, batch, heads * width)


def inputs(heads: int, groups: int, length: int) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Return query, key and value, the same on every rank, and a direction to differentiate along."""
    torch.manual_seed(0)
    tensors = [torch.randn(length, 2, n, 8, dtype=torch.float64, requires_grad=True) for n in (heads, groups, groups)]
    return tensors, torch.randn(length, 2, heads * 8, dtype=torch.float64)


def build(window: int, group: Any = None) -> Any:
    from megatron.core.transformer.enums import AttnMaskType

    from megatron_mathcoder.model.attention import SDPAttention

    config = SimpleNamespace(
        context_parallel_size=group.size() if group is not None else 1,
        kv_channels=8,
        window_size=(window - 1, 0) if window else None,
    )
    collection = SimpleNamespace(cp=group)
    return SDPAttention(config, 1, AttnMaskType.causal, "self", pg_collection=collection)  # type: ignore[arg-type]


def bounds_of(starts: Starts) -> Any:
    from megatron_mathcoder.model.attention import DocumentBounds

    return DocumentBounds(starts=starts)


def compare(_rank: Rank, heads: int, groups: int, length: int, window: int, starts: Starts) -> tuple[float, float]:
    """Return the largest differences of outputs and of gradients on one rank."""
    tensors, direction = inputs(heads, groups, length)
    output = build(window)(*tensors, None, packed_seq_params=bounds_of(starts))
    expected = plain_attention(*tensors, window, starts)
    gradients = torch.autograd.grad((output * direction).sum(), tensors)
    expected_gradients = torch.autograd.grad((expected * direction).sum(), tensors)
    worst = max((a - b).abs().max().item() for a, b in zip(gradients, expected_gradients, strict=True))
    return (output - expected).abs().max().item(), worst


def compare_divided(rank: Rank, heads: int, groups: int, length: int, window: int, starts: Starts) -> tuple[float, float]:
    """The same with each rank holding its two chunks of the sequence."""
    import torch.distributed as dist

    from megatron_mathcoder.parallel import sequence_chunks

    dist.init_process_group("gloo", rank.init_method, rank=rank.rank, world_size=rank.world_size)
    tensors, direction = inputs(heads, groups, length)
    chunks = sequence_chunks(length, dist.group.WORLD)
    shares = [torch.cat([tensor.detach()[a:b] for a, b in chunks]).requires_grad_() for tensor in tensors]
    mine = torch.cat([direction[a:b] for a, b in chunks])
    output = build(window, dist.group.WORLD)(*shares, None, packed_seq_params=bounds_of(starts))
    expected = plain_attention(*tensors, window, starts)
    gradients = torch.autograd.grad((output * mine).sum(), shares)
    expected_gradients = torch.autograd.grad((expected * direction).sum(), tensors)
    worst = max(
        (gradient - torch.cat([whole[a:b] for a, b in chunks])).abs().max().item()
        for gradient, whole in zip(gradients, expected_gradients, strict=True)
    )
    difference = (output - torch.cat([expected[a:b] for a, b in chunks])).abs().max().item()
    dist.destroy_process_group()
    return difference, worst


CASES = [
    # length, window, documents
    (33, 0, ONE_DOCUMENT),
    (33, 8, ONE_DOCUMENT),
    (32, 8, ONE_DOCUMENT),
    (8, 8, ONE_DOCUMENT),
    (7, 8, ONE_DOCUMENT),
    (9, 8, ONE_DOCUMENT),
    (20, 1, ONE_DOCUMENT),
    (33, 0, ((0, 5, 6, 20), (0, 5, 6, 20))),
    (33, 0, ((0, 5, 6, 20), (0,))),
    (40, 8, ((0, 3, 30), (0, 39))),
]


@pytest.mark.parametrize(("heads", "groups"), [(4, 4), (4, 2), (6, 1)])
@pytest.mark.parametrize(("length", "window", "starts"), CASES)
def test_against_the_definition(heads: int, groups: int, length: int, window: int, starts: Starts) -> None:
    [(output, gradient)] = run_ranks(compare, 1, heads, groups, length, window, starts)
    assert output < 1e-12
    assert gradient < 1e-12


@pytest.mark.parametrize("ranks", [2, 3])
@pytest.mark.parametrize(
    ("window", "starts"), [(0, ONE_DOCUMENT), (7, ONE_DOCUMENT), (0, ((0, 5, 6, 40), (0, 24))), (7, ((0, 30), (0,)))]
)
def test_divided_over_context_parallel_ranks(ranks: int, window: int, starts: Starts) -> None:
    for output, gradient in run_ranks(compare_divided, ranks, 4, 2, 48, window, starts):
        assert output < 1e-12
        assert gradient < 1e-12


def refusal(_rank: Rank) -> str:
    tensor = torch.zeros(4, 1, 2, 8)
    try:
        build(0)(tensor, tensor, tensor, torch.ones(1, 1, 4, 4))
    except NotImplementedError as error:
        return str(error)
    return ""


def test_a_mask_is_refused_not_ignored() -> None:
    assert run_ranks(refusal, 1) == ["SDPAttention takes no mask and no bias; it is causal within documents"]
