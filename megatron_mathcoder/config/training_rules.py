"""Rules of a run's folder, length, batch, validation and checkpoints.

Decides: which of these say one thing and can be carried out. Does not: raise; ``rules`` does, in its order.
Each rule returns the text of its error, or "" when it holds.
"""

import os
from itertools import count
from pathlib import Path

from megatron_mathcoder.config.batch import global_batch_size
from megatron_mathcoder.config.run_folder import CHECKPOINTS, PARTIAL_SUFFIX, checkpoint_step
from megatron_mathcoder.config.schema import RunConfig


def run_folder_is_named(config: RunConfig) -> str:
    """Everything a run writes goes into its folder."""
    if config.run.folder.strip():
        return ""
    return 'run.folder = "": must name a folder; write for example folder = "runs/first"'


def run_folder_is_no_checkpoint(config: RunConfig) -> str:
    """A run would be written into the checkpoints of another."""
    path = Path(config.run.folder)
    if path.name != CHECKPOINTS and checkpoint_step(path) < 0 and path.suffix != PARTIAL_SUFFIX:
        return ""
    return (
        f'run.folder = "{path}": must be the folder of a run, not one inside it; '
        f'name the run\'s folder, and for its weights alone checkpoint.initial = "{path}"'
    )


def paths_are_written_out(config: RunConfig) -> str:
    """No shell reads a recipe, or what follows an equals sign of --set: "~" and "$HOME" would become folders of that name."""
    paths = {
        "run.folder": config.run.folder,
        "dataset.tokenizer": config.dataset.tokenizer,
        "checkpoint.initial": config.checkpoint.initial,
    }
    paths |= {f"dataset.blend.{index}.prefix": part.prefix for index, part in enumerate(config.dataset.blend)}
    for key, path in paths.items():
        if path.startswith("~") or "$" in path:
            return f'{key} = "{path}": "~" and "$" are not expanded here; write the path out'
    return ""


def initial_weights_are_of_another_run(config: RunConfig) -> str:
    """A run goes on from its own checkpoints by itself; naming them as initial weights would drop the optimizer."""
    folder, initial = (Path(os.path.normpath(Path(path).absolute())) for path in (config.run.folder, config.checkpoint.initial))
    if not config.checkpoint.initial or not initial.is_relative_to(folder):
        return ""
    return (
        f'checkpoint.initial = "{config.checkpoint.initial}": must not lie in run.folder = "{config.run.folder}", a run resumes '
        'from its own checkpoints by itself; set it to "", or choose another run.folder for a new run'
    )


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


def micro_batch_divides_the_global_batch(config: RunConfig) -> str:
    """Whatever the number of ranks, a step is made of whole micro-batches."""
    micro_batch_size, samples = config.training.micro_batch_size, global_batch_size(config.training, config.dataset)
    if samples % micro_batch_size == 0:
        return ""
    return (
        f"training.micro_batch_size = {micro_batch_size}: must divide the {samples} samples of the global batch; "
        f"the nearest that does is {_nearest_divisor(samples, micro_batch_size)}"
    )


def _nearest_divisor(value: int, wanted: int) -> int:
    start = min(value, wanted)
    around = (each for distance in count() for each in (start - distance, start + distance))
    return next(each for each in around if each > 0 and value % each == 0)


def tokens_make_a_step(config: RunConfig) -> str:
    """A length in tokens is rounded up to whole steps; less than one step would train on more than was asked for."""
    tokens = config.training.tokens
    tokens_per_step = global_batch_size(config.training, config.dataset) * config.dataset.seq_length
    if tokens == 0 or tokens >= tokens_per_step:
        return ""
    return (
        f"training.tokens = {tokens}: must be at least the {tokens_per_step} tokens of one step; "
        "raise it or make the global batch smaller"
    )


def recompute_groups_need_full_recompute(config: RunConfig) -> str:
    """Groups of layers are recomputed whole; selective recompute has none."""
    group, recompute = config.training.recompute_num_layers, config.training.recompute
    if recompute == "full" or group == 1:
        return ""
    return (
        f'training.recompute_num_layers = {group}: has no effect with training.recompute = "{recompute}"; '
        'set it to 1 or the other to "full"'
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


def a_checkpoint_before_the_newest_is_kept(config: RunConfig) -> str:
    """A newest checkpoint that the disk has damaged must not be the only one."""
    keep_last, interval = config.checkpoint.keep_last, config.checkpoint.interval_steps
    if keep_last != 1 or interval == 0:
        return ""
    return (
        f"checkpoint.keep_last = 1: must be at least 2, or 0 for all, with checkpoint.interval_steps = {interval}, "
        "so that a damaged checkpoint is not the only one; set it to 2"
    )


def exports_are_of_checkpoints(config: RunConfig) -> str:
    """An export is made from a checkpoint, so it can only come when one is saved."""
    export, interval = config.checkpoint.export_interval_steps, config.checkpoint.interval_steps
    if interval == 0 or export % interval == 0:
        return ""
    return (
        f"checkpoint.export_interval_steps = {export}: must be a multiple of checkpoint.interval_steps = {interval}; "
        f"the nearest is {max(1, round(export / interval)) * interval}"
    )
