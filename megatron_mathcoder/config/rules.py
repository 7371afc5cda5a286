"""What must hold between the keys of a recipe, one small function per rule.

Decides: which configurations can run. megatron-core leaves most of these guards to its training scripts, which are not in
its wheel, and fails late, obscurely or not at all without them.
Does not: look at files, datasets or hardware, or correct a value.

A rule returns the text of its error, which names the keys, their values, the rule and the remedy, or "" when it holds. Some
rules need the number of ranks, others the run's length in steps; the trainer calls their checks once it knows those.

One combination is allowed on purpose: ``hidden_size`` need not be ``num_attention_heads * kv_channels``, since published
models of the family exist in which it is not.
"""

from collections import Counter
from collections.abc import Callable

from megatron_mathcoder.config.batch import (
    data_parallel_size,
    global_batch_size,
    model_parallel_size,
    num_microbatches,
    planned_steps,
)
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


def _run_folder_is_named(config: RunConfig) -> str:
    if config.run.folder.strip():
        return ""
    return 'run.folder = "": must name a folder; write for example folder = "runs/first"'


def _one_run_length(config: RunConfig) -> str:
    lengths = {name: getattr(config.training, name) for name in ("steps", "tokens", "epochs")}
    return _exactly_one("training", lengths, "the run's length")


def _one_global_batch_size(config: RunConfig) -> str:
    sizes = {name: getattr(config.training, name) for name in ("global_batch_size", "global_batch_tokens")}
    return _exactly_one("training", sizes, "the global batch")


def _exactly_one(section: str, values: dict[str, float], meaning: str) -> str:
    given = {name: value for name, value in values.items() if value}
    if len(given) == 1:
        return ""
    if not given:
        return f"{section}: none of {', '.join(values)} is set; {meaning} must be given by exactly one of them"
    seen = " and ".join(f"{section}.{name} = {value}" for name, value in given.items())
    return f"{seen}: {meaning} must be given by exactly one; set the others to 0"


def _global_batch_is_whole_samples(config: RunConfig) -> str:
    tokens, seq_length = config.training.global_batch_tokens, config.dataset.seq_length
    if tokens % seq_length == 0:
        return ""
    return (
        f"training.global_batch_tokens = {tokens}: must be a multiple of dataset.seq_length = {seq_length}; "
        f"the nearest is {max(round(tokens / seq_length), 1) * seq_length}"
    )


def _heads_divide_into_query_groups(config: RunConfig) -> str:
    heads, groups = config.model.num_attention_heads, config.model.num_query_groups
    if heads % groups == 0:
        return ""
    return f"model.num_query_groups = {groups}: must divide model.num_attention_heads = {heads}; choose one of {_divisors(heads)}"


def _head_width_is_even(config: RunConfig) -> str:
    width = config.model.kv_channels
    return f"model.kv_channels = {width}: must be even, RoPE turns channels in pairs; use {width + 1}" if width % 2 else ""


def _rope_scaling_does_not_shrink(config: RunConfig) -> str:
    factor = config.model.rope_scaling_factor
    if factor == 0 or factor >= 1:
        return ""
    return f"model.rope_scaling_factor = {factor}: must be 0 (no scaling) or at least 1 (Llama 3.1 has 8, Llama 3.2 has 32)"


def _sample_fits_the_architecture(config: RunConfig) -> str:
    seq_length, longest = config.dataset.seq_length, config.model.max_position_embeddings
    if seq_length <= longest:
        return ""
    return (
        f"dataset.seq_length = {seq_length}: must be at most model.max_position_embeddings = {longest}; "
        "shorten the samples, or raise the other if the architecture is to learn longer ones"
    )


def _tensor_parallel_divides_the_layer(config: RunConfig) -> str:
    size = config.parallel.tensor_model_parallel_size
    seen = f"parallel.tensor_model_parallel_size = {size}"
    for name in ("num_attention_heads", "ffn_hidden_size"):
        value = getattr(config.model, name)
        if value % size:
            return f"{seen}: must divide model.{name} = {value}; choose one of {_divisors(value, up_to=64)}"
    groups = config.model.num_query_groups
    if groups % size and size % groups:
        return f"{seen}: must be a multiple or a divisor of model.num_query_groups = {groups}"
    return ""


def _pipeline_divides_the_layers(config: RunConfig) -> str:
    stages, chunks = _pipeline(config)
    layers = config.model.num_layers
    if layers % (stages * chunks) == 0:
        return ""
    return (
        f"parallel.pipeline_model_parallel_size = {stages} times parallel.virtual_pipeline_model_parallel_size = {chunks}: "
        f"must divide model.num_layers = {layers}; choose a product among {_divisors(layers)}"
    )


def _interleaving_needs_a_pipeline(config: RunConfig) -> str:
    stages, chunks = _pipeline(config)
    if chunks == 1 or stages > 1:
        return ""
    return (
        f"parallel.virtual_pipeline_model_parallel_size = {chunks}: needs parallel.pipeline_model_parallel_size above 1, "
        f"which is {stages}; set it to 1 or add pipeline stages"
    )


