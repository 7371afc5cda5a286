"""Every rule, broken once or more, with its whole message."""

import re
from collections.abc import Callable

import pytest

from megatron_mathcoder.config import rules
from megatron_mathcoder.config.errors import ConfigError
from megatron_mathcoder.config.schema import RunConfig

Load = Callable[..., RunConfig]


def split(overrides: str) -> list[str]:
    """Split at the spaces before a key, not at those inside a value."""
    return re.split(r" (?=[a-z]+\.[a-z_.0-9]+=)", overrides)


BROKEN: list[tuple[str, str, str]] = [
    # rule, overrides, message
    ("run_folder_is_named", "run.folder=", 'run.folder = "": must name a folder; write for example folder = "runs/first"'),
    (
        "one_run_length",
        "training.epochs=3",
        "training.steps = 100 and training.epochs = 3.0: the run's length must be given by exactly one; set the others to 0",
    ),
    (
        "one_run_length",
        "training.steps=0",
        "training: none of steps, tokens, epochs is set; the run's length must be given by exactly one of them",
    ),
    (
        "one_global_batch_size",
        "training.global_batch_tokens=2048",
        (
            "training.global_batch_size = 8 and training.global_batch_tokens = 2048: the global batch must be given "
            "by exactly one; set the others to 0"
        ),
    ),
    (
        "one_global_batch_size",
        "training.global_batch_size=0",
        "training: none of global_batch_size, global_batch_tokens is set; the global batch must be given by exactly one of them",
    ),
    (
        "global_batch_is_whole_samples",
        "training.global_batch_size=0 training.global_batch_tokens=1000",
        "training.global_batch_tokens = 1000: must be a multiple of dataset.seq_length = 256; the nearest is 1024",
    ),
    (
        "global_batch_is_whole_samples",
        "training.global_batch_size=0 training.global_batch_tokens=1",
        "training.global_batch_tokens = 1: must be a multiple of dataset.seq_length = 256; the nearest is 256",
    ),
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
        "peak_learning_rate_is_the_largest",
        "optimizer.min_lr=0.01",
        "optimizer.min_lr = 0.01: must be at most optimizer.lr = 0.001; lower it or set it to 0",
    ),
    (
        "wsd_has_its_decay",
        "optimizer.lr_decay_style=WSD",
        'optimizer.wsd_decay_steps = 0: must be set with optimizer.lr_decay_style = "WSD"; a tenth of the run is usual',
    ),
    (
        "wsd_has_its_decay",
        "optimizer.wsd_decay_steps=10",
        (
            'optimizer.wsd_decay_steps = 10: has no effect with optimizer.lr_decay_style = "cosine"; '
            'set it to 0 or the style to "WSD"'
        ),
    ),
    (
        "blend_has_parts",
        "dataset.blend=[]",
        "dataset.blend = []: must have at least one part; add a table [[dataset.blend]] with name and prefix",
    ),
    (
        "blend_parts_are_named",
        "dataset.blend.1.name=",
        'dataset.blend.1.name = "": must not be empty; it names this part\'s validation loss',
    ),
    (
        "blend_parts_are_named",
        "dataset.blend.0.prefix=",
        'dataset.blend.0.prefix = "": must not be empty; give the path of the dataset without .bin/.idx',
    ),
    (
        "blend_parts_are_named",
        "dataset.blend.0.prefix=tokens/books.idx",
        'dataset.blend.0.prefix = "tokens/books.idx": must not have the ending; write "tokens/books"',
    ),
    (
        "blend_names_differ",
        "dataset.blend.1.name=books",
        'dataset.blend: 2 parts are named "books"; give each its own, so that their losses can be told apart',
    ),
    (
        "weights_for_all_or_none",
        "dataset.blend.0.weight=0.3",
        (
            'dataset.blend: part "code" has weight = 0 and others have more; '
            "give every part a positive weight, or none and use epochs"
        ),
    ),
    (
        "validation_has_samples",
        "validation.interval_steps=10 dataset.validation_fraction=0",
        (
            "validation.interval_steps = 10: needs dataset.validation_fraction above 0, which is 0.0; "
            "set it to 0 or hold a share of the data out"
        ),
    ),
    (
        "small_state_has_its_parts",
        "optimizer.use_precision_aware_optimizer=true training.precision=fp32",
        (
            'optimizer.use_precision_aware_optimizer = true: needs training.precision = "bf16", not "fp32"; '
            "an fp32 weight is its own master"
        ),
    ),
    (
        "small_state_has_its_parts",
        "optimizer.use_precision_aware_optimizer=true training.precision=bf16 parallel.use_distributed_optimizer=false",
        "optimizer.use_precision_aware_optimizer = true: needs parallel.use_distributed_optimizer = true, on one rank too",
    ),
    (
        "warmup_ends_before_the_decay",
        "optimizer.lr_warmup_steps=100",
        (
            "optimizer.lr_warmup_steps = 100: must be less than 100, the step at which the decay ends "
            "(the run's last step); shorten the warm-up or lengthen the run"
        ),
    ),
    (
        "warmup_ends_before_the_decay",
        "optimizer.lr_warmup_steps=50 optimizer.lr_decay_steps=40",
        (
            "optimizer.lr_warmup_steps = 50: must be less than 40, the step at which the decay ends "
            "(optimizer.lr_decay_steps); shorten the warm-up or lengthen the run"
        ),
    ),
    (
        "wsd_decay_starts_after_warmup",
        "optimizer.lr_decay_style=WSD optimizer.wsd_decay_steps=95 optimizer.lr_warmup_steps=10",
        (
            "optimizer.wsd_decay_steps = 95: must be at most 90, the steps between optimizer.lr_warmup_steps = 10 and 100, "
            "at which the decay ends (the run's last step)"
        ),
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
        "run_folder_is_no_checkpoint",
        "run.folder=runs/a/checkpoints/iter_0000100",
        (
            'run.folder = "runs/a/checkpoints/iter_0000100": must be the folder of a run, not one inside it; '
            'name the run\'s folder, and for its weights alone checkpoint.initial = "runs/a/checkpoints/iter_0000100"'
        ),
    ),
    (
        "run_folder_is_no_checkpoint",
        "run.folder=runs/a/checkpoints/",
        (
            'run.folder = "runs/a/checkpoints": must be the folder of a run, not one inside it; '
            'name the run\'s folder, and for its weights alone checkpoint.initial = "runs/a/checkpoints"'
        ),
    ),
    (
        "paths_are_written_out",
        "run.folder=~/runs/a",
        'run.folder = "~/runs/a": "~" and "$" are not expanded here; write the path out',
    ),
    (
        "paths_are_written_out",
        "dataset.blend.1.prefix=$SCRATCH/code",
        'dataset.blend.1.prefix = "$SCRATCH/code": "~" and "$" are not expanded here; write the path out',
    ),
    (
        "initial_weights_are_of_another_run",
        "checkpoint.initial=runs/../runs/a/checkpoints",
        (
            'checkpoint.initial = "runs/../runs/a/checkpoints": must not lie in run.folder = "runs/a", a run resumes from its '
            'own checkpoints by itself; set it to "", or choose another run.folder for a new run'
        ),
    ),
    (
        "micro_batch_divides_the_global_batch",
        "training.micro_batch_size=3",
        ("training.micro_batch_size = 3: must divide the 8 samples of the global batch; the nearest that does is 2"),
    ),
    (
        "micro_batch_divides_the_global_batch",
        "training.micro_batch_size=16",
        "training.micro_batch_size = 16: must divide the 8 samples of the global batch; the nearest that does is 8",
    ),
    (
        "tokens_make_a_step",
        "training.steps=0 training.tokens=2047",
        ("training.tokens = 2047: must be at least the 2048 tokens of one step; raise it or make the global batch smaller"),
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
    (
        "recompute_groups_need_full_recompute",
        "training.recompute=selective training.recompute_num_layers=2",
        (
            'training.recompute_num_layers = 2: has no effect with training.recompute = "selective"; '
            'set it to 1 or the other to "full"'
        ),
    ),
    (
        "moments_are_not_swapped",
        "optimizer.adam_beta1=0.999 optimizer.adam_beta2=0.9",
        (
            "optimizer.adam_beta1 = 0.999: its square must be less than the root of optimizer.adam_beta2 = 0.9; "
            "0.9 and 0.95 to 0.999 are usual, are they swapped?"
        ),
    ),
    (
        "weight_decay_shrinks_weights",
        "optimizer.weight_decay=1000",
        "optimizer.weight_decay = 1000.0: must be less than 1 / optimizer.lr = 1000, or weights flip; 0.1 is usual",
    ),
    (
        "constant_rate_has_no_decay_end",
        "optimizer.lr_decay_style=constant optimizer.lr_decay_steps=100",
        (
            'optimizer.lr_decay_steps = 100: has no effect with optimizer.lr_decay_style = "constant"; '
            "set it to 0 or choose a style that decays"
        ),
    ),
    (
        "wsd_shape_needs_wsd",
        "optimizer.lr_wsd_decay_style=minus_sqrt",
        (
            'optimizer.lr_wsd_decay_style = "minus_sqrt": has no effect with optimizer.lr_decay_style = "cosine"; '
            'set it to "linear" or the other to "WSD"'
        ),
    ),
    (
        "blend_names_are_tags",
        'dataset.blend.1.name="open/web math"',
        (
            'dataset.blend.1.name = "open/web math": must be letters, digits, "_", "." and "-", and begin with one of the '
            'first two; write for example "open_web_math"'
        ),
    ),
    (
        "blend_names_are_tags",
        "dataset.blend.1.name=数学",
        (
            'dataset.blend.1.name = "数学": must be letters, digits, "_", "." and "-", and begin with one of the '
            'first two; write for example "part_1"'
        ),
    ),
    (
        "blend_prefixes_differ",
        "dataset.blend.1.prefix=tokens//code/../books",
        (
            'dataset.blend: parts "books" and "code" have the same prefix "tokens/books"; '
            "name it once and give that part epochs or a weight"
        ),
    ),
    (
        "weights_replace_epochs",
        "dataset.blend.0.weight=1 dataset.blend.1.weight=2 dataset.blend.1.epochs=3",
        ("dataset.blend.1.epochs = 3.0: has no effect beside weight = 2.0; set epochs to 1, or every weight to 0"),
    ),
    (
        "a_checkpoint_before_the_newest_is_kept",
        "checkpoint.keep_last=1 checkpoint.interval_steps=10",
        (
            "checkpoint.keep_last = 1: must be at least 2, or 0 for all, with checkpoint.interval_steps = 10, "
            "so that a damaged checkpoint is not the only one; set it to 2"
        ),
    ),
    (
        "exports_are_of_checkpoints",
        "checkpoint.export_interval_steps=25 checkpoint.interval_steps=10",
        ("checkpoint.export_interval_steps = 25: must be a multiple of checkpoint.interval_steps = 10; the nearest is 20"),
    ),
    (
        "allowed_changes_are_keys",
        'checkpoint.allow_changes=["learning-speed"]',
        'checkpoint.allow_changes: "learning-speed" is no key of a recipe; give keys such as "optimizer.lr"',
    ),
    (
        "allowed_changes_are_keys",
        'checkpoint.allow_changes=["training.epoch"]',
        'checkpoint.allow_changes: "training.epoch" is no key of a recipe; did you mean "training.epochs"?',
    ),
    (
        "allowed_changes_can_be_made",
        'checkpoint.allow_changes=["optimizer.lr", "training.precision"]',
        (
            'checkpoint.allow_changes: "training.precision" cannot change on resume, the stored weights and optimizer depend on '
            "it; leave it out, or start a new run.folder with the checkpoint as checkpoint.initial"
        ),
    ),
    (
        "warmup_ends_before_the_run",
        "optimizer.lr_warmup_steps=100 optimizer.lr_decay_steps=200 optimizer.decay_ends_with_run=false",
        (
            "optimizer.lr_warmup_steps = 100: must be less than the run's 100 steps, or optimizer.lr = 0.001 is never reached; "
            "shorten the warm-up or lengthen the run"
        ),
    ),
    (
        "decay_ends_with_the_run",
        "optimizer.lr_decay_steps=200",
        (
            "optimizer.lr_decay_steps = 200: ends after the run's last step, 100; set it to 0 to end with the run, "
            "or say that it is meant: optimizer.decay_ends_with_run = false"
        ),
    ),
    (
        "decay_ends_with_the_run",
        "optimizer.lr_decay_steps=50 optimizer.min_lr=1e-4",
        (
            "optimizer.lr_decay_steps = 50: ends before the run's last step, 100; set it to 0 to end with the run, "
            "or say that it is meant: optimizer.decay_ends_with_run = false"
        ),
    ),
    (
        "end_on_stall_needs_a_limit",
        "guard.end_on_stall=true guard.stall_minutes=0",
        (
            "guard.end_on_stall = true: has no effect with guard.stall_minutes = 0; give the minutes, 15 is usual, "
            "or set it to false"
        ),
    ),
    (
        "spikes_are_judged_before_the_end",
        "guard.spike_sigma=6 guard.spike_window_steps=100",
        (
            "guard.spike_window_steps = 100: must be less than the run's 100 steps, or no loss is ever compared with "
            "guard.spike_sigma = 6.0; shorten it or set spike_sigma to 0"
        ),
    ),
    (
        "rate_is_not_zero_after_the_decay",
        "optimizer.lr_decay_steps=60 optimizer.decay_ends_with_run=false",
        (
            "optimizer.min_lr = 0.0: the last 40 of 100 steps would change no weight, the decay ends at "
            "optimizer.lr_decay_steps = 60; give a min_lr above 0 or set lr_decay_steps to 0"
        ),
    ),
]


