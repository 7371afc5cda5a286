"""Attention against the definition: softmax of masked scores, written out; alone and divided over context-parallel ranks."""

from dataclasses import replace
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


def varlen_by_definition(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    *,
    cu_seq_q: torch.Tensor,
    cu_seq_k: torch.Tensor,
    max_q: int,
    max_k: int,
    scale: float,
    window_size: tuple[int, int],
) -> torch.Tensor:
    """What ``torch.nn.attention.varlen.varlen_attn`` computes on a GPU, one sequence after the other with all scores in memory.

    Queries and keys of a sequence end together, as in FlashAttention from 2.1 on.
    """
    assert window_size[1] == 0
    assert (cu_seq_q.dtype, cu_seq_k.dtype) == (torch.int32, torch.int32)
    outputs = []
    for low_q, high_q, low_k, high_k in zip(cu_seq_q[:-1], cu_seq_q[1:], cu_seq_k[:-1], cu_seq_k[1:], strict=True):
        queries, keys, values = query[low_q:high_q], key[low_k:high_k], value[low_k:high_k]
        assert 0 < len(queries) <= max_q
        assert len(queries) <= len(keys) <= max_k
        keys, values = (each.repeat_interleave(query.shape[1] // key.shape[1], dim=1) for each in (keys, values))
        scores = torch.einsum("qhd,khd->hqk", queries, keys) * scale
        distance = torch.arange(len(keys) - len(queries), len(keys))[:, None] - torch.arange(len(keys))
        forbidden = distance < 0
        if window_size[0] >= 0:
            forbidden |= distance > window_size[0]
        outputs.append(torch.einsum("hqk,khd->qhd", scores.masked_fill(forbidden, float("-inf")).softmax(-1), values))
    assert high_q == len(query)
    assert high_k == len(key)
    return torch.cat(outputs)


def build(window: int, group: Any = None, varlen: Any = None) -> Any:
    from megatron.core.transformer.enums import AttnMaskType

    from megatron_mathcoder.kernels.kernel_set import torch_kernels
    from megatron_mathcoder.model.attention import SDPAttention

    config = SimpleNamespace(
        context_parallel_size=group.size() if group is not None else 1,
        kv_channels=8,
        window_size=(window - 1, 0) if window else None,
    )
    collection = SimpleNamespace(cp=group)
    kernels = replace(torch_kernels(), varlen_attention=varlen)
    return SDPAttention(config, 1, AttnMaskType.causal, "self", pg_collection=collection, kernels=kernels)  # type: ignore[arg-type]


def bounds_of(starts: Starts) -> Any:
    from megatron_mathcoder.model.attention import DocumentBounds

    return DocumentBounds(starts=starts)


def compare(_rank: Rank, heads: int, groups: int, length: int, window: int, starts: Starts) -> list[tuple[float, float]]:
    """Return the largest differences of outputs and of gradients on one rank, one document at a time and all at once."""
    return [_compare(heads, groups, length, window, starts, varlen) for varlen in (None, varlen_by_definition)]


def _compare(heads: int, groups: int, length: int, window: int, starts: Starts, varlen: Any) -> tuple[float, float]:
    tensors, direction = inputs(heads, groups, length)
    output = build(window, varlen=varlen)(*tensors, None, packed_seq_params=bounds_of(starts))
    expected = plain_attention(*tensors, window, starts)
    gradients = torch.autograd.grad((output * direction).sum(), tensors)
    expected_gradients = torch.autograd.grad((expected * direction).sum(), tensors)
    worst = max((a - b).abs().max().item() for a, b in zip(gradients, expected_gradients, strict=True))
    return (output - expected).abs().max().item(), worst


def compare_divided(rank: Rank, heads: int, groups: int, length: int, window: int, starts: Starts) -> list[tuple[float, float]]:
    """The same with each rank holding its two chunks of the sequence."""
    import torch.distributed as dist

    dist.init_process_group("gloo", rank.init_method, rank=rank.rank, world_size=rank.world_size)
    found = [_compare_divided(heads, groups, length, window, starts, varlen) for varlen in (None, varlen_by_definition)]
    dist.destroy_process_group()
    return found


def _compare_divided(heads: int, groups: int, length: int, window: int, starts: Starts, varlen: Any) -> tuple[float, float]:
    import torch.distributed as dist

    from megatron_mathcoder.parallel import sequence_chunks

    tensors, direction = inputs(heads, groups, length)
    chunks = sequence_chunks(length, dist.group.WORLD)
    shares = [torch.cat([tensor.detach()[a:b] for a, b in chunks]).requires_grad_() for tensor in tensors]
    mine = torch.cat([direction[a:b] for a, b in chunks])
    output = build(window, dist.group.WORLD, varlen)(*shares, None, packed_seq_params=bounds_of(starts))
    expected = plain_attention(*tensors, window, starts)
    gradients = torch.autograd.grad((output * mine).sum(), shares)
    expected_gradients = torch.autograd.grad((expected * direction).sum(), tensors)
    worst = max(
        (gradient - torch.cat([whole[a:b] for a, b in chunks])).abs().max().item()
        for gradient, whole in zip(gradients, expected_gradients, strict=True)
    )
    difference = (output - torch.cat([expected[a:b] for a, b in chunks])).abs().max().item()
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
    [differences] = run_ranks(compare, 1, heads, groups, length, window, starts)
    assert all(output < 1e-12 and gradient < 1e-12 for output, gradient in differences), differences


@pytest.mark.parametrize("ranks", [2, 3])
@pytest.mark.parametrize(
    ("window", "starts"), [(0, ONE_DOCUMENT), (7, ONE_DOCUMENT), (0, ((0, 5, 6, 40), (0, 24))), (7, ((0, 30), (0,)))]
)
def test_divided_over_context_parallel_ranks(ranks: int, window: int, starts: Starts) -> None:
    for differences in run_ranks(compare_divided, ranks, 4, 2, 48, window, starts):
        assert all(output < 1e-12 and gradient < 1e-12 for output, gradient in differences), differences


def test_the_kernel_for_all_documents_is_used_where_it_runs() -> None:
    from megatron_mathcoder.config.schema import PlatformSection
    from megatron_mathcoder.kernels.kernel_set import choose_kernels
    from megatron_mathcoder.kernels.varlen_attention import torch_varlen_kernel

    assert torch_varlen_kernel() is not None
    for precision, flash, chosen in (("fp32", True, False), ("bf16", False, False), ("bf16", True, True)):
        platform = SimpleNamespace(name="cuda", runs_triton=False, has_flash_attention=flash)
        kernels = choose_kernels(PlatformSection(), platform, precision)  # type: ignore[arg-type]
        assert (kernels.varlen_attention is not None) is chosen


def test_every_release_of_torchs_kernel_is_called_by_its_own_arguments() -> None:
    """2.10 has no window, 2.11 groups queries by the tensors' shapes, later ones want to be told."""
    from megatron_mathcoder.kernels.varlen_attention import _for_grouped_queries

    def first(query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, is_causal=False, return_aux=None): ...
    def by_shape(query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, *, scale=None, window_size=(-1, -1)): ...
    def told(query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, *, scale=None, window_size=(-1, -1), enable_gqa=False): ...

    assert _for_grouped_queries(first) is None
    assert _for_grouped_queries(by_shape) is by_shape
    kernel = _for_grouped_queries(told)
    assert kernel is not None
    assert kernel.keywords == {"enable_gqa": True}  # type: ignore[attr-defined]


@pytest.mark.gpu
@pytest.mark.parametrize(("length", "window", "starts"), [(256, 0, ((0, 5, 6, 200), (0,))), (256, 32, ((0, 40, 200), (0, 255)))])
def test_the_kernel_computes_what_its_definition_here_does(length: int, window: int, starts: Starts) -> None:
    """Also for a chunk in the middle of a document, whose queries and keys end together."""
    from megatron_mathcoder.kernels.varlen_attention import torch_varlen_kernel
    from megatron_mathcoder.model.attention import _keys_of, _pack

    kernel = torch_varlen_kernel()
    assert kernel is not None
    torch.manual_seed(0)
    query, key, value = (torch.randn(length, 2, n, 64) for n in (4, 2, 2))
    for chunks in ([(0, length)], [(0, 64), (192, 256)]):
        packing = _pack(starts, chunks, length, torch.device("cpu"))
        queries = torch.cat([query[begin:end, sample] for sample in range(2) for begin, end in chunks])
        keys, values = (_keys_of(packing, each, whole=False) for each in (key, value))
        numbers = {"max_q": packing.most_queries, "max_k": packing.most_keys, "scale": 0.125}
        window_size = (window - 1 if window else -1, 0)
        expected = varlen_by_definition(
            queries, keys, values, cu_seq_q=packing.query_ends, cu_seq_k=packing.key_ends, window_size=window_size, **numbers
        )
        there = [each.to("cuda", torch.bfloat16) for each in (queries, keys, values)]
        ends = {"cu_seq_q": packing.query_ends.to("cuda"), "cu_seq_k": packing.key_ends.to("cuda")}
        assert (kernel(*there, **ends, window_size=window_size, **numbers).float().cpu() - expected).abs().max() < 2e-2


def refusal(_rank: Rank) -> str:
    tensor = torch.zeros(4, 1, 2, 8)
    try:
        build(0)(tensor, tensor, tensor, torch.ones(1, 1, 4, 4))
    except NotImplementedError as error:
        return str(error)
    return ""


def test_a_mask_is_refused_not_ignored() -> None:
    assert run_ranks(refusal, 1) == ["SDPAttention takes no mask and no bias; it is causal within documents"]
