"""The models' sections of ``bench_gpu.py``: training steps of ours, of megatron-core as it comes, and of Hugging Face's Llama.

Decides: which models (Llama-3.2-1B's and Llama-3-8B's shapes at 8,192 tokens, bf16), how many steps, and what is switched off in
the ablation. What keeps more memory than the card has is given as many layers as fit; ``times_ours`` is there where ours was
measured with as many.
Does not: count operations (``config/flops.py``).
"""

import math
import statistics
import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from bench_gpu import Bench
from gpu_kernels import interpreted_kernels
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from training_steps import Step, hugging_face_step, num_microbatches, our_step, token_batches

from megatron_mathcoder.config.flops import training_flops_per_token
from megatron_mathcoder.config.gpus import peak_bf16_flops
from megatron_mathcoder.config.loader import load_config
from megatron_mathcoder.config.schema import RunConfig
from megatron_mathcoder.planning.memory import rank_memory

RECIPE = Path(__file__).parents[2] / "launch" / "recipes" / "tiny_cpu.toml"
UNUSED = (
    "dataset.blend.0.prefix=unused",
    "dataset.tokenizer=",
    "run.folder=unused",
    "parallel.processes=0",
    "optimizer.min_lr=0.0",
)
LLAMA = ("model.vocab_size=128256", "model.num_query_groups=8", "model.num_attention_heads=32", "dataset.seq_length=8192")
SMALL = (
    *LLAMA,
    "model.num_layers=16",
    "model.hidden_size=2048",
    "model.ffn_hidden_size=8192",
    "model.kv_channels=64",
    "model.share_embeddings_and_output_weights=true",
    "model.max_position_embeddings=8192",
)
LARGE = (
    *LLAMA,
    "model.num_layers=32",
    "model.hidden_size=4096",
    "model.ffn_hidden_size=14336",
    "model.kv_channels=128",
    "model.max_position_embeddings=8192",
)
TINY = (
    "model.vocab_size=120",
    "model.num_layers=2",
    "model.hidden_size=32",
    "model.ffn_hidden_size=48",
    "model.num_attention_heads=4",
    "model.num_query_groups=2",
    "model.kv_channels=8",
    "dataset.seq_length=24",
)
COMPACT = "optimizer.use_precision_aware_optimizer=true"
DOCUMENTS = 4
"""Of a sample, in the ablation: with one, attention is a single call either way."""
LAYERS_TO_TRY = (32, 24, 20, 16, 8, 4, 2)
LAYERS_BESIDE_PEERS = 8
"""Of 8B, and of ours beside them: whole, none of them fits, and torch compiles each layer by itself, some seconds a layer."""
LARGEST_KERNELS = 14
"""That are named of a step."""


def recipe(bench: Bench, shape: tuple[str, ...], *overrides: str, microbatches: int = 2) -> RunConfig:
    """Return a run of one rank."""
    batch = ("training.micro_batch_size=1", f"training.global_batch_size={microbatches}", "training.precision=bf16")
    here = (f"platform.name={bench.device}", *UNUSED, *batch, *(TINY if bench.tiny else shape))
    return load_config(RECIPE, [*here, *overrides])


def small_model(bench: Bench) -> None:
    """1.2B, ours, in both forms of the optimizer, and where its time goes."""
    for name, overrides in (("ours", ()), ("ours, 12 bytes a parameter", (COMPACT,))):
        most_layers(bench, "1.2B", name, our_step, *overrides, most=16, microbatches=4)
    bench.attempt("1.2B", "kernels of a step", partial(kernel_shares, recipe(bench, SMALL), bench))


def small_peers(bench: Bench) -> None:
    """1.2B's layers, as many as the others hold."""
    for name, build in peers(bench).items():
        most_layers(bench, "1.2B", name, build, most=16, microbatches=4)


def large_model(bench: Bench) -> None:
    """8B in 12 bytes a parameter: whole without recompute, or, where the card is too small, by selective recompute or in part."""
    selective = "training.recompute=selective"
    layers = most_layers(bench, "8B", "ours, 12 bytes, no recompute", our_step, COMPACT)
    most_layers(bench, "8B", "ours, 12 bytes, selective recompute", our_step, COMPACT, selective)
    bench.attempt("8B", "kernels of a step", partial(kernel_shares, recipe(bench, LARGE, COMPACT, *of_layers(layers)), bench))


