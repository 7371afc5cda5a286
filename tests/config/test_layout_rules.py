"""The rules of the architecture and of how ranks divide it, each broken once or more, with the whole message."""

import pytest

from megatron_mathcoder.config import rules
from megatron_mathcoder.config.errors import ConfigError
from tests.config.broken_rules import Broken, Load, each_of, message_of

BROKEN: Broken = [
    (
        "heads_divide_into_query_groups",
        "model.num_query_groups=3",
        "model.num_query_groups = 3: must divide model.num_attention_heads = 4; choose one of 1, 2, 4",
    ),
    (
        "head_width_is_even",
        "model.kv_channels=33",
        "model.kv_channels = 33: must be even, RoPE turns channels in pairs; use 34",
    ),
    (
        "rope_scaling_does_not_shrink",
        "model.rope_scaling_factor=0.5",
        "model.rope_scaling_factor = 0.5: must be 0 (no scaling) or at least 1 (Llama 3.1 has 8, Llama 3.2 has 32)",
    ),
    (
        "sample_fits_the_architecture",
        "dataset.seq_length=2048",
        (
            "dataset.seq_length = 2048: must be at most model.max_position_embeddings = 1024; "
            "shorten the samples, or raise the other if the architecture is to learn longer ones"
        ),
    ),
    (
        "context_parallel_divides_the_sample",
        "parallel.context_parallel_size=4 dataset.seq_length=250",
        (
            "dataset.seq_length = 250: must be a multiple of 8 when parallel.context_parallel_size = 4 "
            "and 1 tensor-parallel ranks share a sequence; choose 248 or 256"
        ),
    ),
    (
        "tensor_parallel_divides_the_layer",
        "parallel.tensor_model_parallel_size=3",
        "parallel.tensor_model_parallel_size = 3: must divide model.num_attention_heads = 4; choose one of 1, 2, 4",
    ),
    (
        "tensor_parallel_divides_the_layer",
        "parallel.tensor_model_parallel_size=4 model.ffn_hidden_size=386",
        "parallel.tensor_model_parallel_size = 4: must divide model.ffn_hidden_size = 386; choose one of 1, 2",
    ),
    (
        "tensor_parallel_divides_the_layer",
        "parallel.tensor_model_parallel_size=4 model.num_attention_heads=12 model.num_query_groups=6",
        (
            "parallel.tensor_model_parallel_size = 4: must be a multiple or a divisor of model.num_query_groups = 6; "
            "choose one of 1, 2, 3, 6"
        ),
    ),
    (
        "pipeline_divides_the_layers",
        "parallel.pipeline_model_parallel_size=3",
        (
            "parallel.pipeline_model_parallel_size = 3 times parallel.virtual_pipeline_model_parallel_size = 1: "
            "must divide model.num_layers = 4; choose a product among 1, 2, 4"
        ),
    ),
    (
        "pipeline_divides_the_layers",
        "parallel.pipeline_model_parallel_size=2 parallel.virtual_pipeline_model_parallel_size=4",
        (
            "parallel.pipeline_model_parallel_size = 2 times parallel.virtual_pipeline_model_parallel_size = 4: "
            "must divide model.num_layers = 4; choose a product among 1, 2, 4"
        ),
    ),
    (
        "interleaving_needs_a_pipeline",
        "parallel.virtual_pipeline_model_parallel_size=2",
        (
            "parallel.virtual_pipeline_model_parallel_size = 2: needs parallel.pipeline_model_parallel_size above 1, "
            "which is 1; set it to 1 or add pipeline stages"
        ),
    ),
    (
        "sequence_parallel_needs_tensor_parallel",
        "parallel.sequence_parallel=true",
        (
            "parallel.sequence_parallel = true: needs parallel.tensor_model_parallel_size above 1, which is 1; "
            "set it to false or raise the other"
        ),
    ),
    (
        "sequence_parallel_needs_tensor_parallel",
        "parallel.sequence_parallel=true parallel.tensor_model_parallel_size=4 dataset.seq_length=258",
        (
            "dataset.seq_length = 258: must be a multiple of parallel.tensor_model_parallel_size = 4 "
            "when parallel.sequence_parallel = true; the nearest is 256"
        ),
    ),
    (
        "param_gather_overlap_has_its_parts",
        "parallel.overlap_param_gather=true parallel.use_distributed_optimizer=false",
        (
            "parallel.overlap_param_gather = true: needs parallel.use_distributed_optimizer = true and "
            "parallel.overlap_grad_reduce = true; set that, or overlap_param_gather = false"
        ),
    ),
    (
        "param_gather_overlap_has_its_parts",
        "parallel.overlap_param_gather=true",
        (
            "parallel.overlap_param_gather = true: needs parallel.overlap_grad_reduce = true; "
            "set that, or overlap_param_gather = false"
        ),
    ),
    (
        "recomputed_groups_divide_the_chunk",
        "training.recompute=full training.recompute_num_layers=3",
        "training.recompute_num_layers = 3: must divide the 4 layers of one pipeline chunk; choose one of 1, 2, 4",
    ),
    (
        "recomputed_groups_divide_the_chunk",
        "training.recompute=full training.recompute_num_layers=4 parallel.pipeline_model_parallel_size=2",
        "training.recompute_num_layers = 4: must divide the 2 layers of one pipeline chunk; choose one of 1, 2",
    ),
    (
        "ranks_make_whole_models",
        "parallel.processes=3 parallel.tensor_model_parallel_size=2",
        (
            "3 ranks: must be a multiple of the 2 that hold one model (parallel.tensor_model_parallel_size = 2 x "
            "pipeline_model_parallel_size = 1 x context_parallel_size = 1); start 4 or lower one of these"
        ),
    ),
    (
        "ranks_divide_the_batch",
        "parallel.processes=3",
        (
            "training.global_batch_size = 8: must be a multiple of training.micro_batch_size = 2 times 3 data-parallel ranks; "
            "the nearest is 6"
        ),
    ),
    (
        "ranks_divide_the_batch",
        "parallel.processes=3 training.global_batch_size=0 training.global_batch_tokens=2048",
        (
            "training.global_batch_tokens = 2048 is 8 samples: must be a multiple of training.micro_batch_size = 2 times "
            "3 data-parallel ranks; the nearest is 1536"
        ),
    ),
    (
        "interleaving_fills_the_pipeline",
        (
            "parallel.processes=2 parallel.pipeline_model_parallel_size=2 parallel.virtual_pipeline_model_parallel_size=2 "
            "training.global_batch_size=6"
        ),
        (
            "parallel.virtual_pipeline_model_parallel_size = 2: 3 micro-batches a step must be a multiple of "
            "parallel.pipeline_model_parallel_size = 2; change the global batch, training.micro_batch_size or set it to 1"
        ),
    ),
    (
        "window_sees_more_than_the_query",
        "model.sliding_window=1",
        "model.sliding_window = 1: leaves each query itself alone; give the number of keys it sees, or 0 for all before it",
    ),
    (
        "every_tensor_rank_has_vocabulary",
        "model.vocab_size=300 parallel.tensor_model_parallel_size=4",
        (
            "model.make_vocab_size_divisible_by = 128: pads model.vocab_size = 300 to 512 rows, 128 on each of "
            "4 tensor-parallel ranks, so the last has padding alone; lower it to 99"
        ),
    ),
    (
        "every_tensor_rank_has_vocabulary",
        "model.vocab_size=2 parallel.tensor_model_parallel_size=4",
        (
            "model.make_vocab_size_divisible_by = 128: pads model.vocab_size = 2 to 512 rows, 128 on each of "
            "4 tensor-parallel ranks, so the last has padding alone; lower parallel.tensor_model_parallel_size"
        ),
    ),
]


