"""The parts of a run, in the order in which they come into being.

Decides: what a run goes on from, and that everything is built before anything is loaded into it.
Does not: contain any of the parts, or run them (``trainer.py``). Imports megatron-core, so the platform is prepared before it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch.distributed as dist
from megatron.core.distributed import DistributedDataParallel
from megatron.core.process_groups_config import ProcessGroupCollection
from megatron.core.transformer import TransformerConfig

from megatron_mathcoder.checkpoint import CheckpointFiles, load_training_state, load_weights, newest_sound_checkpoint
from megatron_mathcoder.config.loader import dump_config
from megatron_mathcoder.config.run_folder import CHECKPOINTS, LOGS, checkpoints_in, checkpoints_meant
from megatron_mathcoder.config.schema import RunConfig
from megatron_mathcoder.dataset.blend import Blend
from megatron_mathcoder.kernels.kernel_set import KernelSet, choose_kernels
from megatron_mathcoder.model.gpt import CausalLM, build_chunks, wrap_chunks
from megatron_mathcoder.model.transformer_config import build_transformer_config
from megatron_mathcoder.parallel import is_writer
from megatron_mathcoder.platforms.interface import Platform
from megatron_mathcoder.trainer.exports import Exports
from megatron_mathcoder.trainer.metrics import Metrics
from megatron_mathcoder.trainer.optimizer import build_optimizer, build_scheduler, set_schedule
from megatron_mathcoder.trainer.run_start import check_start, record_start
from megatron_mathcoder.trainer.stall_watch import StallWatch
from megatron_mathcoder.trainer.state import TrainState
from megatron_mathcoder.trainer.step import StepRunner
from megatron_mathcoder.trainer.step_time import host_names
from megatron_mathcoder.trainer.stop_signal import StopSignal
from megatron_mathcoder.trainer.trainer import Trainer


def build_trainer(
    config: RunConfig, platform: Platform, groups: ProcessGroupCollection, blend: Blend, total_steps: int, stop_signal: StopSignal
) -> Trainer:
    """Build model, optimizer and files, and load what the run goes on from. A collective of all ranks."""
    folder = Path(config.run.folder)
    origin = _find_origin(config, print if is_writer(groups) else _say_nothing)
    changes = check_start(config, blend, origin.resumed, total_steps)

    model = _build_model(config, platform, groups, origin)
    optimizer = build_optimizer(config.optimizer, config.training, config.parallel, model.wrapped, groups, model.kernels)
    scheduler = build_scheduler(config.optimizer, optimizer, total_steps)
    state = TrainState()
    if origin.resumed:
        state = TrainState.from_dict(load_training_state(origin.resumed, config, model.chunks, optimizer))
        set_schedule(config.optimizer, optimizer, scheduler, state.step)

    recipe = dump_config(config)
    metrics = exports = None
    if is_writer(groups):
        record_start(folder, recipe, blend, origin.resumed, changes)
        metrics = Metrics(folder, config.logging, total_steps, state)
        exports = _begin_exports(config, total_steps, metrics)
    is_needed = exports.needs if exports else lambda _path: False
    return Trainer(
        config=config,
        platform=platform,
        groups=groups,
        chunks=model.chunks,
        wrapped=model.wrapped,
        optimizer=optimizer,
        scheduler=scheduler,
        runner=StepRunner(model.wrapped, model.transformer, groups, platform, config.dataset, config.training),
        blend=blend,
        checkpoints=CheckpointFiles(folder / CHECKPOINTS, recipe, config.checkpoint.keep_last, is_needed),
        state=state,
        total_steps=total_steps,
        stop_signal=stop_signal,
        hosts=host_names(),
        metrics=metrics,
        exports=exports,
        stall_watch=StallWatch(folder / LOGS, dist.get_rank(), config.guard.stall_minutes * 60, config.guard.end_on_stall),
    )


class _Origin(NamedTuple):
    """The checkpoint a run goes on from: one of its own, or else the one whose weights it begins with, or none."""

    resumed: Path | None
    initial: Path | None


def _find_origin(config: RunConfig, say: Callable[[str], None]) -> _Origin:
    own = checkpoints_in(Path(config.run.folder) / CHECKPOINTS)[::-1]
    if resumed := newest_sound_checkpoint(own, "run.folder", say):
        return _Origin(resumed, None)
    meant = checkpoints_meant(Path(config.checkpoint.initial)) if config.checkpoint.initial else []
    return _Origin(None, newest_sound_checkpoint(meant, "checkpoint.initial", say))


class _Model(NamedTuple):
    """This rank's part of the decoder, and what it was built with."""

    transformer: TransformerConfig
    kernels: KernelSet
    chunks: list[CausalLM]
    wrapped: list[DistributedDataParallel]
    """The chunks, with their gradient buffers."""


def _build_model(config: RunConfig, platform: Platform, groups: ProcessGroupCollection, origin: _Origin) -> _Model:
    """Build the model; initial weights are loaded before the gradient buffers and the optimizer's master weights are made."""
    transformer = build_transformer_config(
        config.model,
        config.parallel,
        config.training,
        initialize=not any(origin),
        free_sent_tensors=platform.sends_from_queue,
    )
    kernels = choose_kernels(config.platform, platform, config.training.precision)
    chunks = build_chunks(config.model, transformer, groups, kernels, platform.device)
    if origin.initial:
        load_weights(origin.initial, config.model, chunks)
    return _Model(transformer, kernels, chunks, wrap_chunks(chunks, transformer, config.parallel, groups, kernels))


def _begin_exports(config: RunConfig, total_steps: int, metrics: Metrics) -> Exports | None:
    """Return what exports every n-th checkpoint and the last; None when the recipe wants none."""
    interval = config.checkpoint.export_interval_steps
    if not interval:
        return None
    return Exports(Path(config.run.folder), lambda step: step % interval == 0 or step == total_steps, metrics.say)


def _say_nothing(_text: str) -> None:
    """Stand for ``print`` on the ranks that do not speak."""