def large_peers(bench: Bench) -> None:
    """Some of 8B's layers, in ours too."""
    most_layers(bench, "8B", "ours", our_step, COMPACT, most=LAYERS_BESIDE_PEERS)
    for name, build in peers(bench).items():
        most_layers(bench, "8B", name, build, most=LAYERS_BESIDE_PEERS)


def stock_megatron(bench: Bench) -> None:
    """As many layers of either as megatron-core's local spec holds, which keeps the scores of a whole sequence.

    In a process without ours, which would give it our optimizer.
    """
    name = "megatron-core, local spec"
    most_layers(bench, "1.2B", name, stock_megatron_step, most=16, microbatches=4)
    most_layers(bench, "8B", name, stock_megatron_step, most=LAYERS_BESIDE_PEERS)


def of_layers(layers: int) -> tuple[str, ...]:
    """Return the change of a recipe to so many layers; 0 = as few as there may be."""
    return (f"model.num_layers={layers or LAYERS_TO_TRY[-1]}",)


def most_layers(
    bench: Bench, section: str, name: str, build: Callable[..., Step], *overrides: str, most: int = 32, microbatches: int = 2
) -> int:
    """Measure with all layers, or with the most of ``LAYERS_TO_TRY`` that fit, and return how many; 0 if none do.

    Each that does not fit has a row that says so.
    """
    shape = SMALL if section == "1.2B" else LARGE
    for layers in (2,) if bench.tiny else (each for each in LAYERS_TO_TRY if each <= most):
        config = recipe(bench, shape, *overrides, *of_layers(layers), microbatches=microbatches)
        ours = rate_of(bench, section, f"ours, {layers} layers")

        def attempt(config: RunConfig = config, ours: float = ours) -> dict[str, float]:
            if build is our_step:
                refuse_what_cannot_fit(config, bench)
            found = measure(build, config, bench)
            return found | ({"times_ours": ours / found["tokens_per_second"]} if ours else {})

        bench.attempt(section, f"{name}, {layers} layers", attempt)
        if rate_of(bench, section, f"{name}, {layers} layers"):
            return layers
    return 0


def rate_of(bench: Bench, section: str, name: str) -> float:
    """Return the tokens/s of a row that is there already; 0 if it is not, or was not measured."""
    rates = [
        row["tokens_per_second"] for row in bench.rows() if row["measured"] and (row["section"], row["name"]) == (section, name)
    ]
    return float(rates[-1]) if rates else 0.0


def refuse_what_cannot_fit(config: RunConfig, bench: Bench) -> None:
    """Raise at once where the plan already needs more than the card has: running into it takes seconds."""
    planned = planned_bytes(config)
    if bench.device == "cuda" and planned > torch.cuda.get_device_properties(0).total_memory:
        raise MemoryError(f"{planned / 2**30:.1f} GiB by the plan")


def ablation(bench: Bench) -> None:
    """1.2B with one kernel after the other replaced by torch's, on samples of four documents."""
    from megatron_mathcoder.kernels.kernel_set import torch_kernels

    plain = torch_kernels()
    swaps: dict[str, dict[str, Any]] = {
        "all of Triton's": {},
        "torch's norms": {"rms_norm": plain.rms_norm, "add_rms_norm": plain.add_rms_norm},
        "torch's rotation": {"rotary": plain.rotary},
        "torch's SwiGLU": {"swiglu": plain.swiglu},
        "torch's rows of the loss": {
            "softmax_statistics": plain.softmax_statistics,
            "softmax_gradient_": plain.softmax_gradient_,
        },
        "weight gradients cast": {"accumulate_weight_gradient_": plain.accumulate_weight_gradient_},
        "torch's AdamW": {"adamw_": plain.adamw_},
        "attention document by document": {"varlen_attention": None},
        "no logits made twice": {"chunk_logits": 2**31},
    }
    one = {"one document a sample": {}, "one document a sample, cuDNN's attention": {"varlen_attention": cudnn_attention}}
    for documents, changes in ((DOCUMENTS, swaps), (1, one)):
        for name, fields in changes.items():
            build = partial(our_step, change=partial(with_triton, bench, fields), documents=documents)
            bench.attempt("ablation", name, partial(measure, build, recipe(bench, SMALL), bench, documents))


