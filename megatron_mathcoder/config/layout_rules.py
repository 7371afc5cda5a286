"""Rules of the model's shape and of its division among ranks.

Decides: which shapes and layouts megatron-core can build and schedule. Does not: raise; ``rules`` does, in its order.
Each rule returns the text of its error, or "" when it holds.
"""

import math
from dataclasses import replace

from megatron_mathcoder.config.architectures import padded_vocab_size
from megatron_mathcoder.config.batch import data_parallel_size, global_batch_size, model_parallel_size, num_microbatches
from megatron_mathcoder.config.schema import ModelConfig, RunConfig

LARGEST_CHOICE = 1024
"""Of what a message offers."""


def heads_divide_into_query_groups(config: RunConfig) -> str:
    """Every key/value head serves the same number of query heads."""
    heads, groups = config.model.num_attention_heads, config.model.num_query_groups
    if heads % groups == 0:
        return ""
    return f"model.num_query_groups = {groups}: must divide model.num_attention_heads = {heads}; choose one of {_divisors(heads)}"


def head_width_is_even(config: RunConfig) -> str:
    """RoPE turns the two halves of a head against each other."""
    width = config.model.kv_channels
    return f"model.kv_channels = {width}: must be even, RoPE turns channels in pairs; use {width + 1}" if width % 2 else ""


def rope_scaling_does_not_shrink(config: RunConfig) -> str:
    """The factor stretches wavelengths; megatron-core fixes the other numbers of Llama-3.1's scaling."""
    factor = config.model.rope_scaling_factor
    if factor == 0 or factor >= 1:
        return ""
    return f"model.rope_scaling_factor = {factor}: must be 0 (no scaling) or at least 1 (Llama 3.1 has 8, Llama 3.2 has 32)"


def sample_fits_the_architecture(config: RunConfig) -> str:
    """Positions beyond those an architecture was made for are taken on purpose or not at all."""
    seq_length, longest = config.dataset.seq_length, config.model.max_position_embeddings
    if seq_length <= longest:
        return ""
    return (
        f"dataset.seq_length = {seq_length}: must be at most model.max_position_embeddings = {longest}; "
        "shorten the samples, or raise the other if the architecture is to learn longer ones"
    )


def window_sees_more_than_the_query(config: RunConfig) -> str:
    """The window counts the query's own position, so 1 is no attention at all; it is a number of keys, not a switch."""
    if config.model.sliding_window != 1:
        return ""
    return "model.sliding_window = 1: leaves each query itself alone; give the number of keys it sees, or 0 for all before it"


def context_parallel_divides_the_sample(config: RunConfig) -> str:
    """Each context-parallel rank holds two equal chunks of a sample, one from either end, and its tensor ranks may share them."""
    size, length = config.parallel.context_parallel_size, config.dataset.seq_length
    sharers = config.parallel.tensor_model_parallel_size if config.parallel.sequence_parallel else 1
    pieces = size * math.lcm(2, sharers)
    if size == 1 or length % pieces == 0:
        return ""
    below = length - length % pieces
    return (
        f"dataset.seq_length = {length}: must be a multiple of {pieces} when parallel.context_parallel_size = {size} "
        f"and {sharers} tensor-parallel ranks share a sequence; choose {f'{below} or ' if below else ''}{below + pieces}"
    )


def tensor_parallel_divides_the_layer(config: RunConfig) -> str:
    """Each tensor-parallel rank holds whole heads, a whole share of the SwiGLU and whole query groups or copies of one."""
    size = config.parallel.tensor_model_parallel_size
    seen = f"parallel.tensor_model_parallel_size = {size}"
    for name in ("num_attention_heads", "ffn_hidden_size"):
        value = getattr(config.model, name)
        if value % size:
            return f"{seen}: must divide model.{name} = {value}; choose one of {_divisors(value, up_to=64)}"
    groups = config.model.num_query_groups
    if groups % size and size % groups:
        return f"{seen}: must be a multiple or a divisor of model.num_query_groups = {groups}; choose one of {_divisors(groups)}"
    return ""


def every_tensor_rank_has_vocabulary(config: RunConfig) -> str:
    """Padding is added at the end; too large a multiple leaves the last ranks nothing else."""
    model, size = config.model, config.parallel.tensor_model_parallel_size
    if _last_rank_has_vocabulary(model, size):
        return ""
    padded = padded_vocab_size(model, size)
    multiple = model.make_vocab_size_divisible_by
    smaller = range(min(multiple - 1, model.vocab_size), 0, -1)
    fitting = (each for each in smaller if _last_rank_has_vocabulary(replace(model, make_vocab_size_divisible_by=each), size))
    found = next(fitting, 0)
    remedy = f"lower it to {found}" if found else "lower parallel.tensor_model_parallel_size"
    return (
        f"model.make_vocab_size_divisible_by = {multiple}: pads model.vocab_size = {model.vocab_size} to {padded} rows, "
        f"{padded // size} on each of {size} tensor-parallel ranks, so the last has padding alone; {remedy}"
    )


