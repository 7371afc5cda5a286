"""``mathcoder train``: from a recipe to a run on every rank. It reads like a table of contents.

Decides: when the ranks start, the platform is prepared, the data opened and the groups formed; how long the run is; what is
said of it and how it ends.
Does not: build the run's parts (``build.py``).
"""

import argparse
import math
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from megatron_mathcoder.config.batch import global_batch_size, planned_steps
from megatron_mathcoder.config.errors import TrainingError
from megatron_mathcoder.config.loader import load_config
from megatron_mathcoder.config.notes import notes
from megatron_mathcoder.config.rules import check_steps, check_world_size
from megatron_mathcoder.config.run_folder import LOGS
from megatron_mathcoder.config.schema import RunConfig

if TYPE_CHECKING:
    from megatron.core.process_groups_config import ProcessGroupCollection

    from megatron_mathcoder.dataset.blend import Blend
    from megatron_mathcoder.platforms.ranks import Rank


def run(argv: list[str]) -> int:
    """Run ``mathcoder train``: 0 finished, 85 saved and stopped on a signal."""
    parser = argparse.ArgumentParser(
        prog="mathcoder train",
        description="Train a model from one TOML recipe. Start it alone, by torchrun, or by srun with one task per rank; "
        "--set parallel.processes=N starts N local ranks. A run whose folder exists goes on from its newest checkpoint.",
    )
    parser.add_argument("recipe", help="the run's TOML file")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="replace one key, e.g. optimizer.lr=1e-5")
    arguments = parser.parse_args(argv)
    config = load_config(arguments.recipe, arguments.set)

    from megatron_mathcoder.platforms import local_ranks
    from megatron_mathcoder.platforms.ranks import read_rank

    rank = read_rank()
    if config.parallel.processes > 1 and not rank.init_method:
        check_world_size(config, config.parallel.processes)
        return local_ranks.run(["train", *argv], config.parallel.processes, Path(config.run.folder) / LOGS)
    try:
        return train(config, rank)
    except RuntimeError as error:
        from megatron_mathcoder.platforms.lost_peer import lost_peer

        what = lost_peer(error, config.parallel.distributed_timeout_minutes)
        if not what:
            raise
        raise TrainingError(
            f"rank {rank.rank} of {rank.world_size} {what}; its process, its node or the link to it has failed, its own last "
            "lines say which; started again, by hand or by mathcoder submit, the run goes on from its newest checkpoint"
        ) from error


def train(config: RunConfig, rank: "Rank") -> int:
    """Train on this rank; every rank of the world calls this."""
    from megatron_mathcoder.trainer.stop_signal import STOPPED_EXIT_STATUS, StopSignal

    # First, since what follows takes from seconds to minutes, in which a job may be preempted.
    stop_signal = StopSignal()
    from megatron_mathcoder.platforms.local_ranks import stop_without_starter
    from megatron_mathcoder.platforms.select import select_platform

    stop_without_starter()

    check_world_size(config, rank.world_size)
    platform = select_platform(config.platform, config.parallel, rank)

    # These import megatron-core, which must find the platform prepared.
    from megatron_mathcoder.dataset.blend import open_blend
    from megatron_mathcoder.parallel import process_groups
    from megatron_mathcoder.trainer.build import build_trainer

    blend = open_blend(config.dataset, config.model.vocab_size, config.run.seed)
    total_steps = steps_of_run(config, blend)
    check_steps(config, total_steps)
    with process_groups(platform, config.parallel, rank, config.run.seed) as groups, folder_of(config, groups):
        trainer = build_trainer(config, platform, groups, blend, total_steps, stop_signal)
        if trainer.metrics is None:
            return 0 if trainer.run() else STOPPED_EXIT_STATUS
        with trainer.metrics as metrics, trainer.exports or nullcontext():
            metrics.say(describe(config, blend, total_steps, groups))
            finished = trainer.run()
            metrics.say(f"{'finished' if finished else 'stopped'} at step {trainer.state.step}; run folder {config.run.folder}")
    return 0 if finished else STOPPED_EXIT_STATUS


def folder_of(config: RunConfig, groups: "ProcessGroupCollection") -> AbstractContextManager[None]:
    """Hold the run's folder on the rank that writes there; the others wait for it in their first collective."""
    from megatron_mathcoder.parallel import is_writer
    from megatron_mathcoder.trainer.run_start import LONGEST_PATIENCE_SECONDS, hold_folder

    if not is_writer(groups):
        return nullcontext()
    patience = min(LONGEST_PATIENCE_SECONDS, config.parallel.distributed_timeout_minutes * 60 / 2)
    return hold_folder(Path(config.run.folder), patience, print)


def steps_of_run(config: RunConfig, blend: "Blend") -> int:
    """Return the run's length in optimizer steps, however the recipe states it."""
    if config.training.epochs:
        samples = config.training.epochs * blend.samples_per_epoch
        return math.ceil(samples / global_batch_size(config.training, config.dataset))
    return planned_steps(config.training, config.dataset)


def describe(config: RunConfig, blend: "Blend", total_steps: int, groups: "ProcessGroupCollection") -> str:
    """Return what rank 0 says before the first step: the layout, the length, and each part's share."""
    from megatron_mathcoder.config.architectures import parameter_count

    samples = global_batch_size(config.training, config.dataset)
    sizes = f"TP {groups.tp.size()} × PP {groups.pp.size()} × CP {groups.cp.size()} × DP {groups.dp.size()}"
    length = f"{total_steps} steps of {samples} samples of {config.dataset.seq_length} tokens"
    lines = [
        f"{config.model.architecture}: {parameter_count(config.model):,} parameters, {sizes}, {config.training.precision}",
        f"{length}; an epoch has {blend.samples_per_epoch} samples",
    ]
    for part, drawn in zip(blend.parts, blend.part_samples_per_epoch, strict=True):
        epochs = total_steps * samples / blend.samples_per_epoch * drawn / part.training.num_samples
        held_out = part.validation.num_tokens if part.validation is not None else 0
        padding = 1 - part.training.num_tokens / (part.training.num_samples * config.dataset.seq_length)
        lines.append(
            f"  {part.name}: {part.training.num_tokens:,} tokens, {drawn / blend.samples_per_epoch:.1%} of the samples, "
            f"{epochs:.2f} epochs in this run, {padding:.2%} of an epoch is padding, {held_out:,} tokens held out"
        )
    ranks = groups.dp_cp.size() * groups.tp.size() * groups.pp.size()
    return "\n".join([*lines, *(f"  note: {note}" for note in notes(config, total_steps, ranks))])