def cudnn_attention(query: Tensor, key: Tensor, value: Tensor, *, scale: float, **_ends: Any) -> Tensor:
    """Attend in one document, as a kernel for many is called; tensors [s, heads, d]."""
    tensors = (each.transpose(0, 1)[None] for each in (query, key, value))
    with sdpa_kernel(SDPBackend.CUDNN_ATTENTION) if query.is_cuda else nullcontext():
        context: Tensor = F.scaled_dot_product_attention(*tensors, is_causal=True, scale=scale, enable_gqa=True)
    return context[0].transpose(0, 1).contiguous()


def with_triton(bench: Bench, fields: dict[str, Any], chosen: Any) -> Any:
    """Return Triton's set, also under the interpreter, with some of it replaced."""
    if bench.device == "cpu":
        chosen = replace(interpreted_kernels(), varlen_attention=chosen.varlen_attention)
    return replace(chosen, **fields)


def step_agreement(bench: Bench) -> dict[str, Any]:
    """Train three steps of a two-layer model by each set; return losses and whether they agree to 1 %."""
    from megatron_mathcoder.kernels.kernel_set import torch_kernels

    losses = {}
    for name, change in (
        ("triton", partial(with_triton, bench, {})),
        ("torch", lambda chosen: replace(torch_kernels(), varlen_attention=chosen.varlen_attention)),
    ):
        with ExitStack() as stack:
            step = our_step(recipe(bench, TINY if bench.tiny else (*SMALL, "model.num_layers=2"), COMPACT), stack, change)
            losses[name] = [step() for _ in range(3)]
    pairs = list(zip(losses["triton"], losses["torch"], strict=True))
    return {"losses": str(pairs), "agrees": all(abs(mine - right) < 0.01 * right for mine, right in pairs)}


def peers(bench: Bench) -> dict[str, Callable[..., Step]]:
    """Return what ours is compared with."""
    return {
        "Hugging Face, SDPA, fused AdamW": partial(hugging_face_step, device=bench.device),
        "Hugging Face, compiled": partial(hugging_face_step, device=bench.device, compiled=bench.device == "cuda"),
    }


