"""Each kernel of either set against its plain torch definition, forward and backward; Triton's under the interpreter."""

import pytest
import torch
from torch import Tensor

from megatron_mathcoder.kernels import reference
from megatron_mathcoder.kernels.kernel_set import KernelSet, torch_kernels, triton_kernels

pytest.importorskip("triton", reason="triton is published for Linux alone")

TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 1.6e-2}
"""Of the largest value: fp32 differs by the order of sums, bf16 by one rounding more or less."""


@pytest.fixture(params=[torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
def dtype(request) -> torch.dtype:
    return request.param


@pytest.fixture(params=[torch_kernels, triton_kernels], ids=["torch", "triton"])
def kernels(request) -> KernelSet:
    return request.param()


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(5)


def random(*shape: int, dtype: torch.dtype) -> Tensor:
    return torch.randn(*shape, dtype=dtype).requires_grad_()


def gradients(function, inputs: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Return the function's outputs and the gradients of its inputs for a fixed upstream gradient."""
    outputs = function(*inputs)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    generator = torch.Generator().manual_seed(11)
    upstream = [torch.randn(output.shape, generator=generator).to(output.dtype) for output in outputs]
    return list(outputs), list(torch.autograd.grad(outputs, inputs, upstream))


def check(kernel, definition, inputs: list[Tensor], dtype: torch.dtype) -> None:
    ours, our_gradients = gradients(kernel, inputs)
    theirs, their_gradients = gradients(definition, inputs)
    for mine, right in zip(ours + our_gradients, theirs + their_gradients, strict=True):
        assert mine.dtype == right.dtype
        assert mine.shape == right.shape
        torch.testing.assert_close(mine.float(), right.float(), rtol=0, atol=TOLERANCE[dtype] * right.abs().max().item())


@pytest.mark.parametrize("shape", [(7, 1, 64), (3, 2, 100), (600, 1, 8)], ids=str)
def test_rms_norm(shape, dtype):
    inputs = [random(*shape, dtype=dtype), random(shape[-1], dtype=dtype)]
    check(lambda x, w: triton_kernels().rms_norm(x, w, 1e-5), lambda x, w: reference.rms_norm(x, w, 1e-5), inputs, dtype)


@pytest.mark.parametrize("shape", [(7, 1, 64), (3, 2, 100)], ids=str)
def test_rms_norm_with_the_residual_added(shape, dtype):
    inputs = [random(*shape, dtype=dtype), random(*shape, dtype=dtype), random(shape[-1], dtype=dtype)]
    ours, definition = triton_kernels().add_rms_norm, reference.add_rms_norm
    check(lambda x, r, w: ours(x, r, w, 1e-5), lambda x, r, w: definition(x, r, w, 1e-5), inputs, dtype)


@pytest.mark.parametrize(("heads", "width", "batches"), [(4, 16, 1), (3, 24, 2), (1, 8, 2)])
def test_rotary_position_embedding(heads, width, batches, dtype, kernels):
    angles = torch.rand(5, batches, width // 2) * 6
    inputs = [random(5, 2, heads, width, dtype=dtype)]
    turn = (angles.cos(), angles.sin())
    check(lambda x: kernels.rotary(x, *turn), lambda x: reference.rotary(x, *turn), inputs, dtype)


def test_rotary_reads_a_view_of_the_projection(kernels):
    """Queries and keys are slices of one tensor, as megatron-core's attention cuts them."""
    projection = random(5, 2, 6, 16, dtype=torch.float32)
    angles = torch.rand(5, 1, 8)
    turn = (angles.cos(), angles.sin())
    ours, theirs = kernels.rotary, reference.rotary
    check(lambda x: ours(x[:, :, 1:3], *turn), lambda x: theirs(x[:, :, 1:3], *turn), [projection], torch.float32)


@pytest.mark.parametrize("shape", [(5, 1, 64), (2, 2, 2100)], ids=str)
def test_swiglu(shape, dtype, kernels):
    check(kernels.swiglu, reference.swiglu, [random(*shape, dtype=dtype)], dtype)


@pytest.mark.parametrize("columns", [0, 17, 5000])
def test_softmax_statistics(columns, dtype):
    logits = torch.randn(4, 5000, dtype=dtype) * 3
    labels = torch.tensor([0, 16, -3, 4999])
    ours = triton_kernels().softmax_statistics(logits, labels, columns)
    torch.testing.assert_close(ours, reference.softmax_statistics(logits, labels, columns), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("columns", [0, 17, 5000])
def test_softmax_gradient(columns, dtype):
    logits = torch.randn(4, 5000, dtype=dtype) * 3
    labels = torch.tensor([0, 16, -3, 4999])
    log_sum = torch.logsumexp(logits.float(), dim=-1)
    scale = torch.tensor([1.0, 0.0, -2.0, 0.5])
    ours = triton_kernels().softmax_gradient_(logits.clone(), labels, log_sum, scale, columns)
    theirs = reference.softmax_gradient_(logits.clone(), labels, log_sum, scale, columns)
    torch.testing.assert_close(ours.float(), theirs.float(), rtol=TOLERANCE[dtype], atol=1e-6)
    assert not ours[:, columns:].any()


def test_rows_of_logits_are_taken_in_blocks(monkeypatch):
    """One row at a time, or all at once: the same numbers."""
    logits = torch.randn(5, 300) * 3
    labels = torch.tensor([0, 16, -3, 299, 7])
    results = []
    for block in (1, 2**20):
        monkeypatch.setattr(reference, "BLOCK_LOGITS", block)
        statistics = reference.softmax_statistics(logits, labels, 280)
        results.append((statistics, reference.softmax_gradient_(logits.clone(), labels, statistics[0], torch.ones(5), 280)))
    for mine, right in zip(*results, strict=True):
        assert torch.equal(mine, right)


def test_a_stride_of_zero_is_read_as_one_number(kernels):
    """The gradient of a sum of losses is one number, expanded."""
    logits = torch.randn(4, 50)
    labels = torch.tensor([0, 16, -3, 49])
    log_sum = torch.logsumexp(logits, dim=-1)
    expanded = torch.tensor(0.5).expand(4)
    ours = kernels.softmax_gradient_(logits.clone(), labels, log_sum, expanded, 50)
    whole = reference.softmax_gradient_(logits.clone(), labels, log_sum, expanded.clone(), 50)
    torch.testing.assert_close(ours, whole)


def test_rotary_takes_angles_in_any_order_of_memory(kernels):
    """Made from positions [b, s], angles have their samples outermost."""
    angles = torch.rand(2, 5, 8).transpose(0, 1)
    turned = torch.rand(2, 8, 5).permute(2, 0, 1)
    x = torch.randn(5, 2, 3, 16)
    for each in (angles, turned):
        torch.testing.assert_close(kernels.rotary(x, each.cos(), each.sin()), reference.rotary(x, each.cos(), each.sin()))
        torch.testing.assert_close(kernels.rotary(x, each, each.contiguous()), reference.rotary(x, each, each))


@pytest.fixture(scope="module")
def wide() -> Tensor:
    """More elements than an int32 counts, of which hardly a page is ever touched."""
    return torch.empty(2**31 + 2**13, dtype=torch.bfloat16)


def test_offsets_beyond_two_billion_elements(wide):
    """Rows that far from the first, as the logits of 16,744 tokens of a vocabulary of 128,256 are."""
    from megatron_mathcoder.kernels.triton_softmax import _statistics_kernel

    rows = wide.as_strided((3, 8), (2**30, 1), 0)
    rows.copy_(torch.randn(3, 8))
    out, labels = torch.empty(2, 3), torch.tensor([0, 3, 7])
    _statistics_kernel[(3,)](rows, labels, out, 3, 2**30, 8, BLOCK=16)
    torch.testing.assert_close(out, reference.softmax_statistics(rows.contiguous(), labels, 8))


def test_rotary_reads_strides_beyond_two_billion(wide):
    x = wide.as_strided((3, 1, 2, 8), (2**30, 2**30, 8, 1), 0)
    x.copy_(torch.randn(3, 1, 2, 8))
    angles = torch.rand(3, 1, 4)
    turn = (angles.cos(), angles.sin())
    torch.testing.assert_close(triton_kernels().rotary(x, *turn), reference.rotary(x.clone(), *turn), rtol=0, atol=0.05)
