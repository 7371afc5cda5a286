"""The kernels' sections of ``bench_gpu.py``: each against its definition, then each timed beside what else computes the same.

Decides: sizes (Llama-3-8B's at 8,192 tokens), the bytes or operations that a perfect kernel would move or do, and the ceilings:
a copy of 1 GiB and a large bf16 product, measured in the same process.
Does not: know models.
"""

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from bench_gpu import Bench
from torch import Tensor

from megatron_mathcoder.kernels import adamw, reference
from megatron_mathcoder.kernels.adamw import Parameter, Update, split_master
from megatron_mathcoder.kernels.kernel_set import KernelSet, torch_kernels, triton_kernels
from megatron_mathcoder.kernels.linear_cross_entropy import VocabularyShare, linear_cross_entropy

TOLERANCE = 2e-2
"""Of the largest value, in bf16: one rounding more or less."""
EPS = 1e-5
CLOCK, LONGEST_WAIT = 2e9, 0.02
"""Cycles a second, rather too many, and seconds that a GPU waits at most for a call to be queued."""


class Sizes(NamedTuple):
    """Of one layer and its loss."""

    tokens: int
    hidden: int
    ffn: int
    heads: int
    groups: int
    width: int
    vocabulary: int
    chunk: int
    parameters: int


LARGE = Sizes(8192, 4096, 14336, 32, 8, 128, 128256, 1024, 2 * 218_112_000)
TINY = Sizes(24, 40, 48, 4, 2, 8, 120, 16, 5000)
"""Not powers of two, so that masks are seen."""


class Case(NamedTuple):
    """One operation: its inputs, its implementations by name, and what a perfect one would move (bytes) or do (flops)."""

    inputs: list[Tensor]
    ways: dict[str, Callable[..., Any]]
    bytes: float = 0.0
    flops: float = 0.0
    gradient: bool = True


def correctness(bench: Bench) -> None:
    """Compare every kernel with its definition, then a whole step of the two sets."""
    import gpu_models

    for name, make in cases(TINY if bench.tiny else LARGE._replace(tokens=1000, chunk=500, parameters=3_000_001), bench).items():
        bench.attempt("correctness", name, partial(_agreement, make, bench))
    bench.attempt("correctness", "a step by both sets", partial(gpu_models.step_agreement, bench))


def kernels(bench: Bench) -> None:
    """Time ours of every kernel, then everything else but compiled code."""
    ceilings: dict[str, float] = {}

    def ceiling(kind: str, measure: Callable[[], float]) -> dict[str, float]:
        ceilings[kind] = measure()
        return {"rate": ceilings[kind]}

    bench.attempt("kernels", "ceiling: copy, bytes/s", lambda: ceiling("bytes", partial(_copy_rate, bench)))
    bench.attempt("kernels", "ceiling: bf16 product, flop/s", lambda: ceiling("flops", partial(_product_rate, bench)))
    made = cases(TINY if bench.tiny else LARGE, bench)
    seconds: dict[str, dict[str, float]] = {name: {} for name in made}
    for ours in (True, False):
        for name, make in made.items():
            for way in [each for each in make(bench.device).ways if (each == "ours") == ours]:
                bench.attempt("kernels", f"{name}: {way}", partial(_timing, make, way, seconds[name], ceilings, bench))


def compiled_kernels(bench: Bench) -> None:
    """Time what torch makes of the definitions, beside ours once more: compiling takes seconds a kernel."""
    for name, make in cases(TINY if bench.tiny else LARGE, bench).items():
        seconds: dict[str, float] = {}
        for way in ("ours", "compile") if make(bench.device).gradient else ():
            bench.attempt("compiled kernels", f"{name}: {way}", partial(_timing, make, way, seconds, {}, bench))


def _timing(
    make: Callable[[str], Case], way: str, seconds: dict[str, float], ceilings: dict[str, float], bench: Bench
) -> dict[str, float]:
    case = make(bench.device)
    function = case.ways["eager" if way == "compile" else way]
    if way == "compile" and bench.device == "cuda":
        function = torch.compile(function)
    upstream = [torch.ones_like(each) for each in _outputs(function, case)]
    seconds[way] = time_of(lambda: _run(function, case, upstream), bench)
    found = {"ms": seconds[way] * 1e3}
    for kind, amount in (("bytes", case.bytes), ("flops", case.flops)):
        if amount:
            found[kind] = amount
            if kind in ceilings:
                found["share_of_ceiling"] = amount / seconds[way] / ceilings[kind]
    if "ours" in seconds:
        found["times_ours"] = seconds[way] / seconds["ours"]
    return found


