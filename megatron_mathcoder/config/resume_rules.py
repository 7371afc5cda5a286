"""What a run may change when it goes on.

Decides: which keys of a recipe may differ from the one a checkpoint was saved with: always, when ``checkpoint.allow_changes``
names them, or never; and what such a change does.
Does not: read files, or compare the datasets themselves (``dataset/part_identity.py``).

A key that no table here names needs allowing, so a new one is safe until someone decides otherwise.
"""

import dataclasses
import functools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from megatron_mathcoder.config.batch import global_batch_size
from megatron_mathcoder.config.binding import key_paths, nearest
from megatron_mathcoder.config.errors import ConfigError
from megatron_mathcoder.config.run_folder import checkpoint_step
from megatron_mathcoder.config.schema import RunConfig
from megatron_mathcoder.config.toml_text import shown, value_text

ALWAYS = (
    "run.folder",
    "platform",
    "parallel",
    "logging",
    "validation",
    "checkpoint",
    "guard.stall_minutes",
    "guard.end_on_stall",
    "training.micro_batch_size",
    "training.recompute",
    "training.recompute_num_layers",
    "optimizer.decay_ends_with_run",
    "model.architecture",
    "model.init_method_std",
    "model.make_vocab_size_divisible_by",
    "model.max_position_embeddings",
)
"""Keys and tables that may always change: they move, show or save a run, and do not change what it computes."""

NEVER = ("model", "training.precision", "parallel.use_distributed_optimizer")
"""Keys and tables that give the stored tensors their shape, meaning or form; ``checkpoint.py`` refuses another value."""

EFFECTS = {
    "run.seed": "the data come in another order, so some samples come again and others do not come at all",
    "dataset": "the samples from here on are others, so some tokens come again and others do not come at all",
    "dataset.validation_fraction": "tokens move between the training data and the held-out data",
    "dataset.tokenizer": "another tokenizer is exported with the weights",
    "training.global_batch_size": "the order of the data is unaffected",
    "training.global_batch_tokens": "the order of the data is unaffected",
    "training.steps": "the order of the data is unaffected; a decay that ends with the run moves",
    "training.tokens": "the order of the data is unaffected; a decay that ends with the run moves",
    "training.epochs": "the order of the data is unaffected; a decay that ends with the run moves",
    "optimizer": "the steps from here on use the new value",
    "optimizer.use_precision_aware_optimizer": "masters stay exact; moments are rounded to bf16, or go on as they were",
    "guard": "the steps from here on are judged by the new value",
}
"""What a change does to the rest of the run; the longest key counts."""


class Change(NamedTuple):
    """A key whose value is no longer the saved one; None stands for a part of the blend that is not there."""

    key: str
    before: Any
    now: Any

    @property
    def difference(self) -> str:
        """Both values."""
        before, now = ("absent" if value is None else shown(value) for value in (self.before, self.now))
        return f"{self.key} = {before} then, {now} now"

    def __str__(self) -> str:
        """Return both values, and what the change does."""
        effect = EFFECTS.get(_covering(self.key, EFFECTS), "")
        return f"{self.difference} ({effect})" if effect else self.difference


def changes(saved: RunConfig, config: RunConfig) -> list[Change]:
    """Return every key in which two recipes differ, in the order of the recipe."""
    before, now = dict(_values(saved, "")), dict(_values(config, ""))
    return [Change(key, before.get(key), now.get(key)) for key in (now | before) if before.get(key) != now.get(key)]


def allows(config: RunConfig, key: str) -> bool:
    """Return whether ``checkpoint.allow_changes`` names ``key`` or a table that it is in."""
    return bool(_covering(key, config.checkpoint.allow_changes))


def may_always_change(key: str) -> bool:
    """Return whether ``ALWAYS`` names ``key`` or a table that it is in."""
    return _covering(key, (*ALWAYS, *NEVER)) in ALWAYS


def check_resume(checkpoint: Path, saved: RunConfig, config: RunConfig, total_steps: int) -> list[Change]:
    """Compare a recipe with the one ``checkpoint`` was saved with; return the changes that had to be allowed, and were.

    Raises:
        ConfigError: the first broken rule.
    """
    for error in (
        resumed_recipe_is_the_saved_one(saved, config),
        resumed_batch_has_a_length_in_steps(saved, config),
        run_is_longer_than_its_checkpoint(checkpoint_step(checkpoint), total_steps),
    ):
        if error:
            raise ConfigError(f"checkpoint {checkpoint}: {error}")
    return [change for change in changes(saved, config) if _needs_allowing(change.key)]