def measure(build: Callable[..., Step], config: RunConfig, bench: Bench, documents: int = 1) -> dict[str, float]:
    """Take two steps, then time some; return tokens/s, MFU and peak memory, for ours beside the plan's."""
    with ExitStack() as stack:
        step = build(config, stack)
        loss = step()
        step()
        seconds = []
        for _ in range(1 if bench.tiny else 4):
            synchronize(bench)
            begin = time.perf_counter()
            step()
            synchronize(bench)
            seconds.append(time.perf_counter() - begin)
    tokens = num_microbatches(config) * config.training.micro_batch_size * config.dataset.seq_length
    rate = tokens / statistics.median(seconds)
    found = {"tokens_per_second": rate, "ms_a_step": 1e3 * statistics.median(seconds), "first_loss": loss}
    if bench.device == "cuda":
        found["mfu"] = rate * training_flops_per_token(config.model, config.dataset.seq_length // documents) / peak_flops()
        found["peak_gib"] = torch.cuda.max_memory_allocated() / 2**30
    if build is our_step:
        found["planned_gib"] = planned_bytes(config) / 2**30
    return found


def peak_flops() -> float:
    """Return the card's rate of dense bf16 by its data sheet; of one not in the table H100's and H200's."""
    return peak_bf16_flops(torch.cuda.get_device_name()) or peak_bf16_flops("NVIDIA H200") or math.nan


def planned_bytes(config: RunConfig) -> int:
    return rank_memory(config, 1, num_microbatches(config)).peak


def kernel_shares(config: RunConfig, bench: Bench) -> dict[str, Any]:
    """Return how much of a step of ours the GPU computes, in which kernels, and how often the host waited in the step before.

    What is left of the step is the host's.
    """
    gpu = bench.device == "cuda"
    activity = torch.profiler.ProfilerActivity.CUDA if gpu else torch.profiler.ProfilerActivity.CPU
    with ExitStack() as stack:
        step = our_step(config, stack)
        step()
        waits = count_waits(step) if gpu else 0
        synchronize(bench)
        with torch.profiler.profile(activities=[activity]) as trace:
            begin = time.perf_counter()
            step()
            synchronize(bench)
            seconds = time.perf_counter() - begin
    spent = {each.key: (each.self_device_time_total if gpu else each.self_cpu_time_total) / 1e6 for each in trace.key_averages()}
    largest = sorted(spent, key=lambda name: -spent[name])[:LARGEST_KERNELS]
    shares = ", ".join(f"{spent[name] / seconds:.1%} {name[:60]}" for name in largest)
    return {"ms_a_step": 1e3 * seconds, "busy_share": sum(spent.values()) / seconds, "waits": waits, "kernels": shares}


def count_waits(step: Step) -> int:
    """Return how many operations of a step made the host wait, as torch counts them; a plain ``synchronize`` is none."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            step()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return sum("synchronizing" in str(each.message) for each in said)


def synchronize(bench: Bench) -> None:
    if bench.device == "cuda":
        torch.cuda.synchronize()


def stock_megatron_step(config: RunConfig, stack: ExitStack) -> Step:
    """Return a step of megatron-core's ``GPTModel`` by its local spec, its optimizer with torch's AdamW, without apex or TE."""
    from megatron_mathcoder.platforms.ranks import Rank
    from megatron_mathcoder.platforms.select import select_platform

    rank = Rank(rank=0, local_rank=0, world_size=1, init_method="")
    platform = select_platform(config.platform, config.parallel, rank)

    from megatron.core.distributed import DistributedDataParallel, DistributedDataParallelConfig
    from megatron.core.models.gpt import GPTModel
    from megatron.core.models.gpt.gpt_layer_specs import get_gpt_layer_local_spec
    from megatron.core.optimizer import OptimizerConfig, get_megatron_optimizer
    from megatron.core.transformer.module import Float16Module
    from training_steps import draw_weights

    from megatron_mathcoder.model.transformer_config import build_transformer_config
    from megatron_mathcoder.parallel import process_groups

    groups = stack.enter_context(process_groups(platform, config.parallel, rank, config.run.seed))
    transformer = build_transformer_config(config.model, config.parallel, config.training, initialize=False)
    transformer.use_te_activation_func = False
    network = GPTModel(
        config=transformer,
        transformer_layer_spec=get_gpt_layer_local_spec(normalization="RMSNorm"),
        vocab_size=config.model.vocab_size,
        max_sequence_length=config.dataset.seq_length,
        position_embedding_type="rope",
        rotary_base=config.model.rotary_base,
        share_embeddings_and_output_weights=config.model.share_embeddings_and_output_weights,
        pg_collection=groups,
    ).to(platform.device)
    draw_weights(network, config)
    buffers = DistributedDataParallelConfig(grad_reduce_in_fp32=True, use_distributed_optimizer=False)
    wrapped = DistributedDataParallel(transformer, buffers, Float16Module(transformer, network), pg_collection=groups)
    settings = OptimizerConfig(optimizer="adam", lr=config.optimizer.lr, bf16=True, params_dtype=torch.bfloat16, clip_grad=1.0)
    optimizer = get_megatron_optimizer(settings, [wrapped], use_gloo_process_groups=False, pg_collection=groups)
    ids = token_batches(config, platform.device)
    length = config.dataset.seq_length
    mask = torch.ones(1, 1, length, length, dtype=torch.bool, device=platform.device).triu(1)
    positions = torch.arange(length, device=platform.device)[None]

    def step() -> float:
        wrapped.zero_grad_buffer()
        optimizer.zero_grad()
        total = 0.0
        for _ in range(num_microbatches(config)):
            tokens = next(ids)
            losses = wrapped(tokens[:, :-1], positions, mask, labels=tokens[:, 1:].contiguous())
            loss = losses.float().mean() / num_microbatches(config)
            loss.backward()
            total += loss.detach()
        wrapped.finish_grad_sync()
        optimizer.step()
        return float(total)

    return step
