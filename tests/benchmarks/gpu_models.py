"""The models' sections of ``bench_gpu.py``: training steps of ours, of megatron-core as it comes, and of Hugging Face's Llama.

Decides: which models (Llama-3.2-1B's and Llama-3-8B's shapes at 8,192 tokens, bf16), how many steps, and what is switched off in
the ablation. Peers that keep more memory than the card has are given as many layers as fit, and so are compared by their MFU.
Does not: count operations (``config/flops.py``).
"""

import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from bench_gpu import Bench, free_memory
from gpu_kernels import interpreted_kernels
from training_steps import Step, hugging_face_step, num_microbatches, our_step, token_batches

from megatron_mathcoder.config.flops import training_flops_per_token
from megatron_mathcoder.config.loader import load_config
from megatron_mathcoder.config.schema import RunConfig
from megatron_mathcoder.planning.memory import rank_memory

RECIPE = Path(__file__).parents[2] / "launch" / "recipes" / "tiny_cpu.toml"
PEAK_FLOPS = 989e12
"""Dense bf16 of H100 and H200, data sheet."""
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
LAYERS_TO_TRY = (32, 24, 16, 8, 4, 2)
COMPILED, LAYERS_TO_COMPILE = "Hugging Face, compiled", 8
"""Of 8B: torch compiles each layer by itself, some seconds a layer."""


def recipe(bench: Bench, shape: tuple[str, ...], *overrides: str, microbatches: int = 2) -> RunConfig:
    """Return a run of one rank."""
    batch = ("training.micro_batch_size=1", f"training.global_batch_size={microbatches}", "training.precision=bf16")
    here = (f"platform.name={bench.device}", *UNUSED, *batch, *(TINY if bench.tiny else shape))
    return load_config(RECIPE, [*here, *overrides])


def small_model(bench: Bench) -> None:
    """1.2B, ours, in both forms of the optimizer."""
    for name, overrides in (("ours", ()), ("ours, 12 bytes a parameter", (COMPACT,))):
        config = recipe(bench, SMALL, *overrides, microbatches=4)
        bench.attempt("1.2B", name, partial(measure, our_step, config, bench))
        free_memory()


def small_peers(bench: Bench) -> None:
    """1.2B's layers, as many as the others hold: megatron-core's local spec keeps the scores of a whole sequence."""
    for name, build in peers(bench).items():
        most_layers(bench, "1.2B", name, build, most=16, microbatches=4)


def large_model(bench: Bench) -> None:
    """8B in 12 bytes a parameter: whole without recompute, or, where the card is too small, by selective recompute or in part."""
    for name, overrides in (
        ("ours, 12 bytes, no recompute", (COMPACT,)),
        ("ours, 12 bytes, selective recompute", (COMPACT, "training.recompute=selective")),
    ):
        most_layers(bench, "8B", name, our_step, *overrides)


def large_peers(bench: Bench) -> None:
    """8B's layers, as many as the others hold, and as can be compiled in the time there is."""
    for name, build in peers(bench).items():
        most_layers(bench, "8B", name, build, most=LAYERS_TO_COMPILE if name == COMPILED else 32)


def most_layers(
    bench: Bench, section: str, name: str, build: Callable[..., Step], *overrides: str, most: int = 32, microbatches: int = 2
) -> None:
    """Measure with all layers, or with the most of ``LAYERS_TO_TRY`` that fit; each that does not has a row that says so."""
    shape = SMALL if section == "1.2B" else LARGE
    for layers in (2,) if bench.tiny else (each for each in LAYERS_TO_TRY if each <= most):
        config = recipe(bench, shape, *overrides, f"model.num_layers={layers}", microbatches=microbatches)
        fitted: list[dict[str, float]] = []

        def attempt(config: RunConfig = config, fitted: list[dict[str, float]] = fitted) -> dict[str, float]:
            fitted.append(measure(build, config, bench))
            return fitted[0]

        bench.attempt(section, f"{name}, {layers} layers", attempt)
        free_memory()
        if fitted:
            return


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
    }
    for name, fields in swaps.items():
        build = partial(our_step, change=partial(with_triton, bench, fields), documents=DOCUMENTS)
        config = recipe(bench, SMALL, microbatches=2)
        bench.attempt("ablation", name, partial(measure, build, config, bench, DOCUMENTS))
        free_memory()


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
        "megatron-core, local spec": stock_megatron_step,
        "Hugging Face, SDPA, fused AdamW": partial(hugging_face_step, device=bench.device),
        COMPILED: partial(hugging_face_step, device=bench.device, compiled=bench.device == "cuda"),
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
        found["mfu"] = rate * training_flops_per_token(config.model, config.dataset.seq_length // documents) / PEAK_FLOPS
        found["peak_gib"] = torch.cuda.max_memory_allocated() / 2**30
    if build is our_step:
        found["planned_gib"] = rank_memory(config, 1, num_microbatches(config)).peak / 2**30
    return found


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