@pytest.mark.parametrize(("rule", "overrides", "message"), BROKEN, ids=[f"{rule}-{text[:40]}" for rule, text, _ in BROKEN])
def test_a_broken_rule_says_what_to_change(load: Load, rule: str, overrides: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        load(*split(overrides))
    assert str(error.value).partition("recipe.toml: ")[2] == message


def test_every_rule_is_broken_here_or_in_a_test_of_its_own() -> None:
    named = {rule.__name__ for rule in (*rules.RULES, *rules.WORLD_SIZE_RULES, *rules.STEP_RULES)}
    elsewhere = {"_every_number_in_its_range", "local_ranks_are_all_ranks"}
    assert {rule for rule, _, _ in BROKEN} | elsewhere == named


def test_local_ranks_and_a_launcher_exclude_each_other(load: Load) -> None:
    with pytest.raises(ConfigError) as error:
        rules.check_world_size(load("parallel.processes=2"), 4)
    assert str(error.value) == "parallel.processes = 2: 4 ranks were started; set it to 0 when torchrun or srun starts the ranks"


@pytest.mark.parametrize(
    "overrides",
    [
        "optimizer.lr_decay_style=WSD optimizer.wsd_decay_steps=90 optimizer.lr_warmup_steps=10",
        "optimizer.lr_warmup_steps=99",
        "optimizer.lr_decay_steps=100",
        "optimizer.lr_decay_steps=101 optimizer.decay_ends_with_run=false",
        "optimizer.lr_decay_steps=99 optimizer.decay_ends_with_run=false optimizer.min_lr=1e-5",
        "optimizer.lr_decay_style=constant optimizer.min_lr=1e-5",
        "optimizer.adam_beta1=0 optimizer.adam_beta2=0",
        "optimizer.adam_beta1=0.95 optimizer.adam_beta2=0.9",
        "training.steps=0 training.tokens=2048",
        "training.micro_batch_size=8",
        "model.sliding_window=2",
        "model.vocab_size=385 parallel.tensor_model_parallel_size=4",
        "run.folder=runs/checkpoints.old/a",
        "checkpoint.initial=runs/ab",
        "dataset.blend.0.name=2024-10.books_v1",
        "checkpoint.keep_last=1",
        'checkpoint.allow_changes=["optimizer","dataset.blend.3.prefix","dataset.blend","dataset.blend.0","model.architecture"]',
        # In epochs only the data can tell.
        "training.steps=0 training.epochs=1 optimizer.lr_warmup_steps=10000",
        "dataset.seq_length=1024",
        "model.rope_scaling_factor=1",
        "model.hidden_size=96",
        "optimizer.min_lr=1e-3",
        "dataset.blend.0.weight=0.3 dataset.blend.1.weight=7",
        "dataset.validation_fraction=0",
        "training.recompute=selective",
        "training.recompute=full training.recompute_num_layers=2 parallel.pipeline_model_parallel_size=2",
        # More ranks than query groups: each holds a copy of one.
        "parallel.processes=4 parallel.tensor_model_parallel_size=4 parallel.sequence_parallel=true",
        "parallel.processes=2 parallel.pipeline_model_parallel_size=2 parallel.virtual_pipeline_model_parallel_size=2",
    ],
)
def test_what_only_just_keeps_the_rules_is_accepted(load: Load, overrides: str) -> None:
    load(*overrides.split())


def test_a_length_in_epochs_is_checked_when_its_steps_are_known(load: Load) -> None:
    config = load("training.steps=0", "training.epochs=1", "optimizer.lr_warmup_steps=50")
    rules.check_steps(config, 51)
    with pytest.raises(ConfigError, match="lr_warmup_steps = 50: must be less than 50"):
        rules.check_steps(config, 50)
