"""What a run may change when it goes on, with the whole message for what it may not."""

from pathlib import Path

import pytest

from megatron_mathcoder.config import resume_rules
from megatron_mathcoder.config.binding import key_paths
from megatron_mathcoder.config.errors import ConfigError
from megatron_mathcoder.config.loader import dump_config, load_run_file
from megatron_mathcoder.config.resume_rules import ALWAYS, EFFECTS, NEVER, check_resume
from megatron_mathcoder.config.schema import RunConfig
from tests.config.broken_rules import Broken, Load, each_of, message_of

CHECKPOINT = Path("runs/a/checkpoints/iter_0000050")
HEAD = "checkpoint runs/a/checkpoints/iter_0000050: the recipe has changed since: "
TAIL = "write the old values, choose another run.folder, or allow this with checkpoint.allow_changes = "
OTHER_DATA = "the samples from here on are others, so some tokens come again and others do not come at all"
LONGER = "the order of the data is unaffected; a decay that ends with the run moves"
BROKEN: Broken = [
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
]


@each_of(BROKEN)
def test_a_broken_rule_says_what_to_change(load: Load, overrides: str, message: str) -> None:
    assert message_of(load, overrides) == message


@pytest.mark.parametrize(
    "overrides",
    [
        'checkpoint.allow_changes=["optimizer","dataset.blend.3.prefix","dataset.blend","dataset.blend.0","model.architecture"]',
    ],
)
def test_what_only_just_keeps_the_rules_is_accepted(load: Load, overrides: str) -> None:
    load(*overrides.split())


@pytest.mark.parametrize(
    ("override", "difference", "allowance"),
    [
        ("optimizer.lr=2e-3", "optimizer.lr = 0.001 then, 0.002 now (the steps from here on use the new value)", "optimizer.lr"),
        (
            "run.seed=1",
            (
                "run.seed = 3407 then, 1 now (the data come in another order, so some samples come again and others do not "
                "come at all)"
            ),
            "run.seed",
        ),
        ("training.steps=200", f"training.steps = 100 then, 200 now ({LONGER})", "training.steps"),
        (
            "training.global_batch_size=16",
            "training.global_batch_size = 8 then, 16 now (the order of the data is unaffected)",
            "training.global_batch_size",
        ),
        ("dataset.seq_length=512", f"dataset.seq_length = 256 then, 512 now ({OTHER_DATA})", "dataset.seq_length"),
        (
            "dataset.blend.1.prefix=tokens/other",
            f'dataset.blend.1.prefix = "tokens/code" then, "tokens/other" now ({OTHER_DATA})',
            "dataset.blend.1.prefix",
        ),
        (
            "dataset.validation_fraction=0.1",
            ("dataset.validation_fraction = 0.01 then, 0.1 now (tokens move between the training data and the held-out data)"),
            "dataset.validation_fraction",
        ),
        (
            "dataset.tokenizer=other.model",
            'dataset.tokenizer = "" then, "other.model" now (another tokenizer is exported with the weights)',
            "dataset.tokenizer",
        ),
    ],
)
def test_a_change_is_shown_and_refused_until_it_is_allowed(load: Load, override: str, difference: str, allowance: str) -> None:
    with pytest.raises(ConfigError) as error:
        check_resume(CHECKPOINT, load(), load(override), 200)
    assert str(error.value) == f'{HEAD}{difference}; {TAIL}["{allowance}"]'
    allowed = check_resume(CHECKPOINT, load(), load(override, f'checkpoint.allow_changes=["{allowance}"]'), 200)
    assert [str(change) for change in allowed] == [difference]


def test_every_change_is_shown_at_once_and_only_the_rest_is_refused(load: Load) -> None:
    changed = ("optimizer.lr=2e-3", "optimizer.weight_decay=0.2", "run.seed=1", "optimizer.min_lr=1e-5")
    with pytest.raises(ConfigError) as error:
        check_resume(CHECKPOINT, load(), load(*changed, 'checkpoint.allow_changes=["optimizer.lr", "run"]'), 100)
    effect = "(the steps from here on use the new value)"
    assert str(error.value) == (
        f"{HEAD}optimizer.min_lr = 0.0 then, 1e-05 now {effect}; optimizer.weight_decay = 0.1 then, 0.2 now {effect}; "
        f'{TAIL}["optimizer.lr", "run", "optimizer.min_lr", "optimizer.weight_decay"]'
    )
    assert len(check_resume(CHECKPOINT, load(), load(*changed, 'checkpoint.allow_changes=["optimizer", "run"]'), 100)) == 4


