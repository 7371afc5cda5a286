"""What must hold between the keys of a recipe, one small function per rule.

Decides: which configurations can run. megatron-core leaves most of these guards to its training scripts, which are not in
its wheel, and fails late, obscurely or not at all without them.
Does not: look at files, datasets or hardware, or correct a value.

A rule returns the text of its error, which names the keys, their values, the rule and the remedy, or "" when it holds. Some
rules need the number of ranks, others the run's length in steps; the trainer calls their checks once it knows those.

One combination is allowed on purpose: ``hidden_size`` need not be ``num_attention_heads * kv_channels``, since published
models of the family exist in which it is not.
"""

from collections.abc import Callable

from megatron_mathcoder.config import dataset_rules as dataset
from megatron_mathcoder.config import guard_rules as guard
from megatron_mathcoder.config import layout_rules as layout
from megatron_mathcoder.config import optimizer_rules as optimizer
from megatron_mathcoder.config import resume_rules as resume
from megatron_mathcoder.config import training_rules as training
from megatron_mathcoder.config.batch import planned_steps
from megatron_mathcoder.config.errors import ConfigError
from megatron_mathcoder.config.ranges import RANGES, values_at
from megatron_mathcoder.config.schema import RunConfig


def check(config: RunConfig) -> None:
    """Check the rules that the recipe alone decides; with local ranks or a length in steps, also those that need them.

    Raises:
        ConfigError: the first broken rule.
    """
    for rule in RULES:
        _raise_if(rule(config))
    if steps := planned_steps(config.training, config.dataset):
        check_steps(config, steps)
    if config.parallel.processes:
        check_world_size(config, config.parallel.processes)


def check_world_size(config: RunConfig, world_size: int) -> None:
    """Check the rules that depend on the number of ranks.

    Raises:
        ConfigError: the first broken rule.
    """
    for rule in WORLD_SIZE_RULES:
        _raise_if(rule(config, world_size))


def check_steps(config: RunConfig, steps: int) -> None:
    """Check the learning-rate schedule against the run's length; a run measured in epochs knows it from its data.

    Raises:
        ConfigError: the first broken rule.
    """
    for rule in STEP_RULES:
        _raise_if(rule(config, steps))


def _raise_if(error: str) -> None:
    if error:
        raise ConfigError(error)


def _every_number_in_its_range(config: RunConfig) -> str:
    for pattern, allowed in RANGES.items():
        for path, value in values_at(config, pattern):
            if value not in allowed:
                return f"{path} = {value}: must be {allowed}"
    return ""


RULES: tuple[Callable[[RunConfig], str], ...] = (
    # First, so that the others may divide.
    _every_number_in_its_range,
    training.run_folder_is_named,
    training.run_folder_is_no_checkpoint,
    training.paths_are_written_out,
    training.initial_weights_are_of_another_run,
    training.one_run_length,
    training.one_global_batch_size,
    training.global_batch_is_whole_samples,
    training.micro_batch_divides_the_global_batch,
    training.tokens_make_a_step,
    layout.heads_divide_into_query_groups,
    layout.head_width_is_even,
    layout.rope_scaling_does_not_shrink,
    layout.sample_fits_the_architecture,
    layout.window_sees_more_than_the_query,
    layout.context_parallel_divides_the_sample,
    layout.tensor_parallel_divides_the_layer,
    layout.every_tensor_rank_has_vocabulary,
    layout.pipeline_divides_the_layers,
    layout.interleaving_needs_a_pipeline,
    layout.sequence_parallel_needs_tensor_parallel,
    layout.param_gather_overlap_has_its_parts,
    layout.recomputed_groups_divide_the_chunk,
    training.recompute_groups_need_full_recompute,
    optimizer.peak_learning_rate_is_the_largest,
    optimizer.moments_are_not_swapped,
    optimizer.small_state_has_its_parts,
    optimizer.weight_decay_shrinks_weights,
    optimizer.constant_rate_has_no_decay_end,
    optimizer.wsd_has_its_decay,
    optimizer.wsd_shape_needs_wsd,
    dataset.blend_has_parts,
    dataset.blend_parts_are_named,
    dataset.blend_names_are_tags,
    dataset.blend_names_differ,
    dataset.blend_prefixes_differ,
    dataset.weights_for_all_or_none,
    dataset.weights_replace_epochs,
    training.validation_has_samples,
    training.a_checkpoint_before_the_newest_is_kept,
    training.exports_are_of_checkpoints,
    guard.end_on_stall_needs_a_limit,
    resume.allowed_changes_are_keys,
    resume.allowed_changes_can_be_made,
)
"""The rules of the recipe alone, in the order they are checked."""

WORLD_SIZE_RULES: tuple[Callable[[RunConfig, int], str], ...] = (
    layout.local_ranks_are_all_ranks,
    layout.ranks_make_whole_models,
    layout.ranks_divide_the_batch,
    layout.interleaving_fills_the_pipeline,
)
"""The rules that need the number of ranks."""

STEP_RULES: tuple[Callable[[RunConfig, int], str], ...] = (
    optimizer.warmup_ends_before_the_decay,
    optimizer.warmup_ends_before_the_run,
    optimizer.wsd_decay_starts_after_warmup,
    optimizer.decay_ends_with_the_run,
    optimizer.rate_is_not_zero_after_the_decay,
    guard.spikes_are_judged_before_the_end,
)
"""The rules that need the run's length in optimizer steps."""
