"""The chunked, divided cross entropy against torch's own over whole logits."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F

from megatron_mathcoder.kernels.kernel_set import KernelSet, torch_kernels, triton_kernels
from megatron_mathcoder.kernels.linear_cross_entropy import VocabularyShare, linear_cross_entropy
from megatron_mathcoder.platforms.ranks import Rank
from tests.multiprocess import run_ranks

TOKENS, HIDDEN, VOCABULARY, PADDED = 13, 24, 50, 64
ALL_TOKENS_AT_ONCE = 2**20


def problem(dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Hidden states, padded weight, labels, and each token's upstream gradient."""
    generator = torch.Generator().manual_seed(3)
    hidden = torch.randn(TOKENS, HIDDEN, generator=generator).to(dtype).requires_grad_()
    weight = torch.randn(PADDED, HIDDEN, generator=generator).to(dtype).requires_grad_()
    labels = torch.randint(VOCABULARY, (TOKENS,), generator=generator)
    return hidden, weight, labels, torch.randn(TOKENS, generator=generator)


def definition() -> list[torch.Tensor]:
    """Loss, gradient of the hidden states, gradient of the weight, by torch over whole logits."""
    hidden, weight, labels, upstream = problem()
    loss = F.cross_entropy(hidden @ weight[:VOCABULARY].t(), labels, reduction="none")
    return [loss, *torch.autograd.grad(loss, (hidden, weight), upstream)]


@pytest.fixture(params=[torch_kernels, triton_kernels], ids=["torch", "triton"])
def kernels(request) -> KernelSet:
    if request.param is triton_kernels:
        pytest.importorskip("triton")
    return request.param()


@pytest.mark.parametrize("chunk_logits", [1, 4 * PADDED, ALL_TOKENS_AT_ONCE])
def test_loss_and_gradients_are_those_of_whole_logits(kernels, chunk_logits):
    hidden, weight, labels, upstream = problem()
    share = VocabularyShare(0, VOCABULARY, None)
    loss = linear_cross_entropy(hidden, weight, labels, share, replace(kernels, chunk_logits=chunk_logits))
    ours = [loss, *torch.autograd.grad(loss, (hidden, weight), upstream)]
    for mine, right in zip(ours, definition(), strict=True):
        torch.testing.assert_close(mine, right, rtol=1e-5, atol=1e-5)


def test_main_grad_takes_the_weights_gradient_in_fp32():
    """bf16 chunks are summed in fp32: no chunk size loses more than one rounding of the factors.

    torch's set alone: the product of bf16 factors with an fp32 sum in the other set is an operator of CUDA's.
    """
    kernels = replace(torch_kernels(), chunk_logits=2 * PADDED)
    hidden, weight, labels, upstream = problem(torch.bfloat16)
    weight.main_grad = torch.ones(PADDED, HIDDEN)
    loss = linear_cross_entropy(hidden, weight, labels, VocabularyShare(0, VOCABULARY, None), kernels)
    loss.backward(upstream)
    assert weight.grad_added_to_main_grad
    right = definition()[2]
    torch.testing.assert_close(weight.main_grad - 1, right, rtol=0, atol=0.02 * right.abs().max().item())


def test_a_shared_weight_gets_zeros_beside_its_main_grad(kernels):
    hidden, weight, labels, upstream = problem()
    weight.main_grad, weight.zero_out_wgrad = torch.zeros(PADDED, HIDDEN), True
    loss = linear_cross_entropy(hidden, weight, labels, VocabularyShare(0, VOCABULARY, None), kernels)
    loss.backward(upstream)
    assert not weight.grad.any()
    torch.testing.assert_close(weight.main_grad, definition()[2], rtol=1e-5, atol=1e-5)


def divided(rank: Rank, chunk_logits: int, made: Callable[[], KernelSet]) -> list[np.ndarray]:
    dist.init_process_group("gloo", init_method=rank.init_method, rank=rank.rank, world_size=rank.world_size)
    hidden, weight, labels, upstream = problem()
    rows = PADDED // rank.world_size
    first = rank.rank * rows
    mine = weight.detach()[first : first + rows].clone().requires_grad_()
    share = VocabularyShare(first, max(0, min(rows, VOCABULARY - first)), dist.group.WORLD)
    loss = linear_cross_entropy(hidden, mine, labels, share, replace(made(), chunk_logits=chunk_logits))
    dhidden, dweight = torch.autograd.grad(loss, (hidden, mine), upstream)
    dist.all_reduce(dhidden)
    dist.destroy_process_group()
    return [tensor.numpy() for tensor in (loss.detach(), dhidden, dweight)]


@pytest.mark.parametrize(
    ("ranks", "chunk_logits", "made"),
    [(2, 4 * PADDED, triton_kernels), (2, 1, torch_kernels), (4, ALL_TOKENS_AT_ONCE, torch_kernels)],
)
def test_a_vocabulary_divided_over_ranks(ranks, chunk_logits, made):
    """With four ranks the last holds two real rows and padding."""
    if made is triton_kernels:
        pytest.importorskip("triton")
    loss, dhidden, dweight = definition()
    results = [[torch.from_numpy(array) for array in arrays] for arrays in run_ranks(divided, ranks, chunk_logits, made)]
    for mine in results:
        torch.testing.assert_close(mine[0], loss, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(mine[1], dhidden, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(torch.cat([mine[2] for mine in results]), dweight, rtol=1e-5, atol=1e-5)
