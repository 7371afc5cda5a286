"""Rules of what is watched while a run runs.

Decides: which of these keys would have no effect. Does not: raise; ``rules`` does, in its order.
Each rule returns the text of its error, or "" when it holds.
"""

from megatron_mathcoder.config.schema import RunConfig


def end_on_stall_needs_a_limit(config: RunConfig) -> str:
    """Without a time after which it counts as stalled, no run ends for it."""
    if not config.guard.end_on_stall or config.guard.stall_minutes:
        return ""
    return (
        "guard.end_on_stall = true: has no effect with guard.stall_minutes = 0; give the minutes, 15 is usual, or set it to false"
    )


def spikes_are_judged_before_the_end(config: RunConfig, steps: int) -> str:
    """The first steps of a run make the mean that later ones are compared with; a run of those alone is never judged."""
    window = config.guard.spike_window_steps
    if not config.guard.spike_sigma or window < steps:
        return ""
    return (
        f"guard.spike_window_steps = {window}: must be less than the run's {steps} steps, or no loss is ever compared with "
        f"guard.spike_sigma = {config.guard.spike_sigma}; shorten it or set spike_sigma to 0"
    )
