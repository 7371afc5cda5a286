"""Rules of a run's length, batch, schedule and data.

Decides: which of these say one thing and can be carried out. Does not: raise; ``rules`` does, in its order.
Each rule returns the text of its error, or "" when it holds.
"""

from collections import Counter

from megatron_mathcoder.config.schema import RunConfig


def run_folder_is_named(config: RunConfig) -> str:
    """Everything a run writes goes into its folder."""
    if config.run.folder.strip():
        return ""
    return 'run.folder = "": must name a folder; write for example folder = "runs/first"'


def one_run_length(config: RunConfig) -> str:
    """Two lengths could disagree, and none would not end."""
    lengths = {name: getattr(config.training, name) for name in ("steps", "tokens", "epochs")}
    return _exactly_one("training", lengths, "the run's length")


def one_global_batch_size(config: RunConfig) -> str:
    """Samples and tokens say the same thing in two units, so one of them must be silent."""
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


def global_batch_is_whole_samples(config: RunConfig) -> str:
    """A step trains on whole samples."""
    tokens, seq_length = config.training.global_batch_tokens, config.dataset.seq_length
    if tokens % seq_length == 0:
        return ""
    return (
        f"training.global_batch_tokens = {tokens}: must be a multiple of dataset.seq_length = {seq_length}; "
        f"the nearest is {max(round(tokens / seq_length), 1) * seq_length}"
    )


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


def blend_has_parts(config: RunConfig) -> str:
    """There is something to train on."""
    if config.dataset.blend:
        return ""
    return "dataset.blend = []: must have at least one part; add a table [[dataset.blend]] with name and prefix"


def blend_parts_are_named(config: RunConfig) -> str:
    """Each part has a name for its loss and a path without the ending, since it stands for two files."""
    for index, part in enumerate(config.dataset.blend):
        key = f"dataset.blend.{index}"
        if not part.name.strip():
            return f'{key}.name = "{part.name}": must not be empty; it names this part\'s validation loss'
        if not part.prefix.strip():
            return f'{key}.prefix = "{part.prefix}": must not be empty; give the path of the dataset without .bin/.idx'
        if part.prefix.endswith((".bin", ".idx")):
            return f'{key}.prefix = "{part.prefix}": must not have the ending; write "{part.prefix[:-4]}"'
    return ""


def blend_names_differ(config: RunConfig) -> str:
    """Losses of parts with one name would overwrite each other."""
    for name, times in Counter(part.name for part in config.dataset.blend).items():
        if times > 1:
            return f'dataset.blend: {times} parts are named "{name}"; give each its own, so that their losses can be told apart'
    return ""


def weights_for_all_or_none(config: RunConfig) -> str:
    """Weights are shares of the whole; a part without one would never be drawn."""
    without = [part.name for part in config.dataset.blend if part.weight == 0]
    if len(without) in (0, len(config.dataset.blend)):
        return ""
    return (
        f'dataset.blend: part "{without[0]}" has weight = 0 and others have more; '
        "give every part a positive weight, or none and use epochs"
    )


def validation_has_samples(config: RunConfig) -> str:
    """Validation needs samples that training does not see."""
    interval, fraction = config.validation.interval_steps, config.dataset.validation_fraction
    if interval == 0 or fraction > 0:
        return ""
    return (
        f"validation.interval_steps = {interval}: needs dataset.validation_fraction above 0, which is {fraction}; "
        "set it to 0 or hold a share of the data out"
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


def _decay_end(config: RunConfig, steps: int) -> int:
    return config.optimizer.lr_decay_steps or steps


def _decay_end_source(config: RunConfig) -> str:
    return "optimizer.lr_decay_steps" if config.optimizer.lr_decay_steps else "the run's last step"