def test_a_part_that_came_is_allowed_as_a_whole(load: Load) -> None:
    parts = '{name="books", prefix="tokens/books"}, {name="code", prefix="tokens/code"}'
    more = f'dataset.blend=[{parts}, {{name="web", prefix="tokens/web"}}]'
    with pytest.raises(ConfigError) as error:
        check_resume(CHECKPOINT, load(), load(more), 100)
    assert str(error.value).startswith(f'{HEAD}dataset.blend.2.name = absent then, "web" now ({OTHER_DATA}); ')
    assert str(error.value).endswith(f'{TAIL}["dataset.blend.2"]')
    assert check_resume(CHECKPOINT, load(), load(more, 'checkpoint.allow_changes=["dataset.blend.2"]'), 100)


@pytest.mark.parametrize(
    "overrides",
    [
        "run.folder=runs/moved",
        "platform.name=cpu",
        "parallel.tensor_model_parallel_size=2 parallel.sequence_parallel=true",
        "parallel.pipeline_model_parallel_size=2 parallel.virtual_pipeline_model_parallel_size=2",
        "training.micro_batch_size=1",
        "training.recompute=full training.recompute_num_layers=2",
        "validation.interval_steps=7 validation.samples=3",
        "checkpoint.interval_steps=7 checkpoint.keep_last=5 checkpoint.initial=elsewhere",
        "logging.tensorboard=false",
        "model.make_vocab_size_divisible_by=64",
    ],
)
def test_what_does_not_change_the_computation_may_change(load: Load, overrides: str) -> None:
    assert check_resume(CHECKPOINT, load(), load(*overrides.split()), 100) == []


def test_what_the_checkpoint_itself_refuses_is_left_to_it(load: Load) -> None:
    assert check_resume(CHECKPOINT, load(), load("training.precision=fp32", "model.hidden_size=64"), 100) == []


@pytest.mark.parametrize(
    ("length", "unit"), [("training.epochs=3", "training.epochs = 3.0"), ("training.tokens=409600", "training.tokens = 409600")]
)
def test_two_sizes_of_step_need_a_length_in_steps(load: Load, length: str, unit: str) -> None:
    saved = load("training.steps=0", length)
    allowed = 'checkpoint.allow_changes=["training", "dataset"]'
    with pytest.raises(ConfigError) as error:
        check_resume(CHECKPOINT, saved, load("training.steps=0", length, "training.global_batch_size=16", allowed), 100)
    assert str(error.value) == (
        f"checkpoint {CHECKPOINT}: steps had 8 samples of 256 tokens, now 16 of 256, and {unit} cannot count both; "
        "set it to 0 and give the length as training.steps"
    )
    assert check_resume(CHECKPOINT, saved, load("training.global_batch_size=16", allowed), 100)
    assert check_resume(CHECKPOINT, saved, load("training.steps=0", "training.epochs=4", allowed), 100)


def test_a_run_cannot_end_before_its_checkpoint(load: Load) -> None:
    shorter = load("training.steps=49", 'checkpoint.allow_changes=["training.steps"]')
    with pytest.raises(ConfigError) as error:
        check_resume(CHECKPOINT, load(), shorter, 49)
    assert str(error.value) == (
        f"checkpoint {CHECKPOINT}: it has 50 steps, the recipe's run ends after 49; lengthen the run, "
        "or move the checkpoints beyond its end out of the folder"
    )
    check_resume(CHECKPOINT, load(), shorter, 50)


def test_every_table_names_keys_that_exist() -> None:
    keys = set(key_paths(RunConfig, ""))
    for table in (*ALWAYS, *NEVER, *EFFECTS):
        assert any(f"{key}.".startswith(f"{table}.") for key in keys), table


def test_every_key_of_training_data_and_optimizer_needs_allowing_or_is_named() -> None:
    """The keys that may change in silence, written out once more, so that adding one is a decision."""
    sections = ("run.", "dataset.", "training.", "optimizer.")
    free = {key for key in key_paths(RunConfig, "") if key.startswith(sections) and not resume_rules._needs_allowing(key)}
    assert free == {
        "run.folder",
        "training.micro_batch_size",
        "training.precision",
        "training.recompute",
        "training.recompute_num_layers",
        "optimizer.decay_ends_with_run",
    }


def test_a_run_file_of_another_version_is_named(load: Load, tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text(dump_config(load()))
    assert load_run_file(path) == load()
    path.write_text(path.read_text().replace("adam_eps", "adam_epsilon"))
    with pytest.raises(ConfigError) as error:
        load_run_file(path)
    assert str(error.value) == (f"{path}: optimizer.adam_epsilon = 1e-08: no such key; did you mean optimizer.adam_eps?")
