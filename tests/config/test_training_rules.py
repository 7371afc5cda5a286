"""The rules of a run's length, batches, folder and checkpoints, each broken once or more, with the whole message."""

import pytest

from tests.config.broken_rules import Broken, Load, each_of, message_of

BROKEN: Broken = [
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
        "validation_has_samples",
        "validation.interval_steps=10 dataset.validation_fraction=0",
        (
            "validation.interval_steps = 10: needs dataset.validation_fraction above 0, which is 0.0; "
            "set it to 0 or hold a share of the data out"
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
        "recompute_groups_need_full_recompute",
        "training.recompute=selective training.recompute_num_layers=2",
        (
            'training.recompute_num_layers = 2: has no effect with training.recompute = "selective"; '
            'set it to 1 or the other to "full"'
        ),
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
]


@each_of(BROKEN)
def test_a_broken_rule_says_what_to_change(load: Load, overrides: str, message: str) -> None:
    assert message_of(load, overrides) == message


@pytest.mark.parametrize(
    "overrides",
    [
        "training.steps=0 training.tokens=2048",
        "training.micro_batch_size=8",
        "run.folder=runs/checkpoints.old/a",
        "checkpoint.initial=runs/ab",
        "checkpoint.keep_last=1",
        "dataset.validation_fraction=0",
        "training.recompute=selective",
    ],
)
def test_what_only_just_keeps_the_rules_is_accepted(load: Load, overrides: str) -> None:
    load(*overrides.split())
