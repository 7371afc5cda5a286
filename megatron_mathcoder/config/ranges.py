"""The range of every number a recipe has.

Decides: the smallest and largest value of each key by itself. Does not: compare keys with each other (``rules``).
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from megatron_mathcoder.config.schema import RunConfig


class Range(NamedTuple):
    """The values from ``low`` to ``high``, each end itself allowed or not."""

    low: float
    high: float = math.inf
    with_low: bool = True
    with_high: bool = True

    def __contains__(self, value: object) -> bool:
        """Return whether a number lies in the range."""
        assert isinstance(value, (int, float))
        above = value >= self.low if self.with_low else value > self.low
        below = value <= self.high if self.with_high else value < self.high
        return above and below

    def __str__(self) -> str:
        """Return the range in words that follow "must be"."""
        above = f"at least {self.low}" if self.with_low else f"greater than {self.low}"
        if self.high == math.inf:
            return above
        return f"{above} and {'at most' if self.with_high else 'less than'} {self.high}"


COUNT = Range(1)
COUNT_OR_OFF = Range(0)
POSITIVE = Range(0, with_low=False)
SHARE = Range(0, 1, with_high=False)
SMALL = Range(0, 0.1, with_low=False)
"""Epsilons: 1e5 for 1e-5 is a typing error that trains on, to nothing."""

RANGES: dict[str, Range] = {
    # The seeds of NumPy's generators, which shuffle the data, have 32 bits.
    "run.seed": Range(0, 2**32 - 1),
    "parallel.processes": COUNT_OR_OFF,
    "parallel.tensor_model_parallel_size": COUNT,
    "parallel.pipeline_model_parallel_size": COUNT,
    "parallel.virtual_pipeline_model_parallel_size": COUNT,
    "parallel.context_parallel_size": COUNT,
    "parallel.distributed_timeout_minutes": POSITIVE,
    "model.num_layers": COUNT,
    "model.hidden_size": COUNT,
    "model.ffn_hidden_size": COUNT,
    "model.num_attention_heads": COUNT,
    "model.num_query_groups": COUNT,
    "model.kv_channels": COUNT,
    "model.vocab_size": COUNT,
    "model.max_position_embeddings": COUNT,
    "model.rotary_base": COUNT,
    "model.rope_scaling_factor": COUNT_OR_OFF,
    "model.layernorm_epsilon": SMALL,
    "model.sliding_window": COUNT_OR_OFF,
    "model.init_method_std": Range(0, 1, with_low=False),
    "model.make_vocab_size_divisible_by": COUNT,
    "dataset.seq_length": COUNT,
    "dataset.blend.*.epochs": POSITIVE,
    "dataset.blend.*.weight": COUNT_OR_OFF,
    "dataset.validation_fraction": SHARE,
    "training.micro_batch_size": COUNT,
    "training.global_batch_size": COUNT_OR_OFF,
    "training.global_batch_tokens": COUNT_OR_OFF,
    "training.steps": COUNT_OR_OFF,
    "training.tokens": COUNT_OR_OFF,
    "training.epochs": COUNT_OR_OFF,
    "training.recompute_num_layers": COUNT,
    "optimizer.lr": Range(0, 1, with_low=False),
    "optimizer.min_lr": COUNT_OR_OFF,
    "optimizer.lr_warmup_steps": COUNT_OR_OFF,
    "optimizer.lr_decay_steps": COUNT_OR_OFF,
    "optimizer.wsd_decay_steps": COUNT_OR_OFF,
    "optimizer.weight_decay": COUNT_OR_OFF,
    "optimizer.adam_beta1": SHARE,
    "optimizer.adam_beta2": SHARE,
    "optimizer.adam_eps": SMALL,
    "optimizer.clip_grad": COUNT_OR_OFF,
    "validation.interval_steps": COUNT_OR_OFF,
    "validation.samples": COUNT_OR_OFF,
    "checkpoint.interval_steps": COUNT_OR_OFF,
    "checkpoint.keep_last": COUNT_OR_OFF,
    "checkpoint.export_interval_steps": COUNT_OR_OFF,
    "guard.spike_sigma": COUNT_OR_OFF,
    # Of one or two losses there is no deviation to speak of.
    "guard.spike_window_steps": Range(3),
    "guard.rewind_after_skips": COUNT_OR_OFF,
    "guard.max_rewinds": COUNT_OR_OFF,
    "guard.stall_minutes": COUNT_OR_OFF,
}
"""The range of each numeric key by its path; ``*`` stands for every element. A test keeps it complete."""


def values_at(config: RunConfig, pattern: str) -> Iterator[tuple[str, Any]]:
    """Yield the path and the value of every key that ``pattern`` names."""
    found: list[tuple[str, Any]] = [("", config)]
    for name in pattern.split("."):
        if name == "*":
            found = [(f"{path}.{index}", element) for path, value in found for index, element in enumerate(value)]
        else:
            found = [(f"{path}.{name}" if path else name, getattr(value, name)) for path, value in found]
    yield from found