def _sequence_parallel_needs_tensor_parallel(config: RunConfig) -> str:
    size, seq_length = config.parallel.tensor_model_parallel_size, config.dataset.seq_length
    if not config.parallel.sequence_parallel:
        return ""
    if size == 1:
        return (
            "parallel.sequence_parallel = true: needs parallel.tensor_model_parallel_size above 1, which is 1; "
            "set it to false or raise the other"
        )
    if seq_length % size:
        return (
            f"dataset.seq_length = {seq_length}: must be a multiple of parallel.tensor_model_parallel_size = {size} "
            f"when parallel.sequence_parallel = true; the nearest is {max(round(seq_length / size), 1) * size}"
        )
    return ""


def _no_context_parallel(config: RunConfig) -> str:
    size = config.parallel.context_parallel_size
    if size == 1:
        return ""
    return (
        f"parallel.context_parallel_size = {size}: must be 1, context parallelism is not implemented here; "
        "for long samples use tensor and sequence parallelism with training.recompute"
    )


def _param_gather_overlap_has_its_parts(config: RunConfig) -> str:
    if not config.parallel.overlap_param_gather:
        return ""
    missing = [name for name in ("use_distributed_optimizer", "overlap_grad_reduce") if not getattr(config.parallel, name)]
    if not missing:
        return ""
    return (
        f"parallel.overlap_param_gather = true: needs {' and '.join(f'parallel.{name} = true' for name in missing)}; "
        "set that, or overlap_param_gather = false"
    )


def _recomputed_groups_divide_the_chunk(config: RunConfig) -> str:
    group = config.training.recompute_num_layers
    stages, chunks = _pipeline(config)
    layers = config.model.num_layers // (stages * chunks)
    # megatron-core's uniform recompute walks past a chunk's last layer when the last group is not whole.
    if config.training.recompute != "full" or layers % group == 0:
        return ""
    return (
        f"training.recompute_num_layers = {group}: must divide the {layers} layers of one pipeline chunk; "
        f"choose one of {_divisors(layers)}"
    )


def _peak_learning_rate_is_the_largest(config: RunConfig) -> str:
    lr, min_lr = config.optimizer.lr, config.optimizer.min_lr
    return "" if min_lr <= lr else f"optimizer.min_lr = {min_lr}: must be at most optimizer.lr = {lr}; lower it or set it to 0"


def _wsd_has_its_decay(config: RunConfig) -> str:
    style, steps = config.optimizer.lr_decay_style, config.optimizer.wsd_decay_steps
    if style == "WSD" and steps == 0:
        return 'optimizer.wsd_decay_steps = 0: must be set with optimizer.lr_decay_style = "WSD"; a tenth of the run is usual'
    if style != "WSD" and steps:
        return (
            f'optimizer.wsd_decay_steps = {steps}: has no effect with optimizer.lr_decay_style = "{style}"; '
            'set it to 0 or the style to "WSD"'
        )
    return ""


def _blend_has_parts(config: RunConfig) -> str:
    if config.dataset.blend:
        return ""
    return "dataset.blend = []: must have at least one part; add a table [[dataset.blend]] with name and prefix"


def _blend_parts_are_named(config: RunConfig) -> str:
    for index, part in enumerate(config.dataset.blend):
        key = f"dataset.blend.{index}"
        if not part.name.strip():
            return f'{key}.name = "{part.name}": must not be empty; it names this part\'s validation loss'
        if not part.prefix.strip():
            return f'{key}.prefix = "{part.prefix}": must not be empty; give the path of the dataset without .bin/.idx'
        if part.prefix.endswith((".bin", ".idx")):
            return f'{key}.prefix = "{part.prefix}": must not have the ending; write "{part.prefix[:-4]}"'
    return ""


def _blend_names_differ(config: RunConfig) -> str:
    [(name, times)] = Counter(part.name for part in config.dataset.blend).most_common(1)
    if times == 1:
        return ""
    return f'dataset.blend: {times} parts are named "{name}"; give each its own name, so that their losses can be told apart'


def _weights_for_all_or_none(config: RunConfig) -> str:
    without = [part.name for part in config.dataset.blend if part.weight == 0]
    if len(without) in (0, len(config.dataset.blend)):
        return ""
    return (
        f'dataset.blend: part "{without[0]}" has weight = 0 and others have more; '
        "give every part a positive weight, or none and use epochs"
    )


def _validation_has_samples(config: RunConfig) -> str:
    interval, fraction = config.validation.interval_steps, config.dataset.validation_fraction
    if interval == 0 or fraction > 0:
        return ""
    return (
        f"validation.interval_steps = {interval}: needs dataset.validation_fraction above 0, which is {fraction}; "
        "set it to 0 or hold a share of the data out"
    )


def _ranks_make_whole_models(config: RunConfig, world_size: int) -> str:
    ranks = model_parallel_size(config.parallel)
    if world_size > 0 and world_size % ranks == 0:
        return ""
    tp, pp, cp = (getattr(config.parallel, f"{name}_parallel_size") for name in ("tensor_model", "pipeline_model", "context"))
    return (
        f"{world_size} ranks: must be a multiple of the {ranks} that hold one model "
        f"(parallel.tensor_model_parallel_size = {tp} x pipeline_model_parallel_size = {pp} x context_parallel_size = {cp}); "
        f"start {max(-(-world_size // ranks), 1) * ranks} or lower one of these"
    )