def _last_rank_has_vocabulary(model: ModelConfig, size: int) -> bool:
    return model.vocab_size > padded_vocab_size(model, size) // size * (size - 1)


def pipeline_divides_the_layers(config: RunConfig) -> str:
    """Every pipeline stage, and every chunk of an interleaved one, has the same number of layers."""
    stages, chunks = _pipeline(config)
    layers = config.model.num_layers
    if layers % (stages * chunks) == 0:
        return ""
    return (
        f"parallel.pipeline_model_parallel_size = {stages} times parallel.virtual_pipeline_model_parallel_size = {chunks}: "
        f"must divide model.num_layers = {layers}; choose a product among {_divisors(layers)}"
    )


def interleaving_needs_a_pipeline(config: RunConfig) -> str:
    """Chunks are interleaved between stages; one stage has nothing to interleave with."""
    stages, chunks = _pipeline(config)
    if chunks == 1 or stages > 1:
        return ""
    return (
        f"parallel.virtual_pipeline_model_parallel_size = {chunks}: needs parallel.pipeline_model_parallel_size above 1, "
        f"which is {stages}; set it to 1 or add pipeline stages"
    )


def sequence_parallel_needs_tensor_parallel(config: RunConfig) -> str:
    """Tensor-parallel ranks share the sequence in equal pieces; a single rank has no one to share with."""
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


def param_gather_overlap_has_its_parts(config: RunConfig) -> str:
    """Only divided weights are gathered, and megatron-core hides the gather behind buckets that overlap_grad_reduce makes."""
    if not config.parallel.overlap_param_gather:
        return ""
    missing = [name for name in ("use_distributed_optimizer", "overlap_grad_reduce") if not getattr(config.parallel, name)]
    if not missing:
        return ""
    return (
        f"parallel.overlap_param_gather = true: needs {' and '.join(f'parallel.{name} = true' for name in missing)}; "
        "set that, or overlap_param_gather = false"
    )


def recomputed_groups_divide_the_chunk(config: RunConfig) -> str:
    """megatron-core's uniform recompute walks past a chunk's last layer when the last group is not whole."""
    group = config.training.recompute_num_layers
    stages, chunks = _pipeline(config)
    layers = config.model.num_layers // (stages * chunks)
    if config.training.recompute != "full" or layers % group == 0:
        return ""
    return (
        f"training.recompute_num_layers = {group}: must divide the {layers} layers of one pipeline chunk; "
        f"choose one of {_divisors(layers)}"
    )


def local_ranks_are_all_ranks(config: RunConfig, world_size: int) -> str:
    """A run starts its own ranks or was started by a launcher, not both."""
    processes = config.parallel.processes
    if processes in (0, world_size):
        return ""
    return (
        f"parallel.processes = {processes}: {world_size} ranks were started; set it to 0 when torchrun or srun starts the ranks"
    )


def ranks_make_whole_models(config: RunConfig, world_size: int) -> str:
    """The ranks left over from tensor, pipeline and context parallelism would hold a piece of a model."""
    ranks = model_parallel_size(config.parallel)
    if world_size > 0 and world_size % ranks == 0:
        return ""
    tp, pp, cp = (getattr(config.parallel, f"{name}_parallel_size") for name in ("tensor_model", "pipeline_model", "context"))
    return (
        f"{world_size} ranks: must be a multiple of the {ranks} that hold one model "
        f"(parallel.tensor_model_parallel_size = {tp} x pipeline_model_parallel_size = {pp} x context_parallel_size = {cp}); "
        f"start {max(-(-world_size // ranks), 1) * ranks} or lower one of these"
    )


def ranks_divide_the_batch(config: RunConfig, world_size: int) -> str:
    """Every data-parallel rank runs the same number of whole micro-batches in a step."""
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


def interleaving_fills_the_pipeline(config: RunConfig, world_size: int) -> str:
    """megatron-core schedules micro-batches in groups of one per stage and refuses a smaller last group."""
    stages, chunks = _pipeline(config)
    count = num_microbatches(config.training, config.dataset, config.parallel, world_size)
    if chunks == 1 or count % stages == 0:
        return ""
    return (
        f"parallel.virtual_pipeline_model_parallel_size = {chunks}: {count} micro-batches a step must be a multiple of "
        f"parallel.pipeline_model_parallel_size = {stages}; change the global batch, training.micro_batch_size or set it to 1"
    )


def _pipeline(config: RunConfig) -> tuple[int, int]:
    """Return the pipeline's stages and the model chunks of each."""
    return config.parallel.pipeline_model_parallel_size, config.parallel.virtual_pipeline_model_parallel_size


def _divisors(value: int, up_to: int = LARGEST_CHOICE) -> str:
    return ", ".join(str(each) for each in range(1, min(value, up_to) + 1) if value % each == 0)
