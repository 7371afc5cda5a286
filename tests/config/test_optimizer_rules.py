"""The rules of the optimizer and its schedule, each broken once or more, with the whole message."""

import pytest

from megatron_mathcoder.config import rules
from megatron_mathcoder.config.errors import ConfigError
from tests.config.broken_rules import Broken, Load, each_of, message_of

BROKEN: Broken = [
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
        "rate_is_not_zero_after_the_decay",
        "optimizer.lr_decay_steps=60 optimizer.decay_ends_with_run=false",
        (
            "optimizer.min_lr = 0.0: the last 40 of 100 steps would change no weight, the decay ends at "
            "optimizer.lr_decay_steps = 60; give a min_lr above 0 or set lr_decay_steps to 0"
        ),
    ),
]


@each_of(BROKEN)
def test_a_broken_rule_says_what_to_change(load: Load, overrides: str, message: str) -> None:
    assert message_of(load, overrides) == message


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
        # In epochs only the data can tell.
        "training.steps=0 training.epochs=1 optimizer.lr_warmup_steps=10000",
        "optimizer.min_lr=1e-3",
    ],
)
def test_what_only_just_keeps_the_rules_is_accepted(load: Load, overrides: str) -> None:
    load(*overrides.split())


def test_a_length_in_epochs_is_checked_when_its_steps_are_known(load: Load) -> None:
    config = load("training.steps=0", "training.epochs=1", "optimizer.lr_warmup_steps=50")
    rules.check_steps(config, 51)
    with pytest.raises(ConfigError, match="lr_warmup_steps = 50: must be less than 50"):
        rules.check_steps(config, 50)
