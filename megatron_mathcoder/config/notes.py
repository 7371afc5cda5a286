"""What a recipe may mean and rarely does: said at the start of a run, not refused.

Decides: which combinations deserve a line. Does not: print, or forbid anything (``rules``).

A note names the values and what follows from them; "" when there is nothing to say. Each takes the recipe, the run's length in
steps and the number of ranks.
"""

from collections.abc import Callable

from megatron_mathcoder.config.batch import data_parallel_size, num_microbatches
from megatron_mathcoder.config.schema import RunConfig


def notes(config: RunConfig, steps: int, world_size: int) -> list[str]:
    """Return every note on a run, each one line."""
    return [text for note in NOTES if (text := note(config, steps, world_size))]


def window_is_wider_than_the_sample(config: RunConfig, steps: int, world_size: int) -> str:
    """A window of a sample's length or more hides nothing."""
    window, length = config.model.sliding_window, config.dataset.seq_length
    if not window or window < length:
        return ""
    return f"model.sliding_window = {window}: has no effect on samples of dataset.seq_length = {length} tokens"


def nothing_is_saved_before_the_end(config: RunConfig, steps: int, world_size: int) -> str:
    """A run that fails before its first save starts from the beginning."""
    interval = config.checkpoint.interval_steps
    if 0 < interval < steps:
        return ""
    return f"checkpoint.interval_steps = {interval}: of {steps} steps only the last is saved"


def validation_is_at_the_ends_alone(config: RunConfig, steps: int, world_size: int) -> str:
    """An interval longer than the run leaves the validations before the first and after the last step."""
    interval = config.validation.interval_steps
    if interval <= steps:
        return ""
    return f"validation.interval_steps = {interval}: longer than the run of {steps} steps, validated at its two ends alone"


def held_out_data_are_not_used(config: RunConfig, steps: int, world_size: int) -> str:
    """Data held out from a run without validation are lost to it."""
    share = config.dataset.validation_fraction
    if config.validation.interval_steps or not share:
        return ""
    return f"dataset.validation_fraction = {share}: held out and never used, since validation.interval_steps = 0"


def pipeline_is_mostly_empty(config: RunConfig, steps: int, world_size: int) -> str:
    """With fewer micro-batches than stages, some stages always wait."""
    stages = config.parallel.pipeline_model_parallel_size
    count = num_microbatches(config.training, config.dataset, config.parallel, world_size)
    if count >= stages:
        return ""
    return f"parallel.pipeline_model_parallel_size = {stages}: a step has {count} micro-batches, so some stages always wait"


def nothing_to_overlap(config: RunConfig, steps: int, world_size: int) -> str:
    """One copy of the model has no gradients to reduce."""
    if not config.parallel.overlap_grad_reduce or data_parallel_size(config.parallel, world_size) > 1:
        return ""
    return "parallel.overlap_grad_reduce = true: has no effect with one data-parallel rank"


def random_weights_depend_on_the_pipeline(config: RunConfig, steps: int, world_size: int) -> str:
    """megatron-core seeds each stage by its own number, so another pipeline size draws other initial weights."""
    stages = config.parallel.pipeline_model_parallel_size
    if stages == 1 or config.checkpoint.initial:
        return ""
    return f"parallel.pipeline_model_parallel_size = {stages}: random initial weights are not those of another pipeline size"


def a_stall_is_seen_too_late(config: RunConfig, steps: int, world_size: int) -> str:
    """A collective that waits too long fails the run; stacks written before tell why."""
    minutes, timeout = config.guard.stall_minutes, config.parallel.distributed_timeout_minutes
    if world_size == 1 or not minutes or minutes < timeout:
        return ""
    return (
        f"guard.stall_minutes = {minutes}: a rank that hangs fails the others' collectives first, after "
        f"parallel.distributed_timeout_minutes = {timeout}"
    )


def changes_stay_allowed(config: RunConfig, steps: int, world_size: int) -> str:
    """A permission left in the recipe lets the next, unmeant change through."""
    if not config.checkpoint.allow_changes:
        return ""
    keys = ", ".join(config.checkpoint.allow_changes)
    return f"checkpoint.allow_changes: {keys} may change at every resume until this is emptied"


NOTES: tuple[Callable[[RunConfig, int, int], str], ...] = (
    window_is_wider_than_the_sample,
    nothing_is_saved_before_the_end,
    validation_is_at_the_ends_alone,
    held_out_data_are_not_used,
    pipeline_is_mostly_empty,
    nothing_to_overlap,
    random_weights_depend_on_the_pipeline,
    a_stall_is_seen_too_late,
    changes_stay_allowed,
)
"""The notes, in the order they are said."""
