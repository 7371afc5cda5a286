"""The training loop.

Decides: the order of a run: steps, validations, saves, and when it ends.
Does not: build its parts (``build.py``) or know what happens inside a step (``step.py``).
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from megatron.core.distributed import DistributedDataParallel
from megatron.core.optimizer import MegatronOptimizer
from megatron.core.optimizer_param_scheduler import OptimizerParamScheduler
from megatron.core.process_groups_config import ProcessGroupCollection

from megatron_mathcoder.checkpoint import CheckpointFiles, load_training_state, newest_sound_checkpoint
from megatron_mathcoder.config.batch import global_batch_size
from megatron_mathcoder.config.errors import TrainingError
from megatron_mathcoder.config.run_folder import EVENTS_FILE, checkpoint_step, checkpoints_in
from megatron_mathcoder.config.schema import RunConfig
from megatron_mathcoder.dataset.batch import BatchShape, MicroBatch, micro_batches
from megatron_mathcoder.dataset.blend import Blend
from megatron_mathcoder.dataset.token_stream import Sample
from megatron_mathcoder.model.gpt import CausalLM
from megatron_mathcoder.parallel import sequence_chunks
from megatron_mathcoder.platforms.interface import Platform
from megatron_mathcoder.trainer.exports import Exports
from megatron_mathcoder.trainer.guard import must_rewind, reason_to_skip, remember
from megatron_mathcoder.trainer.metrics import Metrics
from megatron_mathcoder.trainer.optimizer import set_schedule
from megatron_mathcoder.trainer.stall_watch import StallWatch
from megatron_mathcoder.trainer.state import TrainState
from megatron_mathcoder.trainer.step import StepResult, StepRunner
from megatron_mathcoder.trainer.step_row import step_row
from megatron_mathcoder.trainer.step_time import slowest_rank
from megatron_mathcoder.trainer.stop_signal import StopSignal
from megatron_mathcoder.trainer.validation import held_out_streams, sample_or_blank, samples_to_use

SLOW_RANK = 1.2
"""A rank is named in the terminal when its own time is this multiple of the median rank's."""


