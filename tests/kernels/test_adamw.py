"""AdamW in both forms of the master: against torch's, the Triton kernel against the definition, and what 16-bit moments keep."""

import pytest
import torch

from megatron_mathcoder.kernels import adamw
from megatron_mathcoder.kernels.adamw import Parameter, Update, join_master, split_master
from megatron_mathcoder.kernels.kernel_set import torch_kernels, triton_kernels

UPDATE = Update(step=3, lr=1e-2, weight_decay=0.1, beta1=0.9, beta2=0.95, eps=1e-8)
CHUNK = 4096
LENGTHS = (1, 17, CHUNK, 9001)
"""One element, an odd length, a whole chunk of two blocks, and more than one."""


def parameters(form: str, seed: int = 0) -> list[Parameter]:
    """Parameters of one form with moments as after some steps."""
    generator = torch.Generator().manual_seed(seed)
    made = []
    for length in LENGTHS:
        value, first, gradient = (torch.randn(length, generator=generator) for _ in range(3))
        second = torch.rand(length, generator=generator)
        if form == "remainder":
            weight, master = split_master(value)
            made.append(Parameter(weight, master, first.bfloat16(), second.bfloat16(), gradient))
        else:
            weight = value if form == "weight" else value.bfloat16()
            made.append(Parameter(weight, None if form == "weight" else value, first, second, gradient))
    return made


def masters(made: list[Parameter]) -> torch.Tensor:
    return torch.cat([each.weight if each.master is None else master_of(each) for each in made])


def master_of(each: Parameter) -> torch.Tensor:
    assert each.master is not None
    return each.master if each.master.dtype == torch.float32 else join_master(each.weight, each.master)


@pytest.mark.parametrize("pattern", ["normal", "ties", "all bits"])
def test_a_master_is_split_and_joined_to_the_last_bit(pattern):
    bits = {
        "normal": torch.randn(10000).view(torch.int32),
        "ties": (torch.arange(-1000, 1000, dtype=torch.int32) << 16) + 0x8000,
        "all bits": torch.randint(-(2**31), 2**31, (10000,), dtype=torch.int64).to(torch.int32),
    }[pattern]
    weight, remainder = split_master(bits.view(torch.float32))
    assert torch.equal(join_master(weight, remainder).view(torch.int32), bits)


def test_the_weight_is_the_master_rounded_to_nearest():
    master = torch.randn(10000)
    weight, remainder = split_master(master)
    tie = remainder == -(2**15)
    assert tie.sum() < 10
    assert torch.equal(weight[~tie], master.bfloat16()[~tie])


@pytest.mark.parametrize("form", ["weight", "fp32", "remainder"])
@pytest.mark.parametrize("scale", [1.0, 0.25])
def test_triton_computes_the_definition(form, scale, monkeypatch):
    triton_adamw = pytest.importorskip("megatron_mathcoder.kernels.triton_adamw")
    monkeypatch.setattr(triton_adamw, "CHUNK", CHUNK)
    ours, theirs = parameters(form), parameters(form)
    # 1 - 0.999 is not 0.001 in fp32.
    update = Update(step=3, lr=1e-2, weight_decay=0.1, beta1=0.9, beta2=0.999, eps=1e-8, gradient_scale=scale)
    triton_kernels().adamw_(ours, update)
    adamw.adamw_(theirs, update)
    torch.testing.assert_close(masters(ours), masters(theirs), rtol=1e-6, atol=1e-7)
    for mine, right in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.weight, right.weight, rtol=2**-7 if form != "weight" else 1e-6, atol=1e-7)
        for moment in ("exp_avg", "exp_avg_sq"):
            first, second = getattr(mine, moment), getattr(right, moment)
            # A last bit of fp32 gives other noise: then the moments are neighbours in bf16.
            torch.testing.assert_close(first, second, rtol=2**-7 if form == "remainder" else 1e-6, atol=1e-7)
        if form == "remainder":
            assert (mine.exp_avg_sq != right.exp_avg_sq).float().mean() < 0.2 + 1 / len(mine.weight)


def test_the_compact_form_takes_the_step_of_torch():
    """From moments that bf16 holds exactly, one step of 12 bytes is one of 18 to the last bits of fp32."""
    compact, whole = parameters("remainder"), parameters("fp32")
    for mine, right in zip(compact, whole, strict=True):
        right.exp_avg.copy_(mine.exp_avg)
        right.exp_avg_sq.copy_(mine.exp_avg_sq)
        assert right.master is not None
        assert torch.equal(master_of(mine), right.master)
    for each in (compact, whole):
        torch_kernels().adamw_(each, UPDATE)
    torch.testing.assert_close(masters(compact), masters(whole), rtol=1e-6, atol=1e-6)
    for mine, right in zip(compact, whole, strict=True):
        torch.testing.assert_close(mine.exp_avg_sq.float(), right.exp_avg_sq, rtol=2**-7, atol=0)


@pytest.mark.parametrize("form", ["weight", "fp32", "remainder"])
def test_scaling_gradients_on_the_way_is_scaling_them_before(form):
    ours, theirs = parameters(form), parameters(form)
    for each in theirs:
        each.gradient.mul_(0.25)
    adamw.adamw_(ours, Update(step=3, lr=1e-2, weight_decay=0.1, beta1=0.9, beta2=0.95, eps=1e-8, gradient_scale=0.25))
    adamw.adamw_(theirs, UPDATE)
    torch.testing.assert_close(masters(ours), masters(theirs), rtol=1e-6, atol=1e-7)


def test_a_second_moment_in_bf16_decays_as_in_fp32():
    """Rounded to nearest it would stay at 1: a step takes 0.1 % off, and half a step of bf16 there is 0.2 %."""
    steps, beta2 = 700, 0.999
    weight, remainder = split_master(torch.randn(4096))
    made = [Parameter(weight, remainder, *torch.tensor([[0.0], [1.0]]).bfloat16().repeat(1, 4096), torch.zeros(4096))]
    for step in range(1, steps + 1):
        adamw.adamw_(made, Update(step=step, lr=0.0, weight_decay=0.0, beta1=0.9, beta2=beta2, eps=1e-8))
    assert made[0].exp_avg_sq.float().mean().item() == pytest.approx(beta2**steps, rel=0.01)


def test_noise_rounds_up_as_often_as_the_bits_cut_off_say():
    """A quarter of the way between two numbers of bf16, over masters and over steps."""
    value = torch.full((100_000,), 1.0 + 2**-7 / 4)
    for master, step in ((torch.randn(len(value)), 1), (torch.linspace(1, 2, len(value)), 7)):
        rounded = adamw._round_by(value, adamw._noise(master, value, step)).float()
        assert set(rounded.unique().tolist()) == {1.0, 1.0 + 2**-7}
        assert (rounded > 1).float().mean().item() == pytest.approx(0.25, abs=0.01)
    steps = torch.stack([adamw._round_by(value[:1], adamw._noise(torch.zeros(1), value[:1], step)) for step in range(1, 4001)])
    assert (steps.float() > 1).float().mean().item() == pytest.approx(0.25, abs=0.03)
