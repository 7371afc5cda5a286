"""One optimizer step, and one forward pass without it.

Decides: the loss (sum over unmasked tokens of all ranks divided by their number), the order of a step's parts, and that the CPU
waits for the device once between the first micro-batch and the update, for the numbers by which a step is judged.
Gradients are sums over tokens until the update reads them: dividing them before is a pass over all of them.
Does not: choose data, log, or save.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from megatron.core.distributed import DistributedDataParallel, finalize_model_grads
from megatron.core.optimizer import MegatronOptimizer
from megatron.core.pipeline_parallel import get_forward_backward_func
from megatron.core.pipeline_parallel.p2p_communication import P2PCommunicator
from megatron.core.process_groups_config import ProcessGroupCollection
from megatron.core.transformer import TransformerConfig
from torch import Tensor

from megatron_mathcoder.config.schema import DatasetSection, TrainingSection
from megatron_mathcoder.dataset.batch import MicroBatch
from megatron_mathcoder.model.attention import DocumentBounds
from megatron_mathcoder.platforms.interface import Platform
from megatron_mathcoder.trainer.optimizer import gradient_norm, scale_gradients
from megatron_mathcoder.trainer.step_time import StepClock, StepSeconds

BatchFactory = Callable[[], Iterator[MicroBatch]]
"""Starts the micro-batches of one step from the beginning; every pipeline chunk reads its own copy."""


Judge = Callable[[float, float], str]
"""Takes the loss and the gradient norm, and returns why they must not change the weights, or ""."""


class StepResult(NamedTuple):
    """The same on every rank, but for the seconds."""

    loss: float
    grad_norm: float
    skipped: str
    """Why the weights were left as they were, or ""."""
    seconds: StepSeconds


class StepRunner:
    """Runs megatron-core's pipeline schedule over this rank's chunks."""

    def __init__(
        self,
        chunks: list[DistributedDataParallel],
        transformer: TransformerConfig,
        groups: ProcessGroupCollection,
        platform: Platform,
        dataset: DatasetSection,
        training: TrainingSection,
    ) -> None:
        """Wire the schedule's hooks to the chunks and choose the schedule from the groups."""
        self._chunks = chunks
        self._groups = groups
        self._device = platform.device
        self._clock = StepClock(platform)
        _connect_gradient_hooks(transformer, chunks)
        transformer.finalize_model_grads_func = self._finalize_gradients
        pipelined = groups.pp.size() > 1
        self._run_schedule = partial(
            get_forward_backward_func(groups.pp.size(), transformer.virtual_pipeline_model_parallel_size),
            forward_step_func=_forward_step,
            model=chunks,
            seq_length=dataset.seq_length,
            micro_batch_size=training.micro_batch_size,
            p2p_communicator=P2PCommunicator(pp_group=groups.pp, config=transformer) if pipelined else None,
            pg_collection=groups,
        )

    def train(self, batches: BatchFactory, num_microbatches: int, optimizer: MegatronOptimizer, judge: Judge) -> StepResult:
        """Forward, backward, reduce and, unless ``judge`` objects, clip and update.

        Returns the loss before the update and the norm before clipping.
        """
        self._clock.start()
        for chunk in self._chunks:
            chunk.zero_grad_buffer()
        optimizer.zero_grad()
        total, tokens = self._loss_and_tokens(self._forward_backward(batches, num_microbatches, forward_only=False))
        self._clock.loss_summed()
        optimizer.prepare_grads()
        norm = gradient_norm(optimizer, self._device)
        loss, grad_norm, num_tokens = torch.stack((total / tokens, norm / tokens, tokens)).tolist()
        skipped = judge(loss, grad_norm)
        if not skipped:
            scale_gradients(optimizer, grad_norm, num_tokens)
            optimizer.step_with_ready_grads()
        return StepResult(loss, grad_norm, skipped, self._clock.stop())

    def evaluate(self, batches: BatchFactory, num_microbatches: int) -> float:
        """Return the mean loss over all unmasked tokens of the micro-batches of all ranks."""
        for chunk in self._chunks:
            chunk.eval()
        try:
            with torch.no_grad():
                total, tokens = self._loss_and_tokens(self._forward_backward(batches, num_microbatches, forward_only=True))
                return (total / tokens).item()
        finally:
            for chunk in self._chunks:
                chunk.train()

    def _forward_backward(self, batches: BatchFactory, num_microbatches: int, forward_only: bool) -> list[dict[str, Tensor]]:
        return self._run_schedule(
            data_iterator=[self._clock.reading(batches()) for _ in self._chunks],
            num_microbatches=num_microbatches,
            forward_only=forward_only,
        )

    def _finalize_gradients(self, chunks: list[torch.nn.Module], _num_tokens: Tensor, **options: Any) -> None:
        """Reduce gradients over ranks; without the number of tokens they are not divided by it."""
        self._clock.gradients_complete()
        # Alone, a rank's sum is its own: an all-reduce of one does nothing, where gloo's reduce-scatter copies every gradient.
        alone = {"force_all_reduce": True} if self._groups.dp_cp.size() == 1 else {}
        finalize_model_grads(chunks, **(options | alone))

    def _loss_and_tokens(self, losses: list[dict[str, Tensor]]) -> Tensor:
        """Sum both, fp64, over micro-batches and data-parallel ranks on the last stage, then tell the other stages."""
        total = torch.zeros(2, dtype=torch.float64, device=self._device)
        for row in losses:
            total += row["sum_and_tokens"]
        dist.all_reduce(total, group=self._groups.dp_cp)
        last_stage = dist.get_process_group_ranks(self._groups.pp)[-1]
        dist.broadcast(total, src=last_stage, group=self._groups.pp)
        return total


def _forward_step(batches: Iterator[MicroBatch], chunk: torch.nn.Module) -> tuple[Tensor, Callable[..., Any]]:
    """megatron-core's forward step: the chunk's output and, for the last stage, what to do with it."""
    batch = next(batches)
    documents = DocumentBounds(starts=batch.document_starts)
    # Causality is built into our attention, so no mask is passed.
    output = chunk(batch.tokens, batch.positions, None, labels=batch.labels, packed_seq_params=documents)
    return output, partial(_loss, batch.loss_mask)


def _loss(loss_mask: Tensor, token_losses: Tensor) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Return the sum of unmasked token losses, their number, and both for the log.

    Of three values megatron-core leaves the first as it is; with two it would average averages, and multiply by the
    context-parallel size.
    """
    total = (token_losses.float() * loss_mask).sum()
    tokens = loss_mask.sum()
    report = torch.stack([total.detach().double(), tokens.double()])
    return total, tokens.to(torch.int), {"sum_and_tokens": report}


def _connect_gradient_hooks(transformer: TransformerConfig, chunks: list[DistributedDataParallel]) -> None:
    """Tell megatron-core's schedule when gradients may be reduced."""
    if chunks[0].ddp_config.overlap_grad_reduce:
        no_sync = [chunk.no_sync for chunk in chunks]
        transformer.no_sync_func = no_sync if len(chunks) > 1 else no_sync[0]
        # Interleaved stages reduce at the same points of the schedule, or ranks of one data-parallel group would meet in
        # different orders.
        if len(chunks) > 1:
            transformer.grad_sync_func = [chunk.start_grad_sync for chunk in chunks]
    if chunks[0].ddp_config.overlap_param_gather and len(chunks) > 1:
        transformer.param_sync_func = [chunk.start_param_sync for chunk in chunks]
