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
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

from training_steps import Step, hugging_face_step, our_step

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
    "training.global_batch_size=4",
    "dataset.blend.0.prefix=unused",
    "dataset.tokenizer=",
    "run.folder=unused",
)
STEPS_A_ROUND = 3


def serve(build: Callable[[RunConfig, ExitStack], Step], config: RunConfig, threads: int, pipe: Connection) -> None:
    """Build one side; then, whenever told to, take a round of steps and answer (seconds, CPU-seconds, last loss)."""
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    with ExitStack() as stack:
        step = build(config, stack)
        pipe.send((0.0, 0.0, step()))
        while pipe.recv():
            begin, begin_cpu = time.perf_counter(), time.process_time()
            losses = [step() for _ in range(STEPS_A_ROUND)]
            pipe.send((time.perf_counter() - begin, time.process_time() - begin_cpu, losses[-1]))


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
        print(f"{name}: loss of the first step {pipe.recv()[2]:.4f}")
    tokens = STEPS_A_ROUND * config.training.micro_batch_size * config.dataset.seq_length
    rates: dict[str, list[float]] = {name: [] for name in sides}
    cpu_seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(options.rounds):
        for name, pipe in sides.items():
            pipe.send(True)
            seconds, cpu, _loss = pipe.recv()
            rates[name].append(tokens / seconds)
            cpu_seconds[name].append(cpu)
    for process in processes:
        process.kill()
    for name, values in rates.items():
        print(f"{name}: {statistics.median(values):,.0f} tokens/s (median of {options.rounds} rounds, {options.threads} threads)")
    ratio = statistics.median(a / b for a, b in zip(*rates.values(), strict=True))
    ours, theirs = (statistics.median(values) for values in cpu_seconds.values())
    print(f"CPU-seconds a round, a busy machine's measure: ours {ours:.2f}, hugging face {theirs:.2f} ({theirs / ours:.2f})")
    print(f"ours / hugging face: {ratio:.2f} (median of the pairs; at least {LEAST_RATIO})")
    return 0 if ratio >= LEAST_RATIO else 1


if __name__ == "__main__":
    sys.exit(main())