@dataclass(slots=True, kw_only=True)
class Trainer:
    """The parts of a run, and the loop over them."""

    config: RunConfig
    platform: Platform
    groups: ProcessGroupCollection
    chunks: list[CausalLM]
    wrapped: list[DistributedDataParallel]
    optimizer: MegatronOptimizer
    scheduler: OptimizerParamScheduler
    runner: StepRunner
    blend: Blend
    checkpoints: CheckpointFiles
    state: TrainState
    total_steps: int
    stop_signal: StopSignal
    hosts: list[str]
    """Of each rank."""
    metrics: Metrics | None
    """On rank 0 only."""
    exports: Exports | None
    """On rank 0 only, and only if the recipe wants any."""
    stall_watch: StallWatch
    _blocked: dict[str, float] = field(default_factory=lambda: {"save_seconds": 0.0, "validation_seconds": 0.0})
    """Seconds since the last row of the metrics in which training waited for a save or a validation."""

    def run(self) -> bool:
        """Train to the last step. Returns False if a signal ended the run before it, after a save.

        Raises:
            TrainingError: so many steps in a row were skipped that the run cannot go on.
        """
        with self.stall_watch:
            if self.state.step == 0:
                self._validate()
            while self.state.step < self.total_steps:
                self._step()
                if must_rewind(self.config.guard, self.state):
                    self._rewind()
                elif self._settle():
                    break
            self._finish_save()
        if self._is_last and self.exports is not None:
            self.exports.finish()
        return self._is_last

    def _settle(self) -> bool:
        """Do what is due after a step; return whether the run is to stop."""
        # Before the save: what a checkpoint's step has written is complete when the checkpoint is.
        if self._is_due(self.config.validation.interval_steps):
            self._validate()
        stopping, writing = self.stop_signal.agreed(self.platform.device, unwritten=not self.checkpoints.is_written())
        if not writing:
            self._finish_save()
        # Skipped steps leave the weights as they are, and a rewind looks for a checkpoint before them.
        due = self._is_due(self.config.checkpoint.interval_steps) and not (self.state.skipped_in_row and not self._is_last)
        if stopping or due:
            self._save(wait=stopping or not self.config.checkpoint.in_background)
        if self.exports is not None:
            self.exports.poll()
        return stopping

    @property
    def _is_last(self) -> bool:
        return self.state.step == self.total_steps

    def _is_due(self, interval: int) -> bool:
        """Return whether something that happens every ``interval`` steps (0 = never), and at the end, happens after this one."""
        return self._is_last or (interval > 0 and self.state.step % interval == 0)

    def _step(self) -> None:
        started = time.perf_counter()
        learning_rate = max(group["lr"] for group in self.optimizer.param_groups)
        samples = global_batch_size(self.config.training, self.config.dataset)
        num_microbatches = samples // self._samples_at_once
        batches = partial(self._batches, self.blend.sample, self.state.consumed_samples, num_microbatches)
        judge = partial(reason_to_skip, self.config.guard, self.state)
        result = self.runner.train(batches, num_microbatches, self.optimizer, judge)
        self.scheduler.step(increment=1)
        self.state.advance(samples, samples * self.config.dataset.seq_length)
        remember(self.config.guard, self.state, result.loss, bool(result.skipped))
        self._log_step(result, learning_rate, time.perf_counter() - started)
        if result.skipped:
            self._log_skip(result, samples)
        self.stall_watch.alive(f"step {self.state.step}")

    def _batches(self, read_sample: Callable[[int], Sample], first_sample: int, num_microbatches: int) -> Iterator[MicroBatch]:
        shape = BatchShape(
            micro_batch_size=self.config.training.micro_batch_size,
            data_parallel_rank=self.groups.dp.rank(),
            data_parallel_size=self.groups.dp.size(),
            chunks=tuple(sequence_chunks(self.config.dataset.seq_length, self.groups.cp)),
            document_mask=self.config.dataset.document_mask,
            device=self.platform.device,
        )
        return micro_batches(read_sample, first_sample, num_microbatches, shape)

    @property
    def _samples_at_once(self) -> int:
        return self.config.training.micro_batch_size * self.groups.dp.size()

    def _log_step(self, result: StepResult, learning_rate: float, seconds: float) -> None:
        slowest = slowest_rank(result.seconds, self.platform.device)
        blocked, self._blocked = self._blocked, dict.fromkeys(self._blocked, 0.0)
        if self.metrics is None:
            return
        row = step_row(self.config, self.platform, self.state, result, slowest, learning_rate, seconds)
        host = f"rank {slowest.rank} on {self.hosts[slowest.rank]} {slowest.over_median:.1f} × the median's time"
        self.metrics.log_step(row | blocked, host if slowest.over_median >= SLOW_RANK else "")

    def _log_skip(self, result: StepResult, samples: int) -> None:
        if self.metrics is None:
            return
        first = self.state.consumed_samples - samples
        event = {
            "event": "skip",
            "step": self.state.step,
            "reason": result.skipped,
            "first_sample": first,
            "consumed_samples": self.state.consumed_samples,
            "documents": self.blend.documents(first, samples),
        }
        self.metrics.log_event(event, f"step {self.state.step}: skipped, {result.skipped}; its documents are in {EVENTS_FILE}")

    def _rewind(self) -> None:
        """Go back to the last good checkpoint, and on with the data after this step (as PaLM did, Chowdhery et al. 2022, 5.1).

        Going back alone would change nothing: the same data would lead to the same weights.

        Raises:
            TrainingError: there is no checkpoint to go back to, or the run has gone back too often.
        """
        self._finish_save()
        good_step = self.state.step - self.state.skipped_in_row
        good = [path for path in checkpoints_in(self.checkpoints.folder) if checkpoint_step(path) <= good_step]
        checkpoint = newest_sound_checkpoint(good[::-1], "run.folder", self._say)
        what = f"step {self.state.step}: {self.state.skipped_in_row} steps in a row were skipped"
        remedy = f"lower optimizer.lr, or leave out the documents that {EVENTS_FILE} names"
        if checkpoint is None:
            raise TrainingError(f"{what}, and there is no checkpoint before them (checkpoint.interval_steps); {remedy}")
        if self.state.rewinds >= self.config.guard.max_rewinds:
            raise TrainingError(f"{what}, after {self.state.rewinds} rewinds (guard.max_rewinds); {remedy}")
        self._synchronize_parameters()
        abandoned = self.state
        counters = load_training_state(checkpoint, self.config, self.chunks, self.optimizer)
        self.state = abandoned.rewound_to(TrainState.from_dict(counters))
        set_schedule(self.config.optimizer, self.optimizer, self.scheduler, self.state.step)
        if self.exports is not None:
            self.exports.discard_after(self.state.step)
        self.checkpoints.discard_after(self.state.step)
        if self.metrics is not None:
            event = {
                "event": "rewind",
                "step": abandoned.step,
                "to_step": self.state.step,
                "first_sample": int(counters["consumed_samples"]),
                "consumed_samples": abandoned.consumed_samples,
            }
            self.metrics.rewind(self.state.step, abandoned.consumed_samples)
            self.metrics.log_event(event, f"{what}; back to step {self.state.step}, without the data since")
        self.stall_watch.alive(f"the rewind to step {self.state.step}")

    def _say(self, text: str) -> None:
        if self.metrics is not None:
            self.metrics.say(text)

    def _validate(self) -> None:
        """Measure the held-out loss of every part."""
        if not self.config.validation.interval_steps:
            return
        started = time.perf_counter()
        self._synchronize_parameters()
        for name, stream in held_out_streams(self.blend):
            count = samples_to_use(self.config.validation, stream)
            num_microbatches = -(-count // self._samples_at_once)
            # The interleaved schedule wants whole groups of micro-batches.
            num_microbatches += -num_microbatches % self.groups.pp.size()
            read = partial(sample_or_blank, stream, count=count)
            loss = self.runner.evaluate(partial(self._batches, read, 0, num_microbatches), num_microbatches)
            if self.metrics is not None:
                self.metrics.log_validation(self.state.step, name, loss, count)
            self.stall_watch.alive(f"the validation on {name} after step {self.state.step}")
        self._blocked["validation_seconds"] += time.perf_counter() - started

    def _save(self, wait: bool) -> None:
        self._finish_save()
        started = time.perf_counter()
        self._synchronize_parameters()
        self.checkpoints.start_save(self.chunks, self.optimizer, self.state.to_dict(), self.state.step)
        self._blocked["save_seconds"] += time.perf_counter() - started
        if wait:
            self._finish_save()

    def _finish_save(self) -> None:
        """Wait for the save that is being written, if there is one."""
        if not self.checkpoints.is_saving:
            return
        started = time.perf_counter()
        path = self.checkpoints.finish_save()
        self._blocked["save_seconds"] += time.perf_counter() - started
        self._say(f"step {checkpoint_step(path)}: saved {path}")
        self.stall_watch.alive(f"the save of {path.name}")
        if self.exports is not None:
            self.exports.add(path)

    def _synchronize_parameters(self) -> None:
        """Finish the gathering of updated parameters that would otherwise overlap with the next forward pass.

        Without it a save would hold the parameters of the step before, while the optimizer's masters are right.
        """
        if self.config.parallel.overlap_param_gather:
            for chunk in self.wrapped:
                chunk.disable_forward_pre_hook(param_sync=True)
                chunk.enable_forward_pre_hook()