def _outputs(function: Callable[..., Any], case: Case) -> list[Tensor]:
    outputs = function(*case.inputs)
    return list(outputs) if isinstance(outputs, tuple) else [outputs]


def _run(function: Callable[..., Any], case: Case, upstream: list[Tensor] | None = None) -> list[Tensor]:
    """Return outputs and gradients; those of the outputs, ones, are made here only if nobody has them: making them takes time."""
    outputs = _outputs(function, case)
    if not case.gradient:
        return outputs
    wanted = [each for each in case.inputs if each.requires_grad]
    upstream = upstream or [torch.ones_like(each) for each in outputs]
    return outputs + list(torch.autograd.grad(outputs, wanted, upstream))


def _agreement(make: Callable[[str], Case], bench: Bench) -> dict[str, Any]:
    found = {}
    for way in ("ours", "eager"):
        torch.manual_seed(0)
        case = make(bench.device)
        found[way] = [each.detach().float().clone() for each in _run(case.ways[way], case)]
    differences = [
        (mine - right).abs().max() / right.abs().max().clamp(min=1e-12)
        for mine, right in zip(found["ours"], found["eager"], strict=True)
    ]
    worst = torch.stack(differences).max().item()  # NaN, if one is: Python's max may pass over it
    return {"worst_difference": worst, "agrees": worst < TOLERANCE}


def time_of(function: Callable[[], Any], bench: Bench) -> float:
    """Return the median seconds of a call; on a GPU by its own events, with other things in its cache before each.

    They are read, not written: what the cache holds for memory it would write back in the time of the call.
    The GPU is kept waiting until a call is queued whole: what the host takes to queue it is no time of the kernels.
    """
    if bench.device == "cpu":
        begin = time.perf_counter()
        function()
        return time.perf_counter() - begin
    cache = torch.zeros(2**26, device="cuda")
    for _ in range(3):
        function()
    torch.cuda.synchronize()
    begin = time.perf_counter()
    function()
    queueing = time.perf_counter() - begin
    taken, deadline = [], time.monotonic() + 1.5
    while len(taken) < 5 or (len(taken) < 30 and time.monotonic() < deadline):
        cache.sum()
        torch.cuda._sleep(int(CLOCK * min(2 * queueing, LONGEST_WAIT)))
        first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        first.record()
        function()
        last.record()
        torch.cuda.synchronize()
        taken.append(first.elapsed_time(last) / 1e3)
    return statistics.median(taken)


def _copy_rate(bench: Bench) -> float:
    """Return the rate of the faster of the driver's copy and a kernel's."""
    source = torch.ones(2**10 if bench.tiny else 2**28, device=bench.device)
    target = torch.empty_like(source)
    ways = (lambda: target.copy_(source), lambda: torch.neg(source, out=target))
    return 2 * source.nbytes / min(time_of(way, bench) for way in ways)


def _product_rate(bench: Bench) -> float:
    size = 64 if bench.tiny else 8192
    left, right = (torch.randn(size, size, device=bench.device).bfloat16() for _ in range(2))
    return 2 * size**3 / time_of(lambda: left @ right, bench)


def interpreted_kernels() -> KernelSet:
    """Return Triton's set for a CPU: without the product of bf16 factors with an fp32 sum, which is CUDA's."""
    return replace(triton_kernels(), accumulate_weight_gradient_=torch_kernels().accumulate_weight_gradient_)


def cases(sizes: Sizes, bench: Bench) -> dict[str, Callable[[str], Case]]:
    """Return what makes each operation's case on a device."""
    ours = triton_kernels() if bench.device == "cuda" else interpreted_kernels()
    return {
        name: partial(make, sizes, ours)
        for name, make in {
            "rms_norm": _norm,
            "add_rms_norm": _add_norm,
            "rotary": _rotary,
            "swiglu": _swiglu,
            "softmax of a chunk": _softmax,
            "linear_cross_entropy": _loss,
            "weight gradient": _weight_gradient,
            "adamw, 18 bytes": partial(_adamw, compact=False),
            "adamw, 12 bytes": partial(_adamw, compact=True),
            "gradient norm": _gradient_norm,
            "attention, 1 document": partial(_attention, documents=1),
            "attention, 4 documents": partial(_attention, documents=4),
            "attention, 1 document, narrow heads": partial(_attention, documents=1, share=2),
        }.items()
    }


def _random(device: str, *shape: int, gradient: bool = True) -> Tensor:
    return torch.randn(*shape, device=device).bfloat16().requires_grad_(gradient)


def _liger() -> Any:
    """Return liger's functions; a lambda calls it, so that a missing package costs liger's rows alone."""
    from liger_kernel.transformers import functional

    return functional


