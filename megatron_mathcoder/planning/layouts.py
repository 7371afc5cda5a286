"""Every layout of a run on given GPUs: which the rules allow, which fit, which is fastest.

Decides: which sizes are tried: tensor parallelism inside a node, every pipeline that divides the layers, context parallelism
where samples are long or the recipe has it, every recompute mode, micro-batches of powers of two. The recipe keeps its global
batch, precision, optimizer and overlaps.
Does not: judge rules itself (``config/rules.py``), or change a recipe.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from megatron_mathcoder.config.batch import data_parallel_size, global_batch_size, model_parallel_size, num_microbatches
from megatron_mathcoder.config.errors import ConfigError
from megatron_mathcoder.config.rules import check, check_world_size
from megatron_mathcoder.config.schema import RunConfig
from megatron_mathcoder.planning.memory import RankMemory, rank_memory
from megatron_mathcoder.planning.speed import Machine, StepTime, step_time
from megatron_mathcoder.planning.weights import GRADIENT_BYTES

LARGEST_MICRO_BATCH = 16
SHORTEST_SHARE = 8192
"""Tokens of a sample that are left to a context-parallel rank, at least, in layouts the recipe does not name itself."""
RECOMPUTE_MODES: tuple[Literal["none", "selective", "full"], ...] = ("none", "selective", "full")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One way to run the recipe, with what it costs."""

    config: RunConfig
    data_parallel: int
    num_microbatches: int
    memory: RankMemory
    step: StepTime

    def fits(self, machine: Machine) -> bool:
        """Return whether the fullest rank stays within what a plan may fill."""
        return self.memory.peak <= machine.usable_bytes

    @property
    def name(self) -> str:
        """The layout in one phrase."""
        parallel, training = self.config.parallel, self.config.training
        sequence = " SP" if parallel.sequence_parallel else ""
        chunks = parallel.virtual_pipeline_model_parallel_size
        interleaved = f" VPP {chunks}" if chunks > 1 else ""
        context = f"CP {parallel.context_parallel_size} " if parallel.context_parallel_size > 1 else ""
        return (
            f"TP {parallel.tensor_model_parallel_size}{sequence} PP {parallel.pipeline_model_parallel_size}{interleaved} "
            f"{context}DP {self.data_parallel}, micro-batch {training.micro_batch_size}, recompute {training.recompute}"
        )


def cost(config: RunConfig, machine: Machine) -> Layout:
    """Return what ``config`` costs in its own layout.

    Raises:
        ConfigError: a rule forbids it on this many GPUs.
    """
    config = replace(config, parallel=replace(config.parallel, processes=0))
    check(config)
    check_world_size(config, machine.gpus)
    data_parallel = data_parallel_size(config.parallel, machine.gpus)
    count = num_microbatches(config.training, config.dataset, config.parallel, machine.gpus)
    memory = rank_memory(config, data_parallel, count)
    step = step_time(config, machine, data_parallel, count, memory.gradients // GRADIENT_BYTES)
    return Layout(config=config, data_parallel=data_parallel, num_microbatches=count, memory=memory, step=step)


def allowed_layouts(config: RunConfig, machine: Machine) -> tuple[list[Layout], dict[str, list[str]]]:
    """Return the layouts that the rules allow, fastest first, and why the others are refused: messages by key."""
    refused: dict[str, list[str]] = {}
    allowed = sorted(try_layouts(config, machine, refused), key=lambda layout: (layout.step.total, layout.memory.peak))
    return allowed, refused


def try_layouts(config: RunConfig, machine: Machine, refused: dict[str, list[str]]) -> Iterator[Layout]:
    """Yield the layouts that the rules allow, in no order of merit; put the other's messages into ``refused``, by key."""
    for candidate in _candidates(config, machine):
        try:
            yield cost(candidate, machine)
        except ConfigError as error:
            refused.setdefault(str(error).partition(" ")[0], []).append(str(error))


def _candidates(config: RunConfig, machine: Machine) -> Iterator[RunConfig]:
    largest_in_node = min(machine.gpus, machine.gpus_per_node)
    for tensor in _divisors(largest_in_node):
        for stages in _divisors(config.model.num_layers):
            if machine.gpus // tensor % stages:
                continue
            for chunks in _divisors(config.model.num_layers // stages) if stages > 1 else [1]:
                for sequence in (True, False) if tensor > 1 else (False,):
                    for context in _context_sizes(config, machine.gpus // (tensor * stages)):
                        parallel = replace(
                            config.parallel,
                            tensor_model_parallel_size=tensor,
                            sequence_parallel=sequence,
                            pipeline_model_parallel_size=stages,
                            virtual_pipeline_model_parallel_size=chunks,
                            context_parallel_size=context,
                            processes=0,
                        )
                        yield from _with_batches(replace(config, parallel=parallel), machine.gpus)


def _context_sizes(config: RunConfig, ranks: int) -> list[int]:
    """Return the context-parallel sizes to try: none, the recipe's, and for long samples those that leave each rank some."""
    longest = config.dataset.seq_length // SHORTEST_SHARE
    sizes = {1, config.parallel.context_parallel_size, *(2**power for power in range(longest.bit_length()) if longest > 1)}
    return sorted(size for size in sizes if size <= ranks and ranks % size == 0)


def _with_batches(config: RunConfig, gpus: int) -> Iterator[RunConfig]:
    per_rank = global_batch_size(config.training, config.dataset) // max(gpus // model_parallel_size(config.parallel), 1)
    sizes = {2**power for power in range(LARGEST_MICRO_BATCH.bit_length())} | {config.training.micro_batch_size}
    for micro_batch_size in sorted(size for size in sizes if size <= max(per_rank, 1)):
        for recompute in RECOMPUTE_MODES:
            training = replace(config.training, micro_batch_size=micro_batch_size, recompute=recompute)
            if recompute != config.training.recompute:
                training = replace(training, recompute_num_layers=1)
            yield replace(config, training=training)


def why_not(layout: Layout, machine: Machine, others: list[Layout]) -> str:
    """Return why a layout does not fit: how much is too much, its largest term, and the nearest change that fits."""
    memory = layout.memory
    over = memory.peak - machine.usable_bytes
    terms = ("weights", "gradients", "optimizer", "activations", "logits", "recomputed", "workspace", "communication")
    largest = max(terms, key=lambda term: getattr(memory, term))
    text = f"{gib(over)} too much, of which {largest} are {gib(getattr(memory, largest))}"
    # With nothing else in it a rank still holds these.
    if memory.weights + memory.gradients + memory.optimizer > machine.usable_bytes:
        return f"{text}; weights, gradients and optimizer alone do not fit: more TP, PP or DP"
    same = [other for other in others if other.fits(machine) and other.config.parallel == layout.config.parallel]
    if not same:
        return f"{text}; no micro-batch or recompute mode makes it fit"
    change = same[0].config.training
    parts = []
    if change.micro_batch_size != layout.config.training.micro_batch_size:
        parts.append(f"micro-batch {change.micro_batch_size}")
    if change.recompute != layout.config.training.recompute:
        parts.append(f"recompute {change.recompute}")
    return f"{text}; fits with {' and '.join(parts)}"


def gib(count: float) -> str:
    """Return bytes as GiB, with the unit that suits small ones."""
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 / 10 else f"{count / 2**20:.1f} MiB"


def _divisors(value: int) -> list[int]:
    return [each for each in range(1, value + 1) if value % each == 0]
