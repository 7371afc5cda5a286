"""The row of ``metrics.jsonl`` that a step leaves.

Decides: its columns and what each is computed from (``docs/train.md`` explains them).
Does not: write it (``metrics.py``), or take the times (``step_time.py``).
"""

import math

import torch.distributed as dist

from megatron_mathcoder.config.batch import global_batch_size
from megatron_mathcoder.config.flops import training_flops_per_token
from megatron_mathcoder.config.schema import RunConfig
from megatron_mathcoder.platforms.interface import Platform
from megatron_mathcoder.trainer.metrics import Row
from megatron_mathcoder.trainer.state import TrainState
from megatron_mathcoder.trainer.step import StepResult
from megatron_mathcoder.trainer.step_time import SlowestRank


def step_row(
    config: RunConfig,
    platform: Platform,
    state: TrainState,
    result: StepResult,
    slowest: SlowestRank,
    learning_rate: float,
    seconds: float,
) -> Row:
    """Return the row of the step that led to ``state`` and took ``seconds``, without the waiting before it."""
    rate = global_batch_size(config.training, config.dataset) * config.dataset.seq_length / seconds
    peak = platform.peak_flops()
    flops = rate * training_flops_per_token(config.model, config.dataset.seq_length)
    until_loss = result.seconds.data + result.seconds.forward_backward
    # The slowest reader keeps all ranks waiting.
    data = min(slowest.data, until_loss)
    return {
        "step": state.step,
        "loss": _number(result.loss),
        "grad_norm": _number(result.grad_norm),
        "learning_rate": learning_rate,
        "skipped": int(bool(result.skipped)),
        "consumed_tokens": state.consumed_tokens,
        "consumed_samples": state.consumed_samples,
        "tokens_per_second": rate,
        "mfu": flops / (peak * dist.get_world_size()) if peak else None,
        "seconds": seconds,
        "data_seconds": data,
        "forward_backward_seconds": until_loss - data,
        "optimizer_seconds": result.seconds.optimizer,
        "slowest_rank": slowest.rank,
        "slowest_over_median": slowest.over_median,
    }


def _number(value: float) -> float | None:
    """JSON has no word for what is not finite."""
    return value if math.isfinite(value) else None