def _norm(sizes: Sizes, ours: KernelSet, device: str) -> Case:
    x, weight = _random(device, sizes.tokens, 1, sizes.hidden), _random(device, sizes.hidden)
    ways = {
        "ours": lambda x, w: ours.rms_norm(x, w, EPS),
        "eager": lambda x, w: reference.rms_norm(x, w, EPS),
        "liger": lambda x, w: _liger().liger_rms_norm(x, w, EPS, in_place=False),
    }
    return Case([x, weight], ways, bytes=5 * x.nbytes)


def _add_norm(sizes: Sizes, ours: KernelSet, device: str) -> Case:
    x, residual = (_random(device, sizes.tokens, 1, sizes.hidden) for _ in range(2))
    ways = {
        "ours": lambda x, r, w: ours.add_rms_norm(x, r, w, EPS),
        "eager": lambda x, r, w: reference.add_rms_norm(x, r, w, EPS),
        "liger": lambda x, r, w: _liger().liger_fused_add_rms_norm(x, r, w, EPS, in_place=False),
    }
    return Case([x, residual, _random(device, sizes.hidden)], ways, bytes=8 * x.nbytes)


def _rotary(sizes: Sizes, ours: KernelSet, device: str) -> Case:
    query, key = (_random(device, sizes.tokens, 1, heads, sizes.width) for heads in (sizes.heads, sizes.groups))
    angles = torch.rand(sizes.tokens, 1, sizes.width // 2, device=device) * 6
    cosine, sine = angles.cos(), angles.sin()
    whole = [torch.cat((each, each), dim=-1).transpose(0, 1).bfloat16() for each in (cosine, sine)]
    ways = {
        "ours": lambda q, k: (ours.rotary(q, cosine, sine), ours.rotary(k, cosine, sine)),
        "eager": lambda q, k: (reference.rotary(q, cosine, sine), reference.rotary(k, cosine, sine)),
        "liger": lambda q, k: _liger().liger_rope(q.permute(1, 2, 0, 3), k.permute(1, 2, 0, 3), *whole),
    }
    return Case([query, key], ways, bytes=4 * (query.nbytes + key.nbytes))


def _swiglu(sizes: Sizes, ours: KernelSet, device: str) -> Case:
    gate_up = _random(device, sizes.tokens, 1, 2 * sizes.ffn)
    ways = {
        "ours": ours.swiglu,
        "eager": reference.swiglu,
        "liger": lambda x: _liger().liger_swiglu(*(half.contiguous() for half in x.chunk(2, dim=-1))),
    }
    return Case([gate_up], ways, bytes=4 * gate_up.nbytes)


def _softmax(sizes: Sizes, ours: KernelSet, device: str) -> Case:
    logits = _random(device, sizes.chunk, sizes.vocabulary, gradient=False)
    labels = torch.randint(sizes.vocabulary, (sizes.chunk,), device=device)
    scale = torch.ones(sizes.chunk, device=device)

    def both(kernels: Any, logits: Tensor) -> tuple[Tensor, Tensor]:
        statistics = kernels.softmax_statistics(logits, labels, sizes.vocabulary - 3)
        return statistics, kernels.softmax_gradient_(logits, labels, statistics[0], scale, sizes.vocabulary - 3)

    return Case(
        [logits], {"ours": partial(both, ours), "eager": partial(both, reference)}, bytes=3 * logits.nbytes, gradient=False
    )


def _loss(sizes: Sizes, ours: KernelSet, device: str) -> Case:
    hidden, weight = _random(device, sizes.tokens, sizes.hidden), _random(device, sizes.vocabulary, sizes.hidden)
    with torch.no_grad():
        weight.mul_(1 / math.sqrt(sizes.hidden))
    labels = torch.randint(sizes.vocabulary, (sizes.tokens,), device=device)
    share = VocabularyShare(0, sizes.vocabulary, None)
    ways = {
        "ours": lambda h, w: linear_cross_entropy(h, w, labels, share, ours),
        "eager": lambda h, w: F.cross_entropy((h @ w.t()).float(), labels, reduction="none"),
        "liger": lambda h, w: _liger().liger_fused_linear_cross_entropy(h, w, labels, reduction="sum"),
    }
    return Case([hidden, weight], ways, flops=6.0 * sizes.tokens * sizes.hidden * sizes.vocabulary)


def _weight_gradient(sizes: Sizes, ours: KernelSet, device: str) -> Case:
    buffer = torch.zeros(2 * sizes.ffn, sizes.hidden, device=device)
    output, layer_input = (_random(device, sizes.tokens, width, gradient=False) for width in (2 * sizes.ffn, sizes.hidden))

    def accumulated(kernels: Any, buffer: Tensor, output: Tensor, layer_input: Tensor) -> Tensor:
        kernels.accumulate_weight_gradient_(buffer, output, layer_input)
        return buffer

    ways = {"ours": partial(accumulated, ours), "eager": partial(accumulated, reference)}
    return Case([buffer, output, layer_input], ways, flops=4.0 * sizes.tokens * sizes.ffn * sizes.hidden, gradient=False)


def _adamw(sizes: Sizes, ours: KernelSet, device: str, compact: bool) -> Case:
    """Parameters of three lengths; the last is a norm's."""
    lengths = (sizes.parameters // 2, sizes.parameters // 2 - sizes.hidden, sizes.hidden)
    parameters = []
    for length in lengths:
        value, first, gradient = (torch.randn(length, device=device) for _ in range(3))
        second = torch.rand(length, device=device) + 0.1
        if compact:
            weight, master = split_master(value)
            parameters.append(Parameter(weight, master, first.bfloat16(), second.bfloat16(), gradient))
        else:
            parameters.append(Parameter(value.bfloat16(), value, first, second, gradient))
    update = Update(step=5, lr=1e-3, weight_decay=0.1, beta1=0.9, beta2=0.95, eps=1e-8, gradient_scale=0.5)

    def stepped(update_: Any) -> tuple[Tensor, ...]:
        update_(parameters, update)
        return tuple(each.weight for each in parameters) + tuple(each.exp_avg_sq for each in parameters)

    ways = {"ours": partial(stepped, ours.adamw_), "eager": partial(stepped, adamw.adamw_)}
    return Case([], ways, bytes=(20 if compact else 30) * sum(lengths), gradient=False)


def _gradient_norm(sizes: Sizes, ours: KernelSet, device: str) -> Case:
    gradients = list(torch.randn(sizes.parameters // 8 * 8, device=device).chunk(8))

    def by_tensor() -> Tensor:
        return torch.stack([torch.linalg.vector_norm(each) for each in gradients]).square().sum().sqrt()

    ways = {"ours": lambda: torch.stack(torch._foreach_norm(gradients)).square().sum().sqrt(), "eager": by_tensor}
    return Case([], ways, bytes=4.0 * sizes.parameters, gradient=False)


def _attention(sizes: Sizes, ours: KernelSet, device: str, documents: int, share: int = 1) -> Case:
    """Documents of one length, all at once and one by one; the operations are those of the causal halves.

    Heads are a ``share``-th as wide: 64, 1.2B's, instead of 128.
    """
    from torch.nn.attention import SDPBackend, sdpa_kernel

    from megatron_mathcoder.kernels.varlen_attention import torch_varlen_kernel

    length = sizes.tokens // documents
    width = sizes.width // share
    query = _random(device, documents * length, sizes.heads, width)
    key, value = (_random(device, documents * length, sizes.groups, width) for _ in range(2))
    ends = torch.arange(documents + 1, dtype=torch.int32, device=device) * length
    scale = 1 / math.sqrt(width)

    def one_by_one(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        outputs = []
        for parts in zip(q.chunk(documents), k.chunk(documents), v.chunk(documents), strict=True):
            tensors = (each.transpose(0, 1)[None] for each in parts)
            outputs.append(F.scaled_dot_product_attention(*tensors, is_causal=True, scale=scale, enable_gqa=True))
        return torch.cat([each[0].transpose(0, 1) for each in outputs])

    def all_at_once(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        kernel = torch_varlen_kernel()
        if kernel is None or device != "cuda":
            return one_by_one(q, k, v)
        ends_of = {"cu_seq_q": ends, "cu_seq_k": ends, "max_q": length, "max_k": length}
        return kernel(q, k, v, **ends_of, scale=scale, window_size=(-1, 0))

    def by_cudnn(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        with sdpa_kernel(SDPBackend.CUDNN_ATTENTION):
            return one_by_one(q, k, v)

    def by_flash_attention_4(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        from flash_attn.cute import flash_attn_varlen_func

        found = flash_attn_varlen_func(q, k, v, cu_seqlens_q=ends, cu_seqlens_k=ends, softmax_scale=scale, causal=True)
        return found[0] if isinstance(found, tuple) else found

    ways: dict[str, Callable[..., Any]] = {"ours": all_at_once, "eager": one_by_one}
    if device == "cuda":
        ways |= {"cuDNN, one by one": by_cudnn, "flash-attn 4": by_flash_attention_4}
    # Two products of 2·l²/2·d a head forward, two and a half times that backward (Dao 2023, section 4.1).
    flops = 3.5 * documents * 2 * length**2 * width * sizes.heads
    return Case([query, key, value], ways, flops=flops)