def allowed_changes_are_keys(config: RunConfig) -> str:
    """A misspelt key would allow nothing, and be found out only at the resume it was written for."""
    known = _keys_and_tables()
    for key in config.checkpoint.allow_changes:
        if (plain := re.sub(r"\.\d+(?=\.|$)", ".N", key)) not in known:
            near = nearest(plain, known)
            remedy = f'did you mean "{near}"?' if near else 'give keys such as "optimizer.lr"'
            return f'checkpoint.allow_changes: "{key}" is no key of a recipe; {remedy}'
    return ""


@functools.cache
def _keys_and_tables() -> frozenset[str]:
    return frozenset(prefix for path in key_paths(RunConfig, "") for prefix in _prefixes(path))


def allowed_changes_can_be_made(config: RunConfig) -> str:
    """What gives the stored tensors their form cannot be allowed to change."""
    for key in config.checkpoint.allow_changes:
        if _covering(key, (*ALWAYS, *NEVER)) in NEVER:
            return (
                f'checkpoint.allow_changes: "{key}" cannot change on resume, the stored weights and optimizer depend on it; '
                "leave it out, or start a new run.folder with the checkpoint as checkpoint.initial"
            )
    return ""


def resumed_recipe_is_the_saved_one(saved: RunConfig, config: RunConfig) -> str:
    """A run that resumes goes on as it was, except in what may always change and in what the recipe allows."""
    refused = [each for each in changes(saved, config) if _needs_allowing(each.key) and not allows(config, each.key)]
    if not refused:
        return ""
    return (
        f"the recipe has changed since: {'; '.join(map(str, refused))}; write the old values, choose another run.folder, "
        f"or allow this with {_allowance(config, refused)}"
    )


def resumed_batch_has_a_length_in_steps(saved: RunConfig, config: RunConfig) -> str:
    """Tokens and epochs become steps of one size; with two sizes in a run they would mean neither."""
    sizes = [(global_batch_size(each.training, each.dataset), each.dataset.seq_length) for each in (saved, config)]
    unit = "epochs" if config.training.epochs else "tokens"
    if sizes[0] == sizes[1] or config.training.steps:
        return ""
    (samples, length), (samples_now, length_now) = sizes
    return (
        f"steps had {samples} samples of {length} tokens, now {samples_now} of {length_now}, and training.{unit} = "
        f"{getattr(config.training, unit)} cannot count both; set it to 0 and give the length as training.steps"
    )


def run_is_longer_than_its_checkpoint(step: int, total_steps: int) -> str:
    """A run cut short behind its own checkpoint would end at once, without the last step's save and validation."""
    if step <= total_steps:
        return ""
    return (
        f"it has {step} steps, the recipe's run ends after {total_steps}; lengthen the run, "
        "or move the checkpoints beyond its end out of the folder"
    )


def _needs_allowing(key: str) -> bool:
    return not _covering(key, (*ALWAYS, *NEVER))


def _allowance(config: RunConfig, refused: Iterable[Change]) -> str:
    """Return the line that would allow these changes too; a part of the blend that came or went is named as a whole."""
    keys = [each.key.rpartition(".")[0] if None in (each.before, each.now) else each.key for each in refused]
    return f"checkpoint.allow_changes = {value_text(tuple(dict.fromkeys((*config.checkpoint.allow_changes, *keys))))}"


def _covering(key: str, tables: Iterable[str]) -> str:
    """Return the longest of ``tables`` that is ``key`` or holds it, "" for none."""
    return max((each for each in tables if f"{key}.".startswith(f"{each}.")), key=len, default="")


def _prefixes(path: str) -> Iterator[str]:
    names = path.split(".")
    yield from (".".join(names[:count]) for count in range(1, len(names) + 1))


def _values(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    """Yield every key of a section, or of a part of the blend, with its value."""
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from _values(getattr(value, field.name), f"{key}.{field.name}" if key else field.name)
    elif isinstance(value, tuple) and value and dataclasses.is_dataclass(value[0]):
        for index, element in enumerate(value):
            yield from _values(element, f"{key}.{index}")
    else:
        yield key, value


RESUME_RULES = (resumed_recipe_is_the_saved_one, resumed_batch_has_a_length_in_steps, run_is_longer_than_its_checkpoint)
"""The rules of a run that goes on."""
