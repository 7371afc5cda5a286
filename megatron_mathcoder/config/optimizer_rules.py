"""Rules of the optimizer and of its schedule.

Decides: which learning rates, moments and schedules make sense together and with the run's length in steps.
Does not: raise; ``rules`` does, in its order. Each rule returns the text of its error, or "" when it holds.
"""

from megatron_mathcoder.config.schema import RunConfig


def peak_learning_rate_is_the_largest(config: RunConfig) -> str:
    """The decay goes down from the peak."""
    lr, min_lr = config.optimizer.lr, config.optimizer.min_lr
    return "" if min_lr <= lr else f"optimizer.min_lr = {min_lr}: must be at most optimizer.lr = {lr}; lower it or set it to 0"


def wsd_has_its_decay(config: RunConfig) -> str:
    """WSD is told where its decay begins; no other schedule listens to that."""
    style, steps = config.optimizer.lr_decay_style, config.optimizer.wsd_decay_steps
    if style == "WSD" and steps == 0:
        return 'optimizer.wsd_decay_steps = 0: must be set with optimizer.lr_decay_style = "WSD"; a tenth of the run is usual'
    if style != "WSD" and steps:
        return (
            f'optimizer.wsd_decay_steps = {steps}: has no effect with optimizer.lr_decay_style = "{style}"; '
            'set it to 0 or the style to "WSD"'
        )
    return ""


def moments_are_not_swapped(config: RunConfig) -> str:
    """Adam's first moment must forget faster than the second: beta1² < √beta2 (Kingma & Ba 2015, theorem 4.1)."""
    beta1, beta2 = config.optimizer.adam_beta1, config.optimizer.adam_beta2
    if beta1**2 < beta2**0.5 or beta1 == 0:
        return ""
    return (
        f"optimizer.adam_beta1 = {beta1}: its square must be less than the root of optimizer.adam_beta2 = {beta2}; "
        "0.9 and 0.95 to 0.999 are usual, are they swapped?"
    )


def small_state_has_its_parts(config: RunConfig) -> str:
    """The master is a bf16 weight and the bits it lacks, in the distributed optimizer's share of it."""
    if not config.optimizer.use_precision_aware_optimizer:
        return ""
    if config.training.precision != "bf16":
        return (
            'optimizer.use_precision_aware_optimizer = true: needs training.precision = "bf16", not '
            f'"{config.training.precision}"; an fp32 weight is its own master'
        )
    if not config.parallel.use_distributed_optimizer:
        return "optimizer.use_precision_aware_optimizer = true: needs parallel.use_distributed_optimizer = true, on one rank too"
    return ""


def weight_decay_shrinks_weights(config: RunConfig) -> str:
    """A step multiplies each weight by 1 - lr · weight_decay; beyond 1 its sign flips."""
    lr, decay = config.optimizer.lr, config.optimizer.weight_decay
    if lr * decay < 1:
        return ""
    return f"optimizer.weight_decay = {decay}: must be less than 1 / optimizer.lr = {1 / lr:g}, or weights flip; 0.1 is usual"


def constant_rate_has_no_decay_end(config: RunConfig) -> str:
    """A constant learning rate does not decay, so a decay's end beside it is a mistake in one of the two."""
    steps = config.optimizer.lr_decay_steps
    if config.optimizer.lr_decay_style != "constant" or steps == 0:
        return ""
    return (
        f'optimizer.lr_decay_steps = {steps}: has no effect with optimizer.lr_decay_style = "constant"; '
        "set it to 0 or choose a style that decays"
    )


def wsd_shape_needs_wsd(config: RunConfig) -> str:
    """The shape of WSD's decay is no schedule by itself."""
    shape, style = config.optimizer.lr_wsd_decay_style, config.optimizer.lr_decay_style
    if style == "WSD" or shape == "linear":
        return ""
    return (
        f'optimizer.lr_wsd_decay_style = "{shape}": has no effect with optimizer.lr_decay_style = "{style}"; '
        'set it to "linear" or the other to "WSD"'
    )


def warmup_ends_before_the_decay(config: RunConfig, steps: int) -> str:
    """megatron-core's scheduler demands it, with an assertion that names no key."""
    warmup, end = config.optimizer.lr_warmup_steps, _decay_end(config, steps)
    if warmup < end:
        return ""
    return (
        f"optimizer.lr_warmup_steps = {warmup}: must be less than {end}, the step at which the decay ends "
        f"({_decay_end_source(config)}); shorten the warm-up or lengthen the run"
    )


def wsd_decay_starts_after_warmup(config: RunConfig, steps: int) -> str:
    """The learning rate is up before it comes down."""
    decay, warmup, end = config.optimizer.wsd_decay_steps, config.optimizer.lr_warmup_steps, _decay_end(config, steps)
    if decay <= end - warmup:
        return ""
    return (
        f"optimizer.wsd_decay_steps = {decay}: must be at most {end - warmup}, the steps between "
        f"optimizer.lr_warmup_steps = {warmup} and {end}, at which the decay ends ({_decay_end_source(config)})"
    )


def warmup_ends_before_the_run(config: RunConfig, steps: int) -> str:
    """A run that ends in its warm-up never trains at the learning rate it names."""
    warmup = config.optimizer.lr_warmup_steps
    if warmup < steps:
        return ""
    return (
        f"optimizer.lr_warmup_steps = {warmup}: must be less than the run's {steps} steps, or optimizer.lr = "
        f"{config.optimizer.lr} is never reached; shorten the warm-up or lengthen the run"
    )


def decay_ends_with_the_run(config: RunConfig, steps: int) -> str:
    """A decay that ends elsewhere is meant or left over from a run of another length; only its writer knows."""
    end = config.optimizer.lr_decay_steps
    if config.optimizer.lr_decay_style == "constant" or not config.optimizer.decay_ends_with_run or end in (0, steps):
        return ""
    where = "before" if end < steps else "after"
    return (
        f"optimizer.lr_decay_steps = {end}: ends {where} the run's last step, {steps}; set it to 0 to end with the run, "
        "or say that it is meant: optimizer.decay_ends_with_run = false"
    )


def rate_is_not_zero_after_the_decay(config: RunConfig, steps: int) -> str:
    """Steps after the end of the decay run at min_lr; at 0 they compute and change nothing."""
    end, min_lr = config.optimizer.lr_decay_steps, config.optimizer.min_lr
    if config.optimizer.lr_decay_style == "constant" or end == 0 or end >= steps or min_lr > 0:
        return ""
    return (
        f"optimizer.min_lr = {min_lr}: the last {steps - end} of {steps} steps would change no weight, the decay ends at "
        f"optimizer.lr_decay_steps = {end}; give a min_lr above 0 or set lr_decay_steps to 0"
    )


def _decay_end(config: RunConfig, steps: int) -> int:
    return config.optimizer.lr_decay_steps or steps


def _decay_end_source(config: RunConfig) -> str:
    return "optimizer.lr_decay_steps" if config.optimizer.lr_decay_steps else "the run's last step"
