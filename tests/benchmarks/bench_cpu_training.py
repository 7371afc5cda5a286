"""Training steps of a small Llama on this CPU: ours, and Hugging Face's with torch's fused AdamW, in turn.

    python tests/benchmarks/bench_cpu_training.py [--rounds 9] [--threads 2]

Decides: the measurement: the same architecture, batch, precision (fp32), clipping and threads in two processes that step one
after the other, so that a machine whose speed drifts is the same for both; the ratio is taken pair by pair.
Does not: judge, except by its exit status (1 when ours is slower). Losses are printed, since a wrong step is no step.
"""

import argparse
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from megatron_mathcoder.config.loader import load_config
from megatron_mathcoder.config.schema import RunConfig

RECIPE = Path(__file__).parents[2] / "launch" / "recipes" / "tiny_cpu.toml"
LEAST_RATIO = 1.0
"""Our tokens/s over Hugging Face's, median of the pairs."""
MODEL = (
    "model.num_layers=6",
    "model.hidden_size=256",
    "model.ffn_hidden_size=704",
    "model.num_attention_heads=8",
    "model.num_query_groups=4",
    "model.vocab_size=8192",
    "dataset.seq_length=512",
    "training.micro_batch_size=4",
    "dataset.blend.0.prefix=unused",
    "dataset.tokenizer=",
    "run.folder=unused",
)
STEPS_A_ROUND = 3


def our_step(config: RunConfig, stack: ExitStack) -> Callable[[], float]:
    """Return a function that trains one step as ``mathcoder train`` does and returns its loss."""
    from megatron_mathcoder.platforms.ranks import Rank
    from megatron_mathcoder.platforms.select import select_platform

    rank = Rank(rank=0, local_rank=0, world_size=1, init_method="")
    platform = select_platform(config.platform, config.parallel, rank)

    from megatron_mathcoder.dataset.batch import MicroBatch
    from megatron_mathcoder.kernels.kernel_set import choose_kernels
    from megatron_mathcoder.model.gpt import build_chunks, wrap_chunks
    from megatron_mathcoder.model.transformer_config import build_transformer_config
    from megatron_mathcoder.parallel import process_groups
    from megatron_mathcoder.trainer.optimizer import build_optimizer
    from megatron_mathcoder.trainer.step import StepRunner

    groups = stack.enter_context(process_groups(platform, config.parallel, rank, config.run.seed))
    transformer = build_transformer_config(config.model, config.parallel, config.training)
    kernels = choose_kernels(config.platform, platform, config.training.precision)
    built = build_chunks(config.model, transformer, groups, kernels, platform.device)
    chunks = wrap_chunks(built, transformer, config.parallel, groups, kernels)
    optimizer = build_optimizer(config.optimizer, config.training, config.parallel, chunks, groups, kernels)
    for group in optimizer.param_groups:
        group["lr"] = config.optimizer.lr
    runner = StepRunner(
        chunks,
        transformer,
        groups,
        seq_length=config.dataset.seq_length,
        micro_batch_size=config.training.micro_batch_size,
        platform=platform,
    )
    ids = token_batches(config)

    def batches() -> Iterator[MicroBatch]:
        import torch

        tokens = next(ids)
        mask = torch.ones(tokens[:, 1:].shape)
        positions = torch.arange(mask.shape[1]).expand_as(mask)
        yield MicroBatch(tokens[:, :-1], tokens[:, 1:], mask, positions, ((0,),) * len(tokens))

    return lambda: runner.train(batches, 1, optimizer, lambda loss, grad_norm: "").loss


def hugging_face_step(config: RunConfig, _stack: ExitStack) -> Callable[[], float]:
    """Return the same for ``LlamaForCausalLM`` with SDPA attention."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    model = config.model
    network = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=model.vocab_size,
            hidden_size=model.hidden_size,
            intermediate_size=model.ffn_hidden_size,
            num_hidden_layers=model.num_layers,
            num_attention_heads=model.num_attention_heads,
            num_key_value_heads=model.num_query_groups,
            head_dim=model.kv_channels,
            max_position_embeddings=model.max_position_embeddings,
            rms_norm_eps=model.layernorm_epsilon,
            tie_word_embeddings=False,
            use_cache=False,
            attn_implementation="sdpa",
        )
    )
    section = config.optimizer
    betas = (section.adam_beta1, section.adam_beta2)
    optimizer = torch.optim.AdamW(
        network.parameters(), section.lr, betas, section.adam_eps, weight_decay=section.weight_decay, fused=True
    )
    ids = token_batches(config)

    def step() -> float:
        tokens = next(ids)
        labels = tokens[:, 1:].contiguous()
        # Shifted before, as ours are: Hugging Face would shift labels itself and lose the last token.
        loss = network(input_ids=tokens[:, :-1], labels=labels, shift_labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), section.clip_grad)
        optimizer.step()
        return loss.item()

    return step


def token_batches(config: RunConfig) -> Iterator[Any]:
    """Yield the same random token ids [micro_batch_size, seq_length + 1] to both."""
    import torch

    generator = torch.Generator().manual_seed(1)
    shape = (config.training.micro_batch_size, config.dataset.seq_length + 1)
    while True:
        yield torch.randint(config.model.vocab_size, shape, generator=generator)


def serve(
    build: Callable[[RunConfig, ExitStack], Callable[[], float]], config: RunConfig, threads: int, pipe: Connection
) -> None:
    """Build one side; then, whenever told to, take a round of steps and answer (seconds, last loss)."""
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    with ExitStack() as stack:
        step = build(config, stack)
        pipe.send((0.0, step()))
        while pipe.recv():
            begin = time.perf_counter()
            losses = [step() for _ in range(STEPS_A_ROUND)]
            pipe.send((time.perf_counter() - begin, losses[-1]))


def main() -> int:
    """Measure, print, and return 1 when ours is the slower."""
    parser = argparse.ArgumentParser(description="training steps on this CPU against Hugging Face's, pair by pair")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    config = load_config(RECIPE, list(MODEL))
    config = replace(config, parallel=replace(config.parallel, processes=0))
    context = multiprocessing.get_context("spawn")
    sides: dict[str, Connection] = {}
    processes = []
    for name, build in (("ours", our_step), ("hugging face", hugging_face_step)):
        sides[name], theirs = context.Pipe()
        processes.append(context.Process(target=serve, args=(build, config, options.threads, theirs), daemon=True))
        processes[-1].start()
        theirs.close()
    for name, pipe in sides.items():
        print(f"{name}: loss of the first step {pipe.recv()[1]:.4f}")
    tokens = STEPS_A_ROUND * config.training.micro_batch_size * config.dataset.seq_length
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(options.rounds):
        for name, pipe in sides.items():
            pipe.send(True)
            seconds, _loss = pipe.recv()
            rates[name].append(tokens / seconds)
    for process in processes:
        process.kill()
    for name, values in rates.items():
        print(f"{name}: {statistics.median(values):,.0f} tokens/s (median of {options.rounds} rounds, {options.threads} threads)")
    ratio = statistics.median(a / b for a, b in zip(*rates.values(), strict=True))
    print(f"ours / hugging face: {ratio:.2f} (median of the pairs; at least {LEAST_RATIO})")
    return 0 if ratio >= LEAST_RATIO else 1


if __name__ == "__main__":
    sys.exit(main())
