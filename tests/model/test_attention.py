"""Attention against the definition: softmax of masked scores, written out."""

from types import SimpleNamespace

import pytest
import torch

from tests.multiprocess import run_ranks


def plain_attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, window: int) -> torch.Tensor:
    """Attend with all scores in memory; [s, b, heads, d] to [s, b, heads · d]."""
    length, batch, heads, width = query.shape
    groups = heads // key.shape[2]
    key, value = (tensor.repeat_interleave(groups, dim=2) for tensor in (key, value))
    scores = torch.einsum("qbhd,kbhd->bhqk", query, key) / width**0.5
    distance = torch.arange(length)[:, None] - torch.arange(length)
    forbidden = (distance < 0) | ((distance >= window) if window else torch.tensor(False))
    scores = scores.masked_fill(forbidden, float("-inf"))
    return torch.einsum("bhqk,kbhd->qbhd", scores.softmax(-1), value).reshape(length, batch, heads * width)


def compare(_rank: object, heads: int, groups: int, length: int, window: int) -> tuple[float, float]:
    """Return the largest differences of outputs and of gradients."""
    from megatron.core.transformer.enums import AttnMaskType

    from megatron_mathcoder.model.attention import SDPAttention

    config = SimpleNamespace(
        context_parallel_size=1, kv_channels=8, window_size=(window - 1, 0) if window else None, num_attention_heads=heads
    )
    attention = SDPAttention(config, 1, AttnMaskType.causal, "self")  # type: ignore[arg-type]
    torch.manual_seed(0)
    query, key, value = (torch.randn(length, 2, n, 8, dtype=torch.float64, requires_grad=True) for n in (heads, groups, groups))
    output = attention(query, key, value, None)
    expected = plain_attention(query, key, value, window)
    direction = torch.randn_like(expected)
    gradients = torch.autograd.grad((output * direction).sum(), (query, key, value))
    expected_gradients = torch.autograd.grad((expected * direction).sum(), (query, key, value))
    worst = max((a - b).abs().max().item() for a, b in zip(gradients, expected_gradients, strict=True))
    return (output - expected).abs().max().item(), worst


@pytest.mark.parametrize(("heads", "groups"), [(4, 4), (4, 2), (6, 1)])
@pytest.mark.parametrize(("length", "window"), [(33, 0), (33, 8), (32, 8), (8, 8), (7, 8), (9, 8), (20, 1)])
def test_against_the_definition(heads: int, groups: int, length: int, window: int) -> None:
    [(output, gradient)] = run_ranks(compare, 1, heads, groups, length, window)
    assert output < 1e-12
    assert gradient < 1e-12


def refusal(_rank: object) -> str:
    from megatron_mathcoder.model.attention import SDPAttention

    config = SimpleNamespace(context_parallel_size=1, kv_channels=8, window_size=None)
    attention = SDPAttention(config, 1, None, "self")  # type: ignore[arg-type]
    tensor = torch.zeros(4, 1, 2, 8)
    try:
        attention(tensor, tensor, tensor, torch.ones(1, 1, 4, 4))
    except NotImplementedError as error:
        return str(error)
    return ""


def test_a_mask_is_refused_not_ignored() -> None:
    assert run_ranks(refusal, 1) == ["SDPAttention takes no mask, bias or packed sequences"]
