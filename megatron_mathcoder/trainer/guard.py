"""Whether a step's loss and gradient are fit to change the weights.

Decides: which steps are skipped: a loss or gradient norm that is not finite, or a loss too far above the running mean of those
before it; and when so many in a row mean that the weights themselves have gone wrong.
Does not: load a checkpoint or move the data on; the trainer does (``trainer.py``).

The running mean and variance are exact over the first ``spike_window_steps`` good steps and forget exponentially after them. A
skipped step does not enter them. All of it is in the checkpoint (``state.py``), so a resumed run judges as the uninterrupted one.
"""

import math

from megatron_mathcoder.config.schema import GuardSection
from megatron_mathcoder.trainer.state import TrainState

SMALLEST_SIGMA = 0.005
"""A deviation is taken to be at least this share of the mean: losses that hardly vary would make spikes of noise."""


def reason_to_skip(section: GuardSection, state: TrainState, loss: float, grad_norm: float) -> str:
    """Return why this step must not change the weights, or "". The same on every rank, since loss and norm are."""
    if not math.isfinite(loss):
        return f"loss {loss}"
    if not math.isfinite(grad_norm):
        return f"gradient norm {grad_norm}"
    if not section.spike_sigma or state.judged_steps < section.spike_window_steps:
        return ""
    sigma = max(math.sqrt(state.loss_variance), SMALLEST_SIGMA * abs(state.loss_mean))
    deviations = (loss - state.loss_mean) / sigma
    if deviations <= section.spike_sigma:
        return ""
    return f"loss {loss:.4f} is {deviations:.1f} deviations of {sigma:.4f} above its mean {state.loss_mean:.4f}"


def remember(section: GuardSection, state: TrainState, loss: float, skipped: bool) -> None:
    """Take a step into the state."""
    if skipped:
        state.skipped_in_row += 1
        state.skipped_steps += 1
        return
    state.skipped_in_row = 0
    state.judged_steps += 1
    share = 1 / min(state.judged_steps, section.spike_window_steps)
    difference = loss - state.loss_mean
    state.loss_mean += share * difference
    state.loss_variance = (1 - share) * (state.loss_variance + share * difference**2)


def must_rewind(section: GuardSection, state: TrainState) -> bool:
    """Return whether as many steps in a row were skipped as the recipe bears."""
    return bool(section.rewind_after_skips) and state.skipped_in_row >= section.rewind_after_skips