def _local_ranks_are_all_ranks(config: RunConfig, world_size: int) -> str:
    processes = config.parallel.processes
    if processes in (0, world_size):
        return ""
    return (
        f"parallel.processes = {processes}: {world_size} ranks were started; set it to 0 when torchrun or srun starts the ranks"
    )


def _ranks_divide_the_batch(config: RunConfig, world_size: int) -> str:
    micro_batch_size = config.training.micro_batch_size
    copies = data_parallel_size(config.parallel, world_size)
    samples = global_batch_size(config.training, config.dataset)
    at_once = micro_batch_size * copies
    if samples % at_once == 0:
        return ""
    tokens = config.training.global_batch_tokens
    seen = (
        f"training.global_batch_tokens = {tokens} is {samples} samples" if tokens else f"training.global_batch_size = {samples}"
    )
    per_sample = config.dataset.seq_length if tokens else 1
    return (
        f"{seen}: must be a multiple of training.micro_batch_size = {micro_batch_size} times {copies} data-parallel ranks; "
        f"the nearest is {max(round(samples / at_once), 1) * at_once * per_sample}"
    )


def _interleaving_fills_the_pipeline(config: RunConfig, world_size: int) -> str:
    stages, chunks = _pipeline(config)
    count = num_microbatches(config.training, config.dataset, config.parallel, world_size)
    # megatron-core schedules groups of pipeline_model_parallel_size micro-batches and refuses a smaller last one.
    if chunks == 1 or count % stages == 0:
        return ""
    return (
        f"parallel.virtual_pipeline_model_parallel_size = {chunks}: {count} micro-batches a step must be a multiple of "
        f"parallel.pipeline_model_parallel_size = {stages}; change the global batch, training.micro_batch_size or set it to 1"
    )


def _warmup_ends_before_the_decay(config: RunConfig, steps: int) -> str:
    warmup, end = config.optimizer.lr_warmup_steps, _decay_end(config, steps)
    if warmup < end:
        return ""
    return (
        f"optimizer.lr_warmup_steps = {warmup}: must be less than {end}, the step at which the decay ends "
        f"({_decay_end_source(config)}); shorten the warm-up or lengthen the run"
    )


def _wsd_decay_starts_after_warmup(config: RunConfig, steps: int) -> str:
    decay, warmup, end = config.optimizer.wsd_decay_steps, config.optimizer.lr_warmup_steps, _decay_end(config, steps)
    if decay <= end - warmup:
        return ""
    return (
        f"optimizer.wsd_decay_steps = {decay}: must be at most {end - warmup}, the steps between "
        f"optimizer.lr_warmup_steps = {warmup} and {end}, at which the decay ends ({_decay_end_source(config)})"
    )


def _decay_end(config: RunConfig, steps: int) -> int:
    return config.optimizer.lr_decay_steps or steps


def _decay_end_source(config: RunConfig) -> str:
    return "optimizer.lr_decay_steps" if config.optimizer.lr_decay_steps else "the run's last step"


def _pipeline(config: RunConfig) -> tuple[int, int]:
    """Return the pipeline's stages and the model chunks of each."""
    return config.parallel.pipeline_model_parallel_size, config.parallel.virtual_pipeline_model_parallel_size


def _divisors(value: int, up_to: int = 0) -> str:
    return ", ".join(str(each) for each in range(1, (up_to or value) + 1) if value % each == 0)


RULES: tuple[Callable[[RunConfig], str], ...] = (
    # First, so that the others may divide.
    _every_number_in_its_range,
    _run_folder_is_named,
    _one_run_length,
    _one_global_batch_size,
    _global_batch_is_whole_samples,
    _heads_divide_into_query_groups,
    _head_width_is_even,
    _rope_scaling_does_not_shrink,
    _sample_fits_the_architecture,
    _no_context_parallel,
    _tensor_parallel_divides_the_layer,
    _pipeline_divides_the_layers,
    _interleaving_needs_a_pipeline,
    _sequence_parallel_needs_tensor_parallel,
    _param_gather_overlap_has_its_parts,
    _recomputed_groups_divide_the_chunk,
    _peak_learning_rate_is_the_largest,
    _wsd_has_its_decay,
    _blend_has_parts,
    _blend_parts_are_named,
    _blend_names_differ,
    _weights_for_all_or_none,
    _validation_has_samples,
)
"""The rules of the recipe alone, in the order they are checked."""

WORLD_SIZE_RULES: tuple[Callable[[RunConfig, int], str], ...] = (
    _local_ranks_are_all_ranks,
    _ranks_make_whole_models,
    _ranks_divide_the_batch,
    _interleaving_fills_the_pipeline,
)
"""The rules that need the number of ranks."""

STEP_RULES: tuple[Callable[[RunConfig, int], str], ...] = (
    _warmup_ends_before_the_decay,
    _wsd_decay_starts_after_warmup,
)
"""The rules that need the run's length in optimizer steps."""