@each_of(BROKEN)
def test_a_broken_rule_says_what_to_change(load: Load, overrides: str, message: str) -> None:
    assert message_of(load, overrides) == message


@pytest.mark.parametrize(
    "overrides",
    [
        "model.sliding_window=2",
        "model.vocab_size=385 parallel.tensor_model_parallel_size=4",
        "dataset.seq_length=1024",
        "model.rope_scaling_factor=1",
        "model.hidden_size=96",
        "training.recompute=full training.recompute_num_layers=2 parallel.pipeline_model_parallel_size=2",
        # More ranks than query groups: each holds a copy of one.
        "parallel.processes=4 parallel.tensor_model_parallel_size=4 parallel.sequence_parallel=true",
        "parallel.processes=2 parallel.pipeline_model_parallel_size=2 parallel.virtual_pipeline_model_parallel_size=2",
    ],
)
def test_what_only_just_keeps_the_rules_is_accepted(load: Load, overrides: str) -> None:
    load(*overrides.split())


def test_local_ranks_and_a_launcher_exclude_each_other(load: Load) -> None:
    with pytest.raises(ConfigError) as error:
        rules.check_world_size(load("parallel.processes=2"), 4)
    assert str(error.value) == "parallel.processes = 2: 4 ranks were started; set it to 0 when torchrun or srun starts the ranks"
