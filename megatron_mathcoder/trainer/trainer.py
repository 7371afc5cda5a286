"""The training loop.

Decides: the order of a run: steps, validations, saves, and when it ends.
Does not: build its parts (``main.py``) or know what happens inside a step (``step.py``).
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch.distributed as dist
from megatron.core.distributed import DistributedDataParallel
from megatron.core.optimizer import MegatronOptimizer
from megatron.core.optimizer_param_scheduler import OptimizerParamScheduler
from megatron.core.process_groups_config import ProcessGroupCollection

from megatron_mathcoder.checkpoint import CheckpointFiles
from megatron_mathcoder.config.batch import global_batch_size
from megatron_mathcoder.config.errors import TrainingError
from megatron_mathcoder.config.flops import training_flops_per_token
from megatron_mathcoder.config.schema import RunConfig
from megatron_mathcoder.dataset.batch import BatchShape, MicroBatch, micro_batches
from megatron_mathcoder.dataset.blend import Blend
from megatron_mathcoder.dataset.token_stream import Sample
from megatron_mathcoder.model.gpt import CausalLM
from megatron_mathcoder.parallel import sequence_chunks
from megatron_mathcoder.platforms.interface import Platform
from megatron_mathcoder.trainer.metrics import Metrics
from megatron_mathcoder.trainer.state import TrainState
from megatron_mathcoder.trainer.step import StepResult, StepRunner
from megatron_mathcoder.trainer.stop_signal import StopSignal
from megatron_mathcoder.trainer.validation import held_out_streams, sample_or_blank, samples_to_use


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
    metrics: Metrics | None
    """On rank 0 only."""

    def run(self) -> bool:
        """Train to the last step. Returns False if a signal ended the run before it, after a save.

        Raises:
            TrainingError: the loss or the gradient is not finite.
        """
        if self.state.step == 0:
            self._validate()
        while self.state.step < self.total_steps:
            self._step()
            # Before the save: what a checkpoint's step has written is complete when the checkpoint is.
            if self._is_due(self.config.validation.interval_steps):
                self._validate()
            stopping = self.stop_signal.agreed()
            if stopping or self._is_due(self.config.checkpoint.interval_steps):
                self._save()
            if stopping:
                break
        return self.state.step == self.total_steps

    def _is_due(self, interval: int) -> bool:
        """Return whether something that happens every ``interval`` steps (0 = never), and at the end, happens after this one."""
        return self.state.step == self.total_steps or (interval > 0 and self.state.step % interval == 0)

    def _step(self) -> None:
        self.platform.synchronize()
        started = time.perf_counter()
        learning_rate = max(group["lr"] for group in self.optimizer.param_groups)
        samples = global_batch_size(self.config.training, self.config.dataset)
        num_microbatches = samples // self._samples_at_once
        batches = partial(self._batches, self.blend.sample, self.state.consumed_samples, num_microbatches)
        result = self.runner.train(batches, num_microbatches, self.optimizer)
        self.scheduler.step(increment=1)
        self.state.advance(samples, samples * self.config.dataset.seq_length)
        self._refuse_nonfinite(result)
        self.platform.synchronize()
        self._log_step(result, learning_rate, time.perf_counter() - started)

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

    def _refuse_nonfinite(self, result: StepResult) -> None:
        if not (math.isfinite(result.loss) and math.isfinite(result.grad_norm)):
            raise TrainingError(
                f"step {self.state.step}: loss {result.loss}, grad norm {result.grad_norm}; this step's weights are lost; "
                "lower optimizer.lr or look at this step's data, and start the run again: it resumes from its last checkpoint"
            )

    def _log_step(self, result: StepResult, learning_rate: float, seconds: float) -> None:
        if self.metrics is None:
            return
        tokens = global_batch_size(self.config.training, self.config.dataset) * self.config.dataset.seq_length
        rate = tokens / seconds
        peak = self.platform.peak_flops()
        flops = rate * training_flops_per_token(self.config.model, self.config.dataset.seq_length)
        row = {
            "step": self.state.step,
            "loss": result.loss,
            "grad_norm": result.grad_norm,
            "learning_rate": learning_rate,
            "consumed_tokens": self.state.consumed_tokens,
            "consumed_samples": self.state.consumed_samples,
            "tokens_per_second": rate,
            "seconds": seconds,
        }
        self.metrics.log_step(row, flops / (peak * dist.get_world_size()) if peak else None)

    def _validate(self) -> None:
        """Measure the held-out loss of every part."""
        if not self.config.validation.interval_steps:
            return
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

    def _save(self) -> None:
        self._synchronize_parameters()
        path = self.checkpoints.save(self.chunks, self.optimizer, self.state.to_dict(), self.state.step)
        if self.metrics is not None:
            self.metrics.say(f"step {self.state.step}: saved {path}")

    def _synchronize_parameters(self) -> None:
        """Finish the gathering of updated parameters that would otherwise overlap with the next forward pass.

        Without it a save would hold the parameters of the step before, while the optimizer's masters are right.
        """
        if self.config.parallel.overlap_param_gather:
            for chunk in self.wrapped:
                chunk.disable_forward_pre_hook(param_sync=True)
                chunk.enable_forward_pre_hook()
