"""Rules that only the data can decide.

Decides: which datasets belong in one blend and in one run, and whether there is enough of them.
Does not: open a dataset (``blend.py``), or check a recipe without its data (``config/rules.py``).

Each rule returns the text of its error, or "" when it holds. This file imports neither numpy nor megatron-core.
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from megatron_mathcoder.config.batch import global_batch_size
from megatron_mathcoder.config.errors import DataError
from megatron_mathcoder.config.resume_rules import allows
from megatron_mathcoder.config.schema import DatasetSection, RunConfig
from megatron_mathcoder.dataset.part_identity import PartIdentity

if TYPE_CHECKING:
    from megatron_mathcoder.dataset.blend import Blend

TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "tekken.json")
"""Files of a tokenizer's folder that may be the one a dataset was made with."""


def check_parts(section: DatasetSection, parts: Sequence[PartIdentity]) -> None:
    """Check the parts of a blend against each other and against the tokenizer that is exported with the model.

    Raises:
        DataError: the first broken rule.
    """
    for rule in PART_RULES:
        _raise_if(rule(section, parts))


def check_blend(config: RunConfig, blend: "Blend") -> None:
    """Check that a run finds enough samples to train on and to validate with.

    Raises:
        DataError: the first broken rule.
    """
    for rule in BLEND_RULES:
        _raise_if(rule(config, blend))


def check_resumed_data(config: RunConfig, saved: Sequence[PartIdentity], parts: Sequence[PartIdentity]) -> None:
    """Compare the datasets of a run with those it began with.

    Raises:
        DataError: a dataset is not the same, and ``checkpoint.allow_changes`` does not name it.
    """
    for rule in RESUME_RULES:
        _raise_if(rule(config, saved, parts))


def _raise_if(error: str) -> None:
    if error:
        raise DataError(error)


def manifests_describe_their_datasets(section: DatasetSection, parts: Sequence[PartIdentity]) -> str:
    """A manifest beside other files than its own names the wrong tokenizer."""
    for index, part in enumerate(parts):
        if part.manifest_tokens != part.tokens:
            prefix = section.blend[index].prefix
            return (
                f"dataset {prefix}: {prefix}.manifest.json is of {part.manifest_tokens} tokens, the .idx has {part.tokens}; "
                "copy the three files together, or remove the manifest"
            )
    return ""


def parts_have_one_tokenizer(section: DatasetSection, parts: Sequence[PartIdentity]) -> str:
    """An id means one piece of text; parts of two tokenizers train a model to confuse them."""
    known = [part for part in parts if part.tokenizer_sha256]
    for part in known[1:]:
        if part.tokenizer_sha256 != known[0].tokenizer_sha256:
            return (
                f'dataset.blend: "{known[0].name}" was made with {_tokenizer(known[0])}, "{part.name}" with {_tokenizer(part)}; '
                "tokenize all parts with one tokenizer"
            )
    return ""


def exported_tokenizer_is_there(section: DatasetSection, parts: Sequence[PartIdentity]) -> str:
    """It is read when the finished model is exported, weeks after the start."""
    if not section.tokenizer or _tokenizer_files(section.tokenizer):
        return ""
    return (
        f'dataset.tokenizer = "{section.tokenizer}": no tokenizer is there ({", ".join(TOKENIZER_FILES)} in a folder, or a '
        'file); mend the path, or set it to "" to export none'
    )


def exported_tokenizer_is_that_of_the_parts(section: DatasetSection, parts: Sequence[PartIdentity]) -> str:
    """A model exported beside another tokenizer reads and writes noise."""
    hashes = [hashlib.sha256(file.read_bytes()).hexdigest() for file in _tokenizer_files(section.tokenizer)]
    for part in parts:
        if hashes and part.tokenizer_sha256 and part.tokenizer_sha256 not in hashes:
            return (
                f'dataset.tokenizer = "{section.tokenizer}": "{part.name}" was made with {_tokenizer(part)}, which is not in it; '
                'name that one, or set it to "" to export none'
            )
    return ""


def parts_hold_different_data(section: DatasetSection, parts: Sequence[PartIdentity]) -> str:
    """A copy under another path is still the same data, seen twice as often as its share says."""
    seen: dict[tuple[int, int, str], str] = {}
    for part in parts:
        if part.content in seen:
            return (
                f'dataset.blend: "{seen[part.content]}" and "{part.name}" hold the same {part.tokens} tokens in '
                f"{part.documents} documents; name one of them, and give it epochs or a weight"
            )
        seen[part.content] = part.name
    return ""


def an_epoch_fills_a_step(config: RunConfig, blend: "Blend") -> str:
    """A step larger than an epoch holds samples twice, which weighs them double and not the run longer."""
    samples, wanted = blend.samples_per_epoch, global_batch_size(config.training, config.dataset)
    if samples >= wanted:
        return ""
    return (
        f"dataset.blend: an epoch has {samples} samples of {config.dataset.seq_length} tokens, one step takes {wanted}; "
        "make the global batch or the samples smaller, or add data"
    )


def epochs_make_a_step(config: RunConfig, blend: "Blend") -> str:
    """A length in epochs is rounded up to whole steps; less than one step would train on more than was asked for."""
    epochs, wanted = config.training.epochs, global_batch_size(config.training, config.dataset)
    samples = epochs * blend.samples_per_epoch
    if epochs == 0 or samples >= wanted:
        return ""
    return (
        f"training.epochs = {epochs}: gives {samples:g} samples, less than the {wanted} of one step; "
        "raise it, or make the global batch smaller"
    )


def every_part_has_held_out_samples(config: RunConfig, blend: "Blend") -> str:
    """A part too short for the share held out would have no validation loss, without a word."""
    if not config.validation.interval_steps:
        return ""
    for part in blend.parts:
        if part.validation is None:
            return (
                f"dataset.validation_fraction = {config.dataset.validation_fraction}: holds no document of "
                f'"{part.name}" out; raise it, or set validation.interval_steps to 0'
            )
    return ""


def held_out_samples_suffice(config: RunConfig, blend: "Blend") -> str:
    """A validation on fewer samples than asked for is noisier than its recipe says."""
    wanted = config.validation.samples
    if not config.validation.interval_steps or wanted == 0:
        return ""
    for part in blend.parts:
        if part.validation is not None and part.validation.num_samples < wanted:
            return (
                f'validation.samples = {wanted}: "{part.name}" has {part.validation.num_samples} held-out samples; '
                "lower it to that or to 0 for all, or raise dataset.validation_fraction"
            )
    return ""


def resumed_data_are_the_first(config: RunConfig, saved: Sequence[PartIdentity], parts: Sequence[PartIdentity]) -> str:
    """A dataset made anew under its old path changes which tokens were seen, though the recipe is the same."""
    for index, (before, now) in enumerate(zip(saved, parts, strict=False)):
        key = f"dataset.blend.{index}.prefix"
        same = before.content == now.content and before.tokenizer_sha256 == now.tokenizer_sha256
        if not same and not allows(config, key):
            return (
                f"dataset {config.dataset.blend[index].prefix}: the run began with {_described(before)}, now it is "
                f'{_described(now)}; put the old files back, or allow this with checkpoint.allow_changes = ["{key}"]'
            )
    return ""


def _described(part: PartIdentity) -> str:
    marks = f"ends {part.ends_sha256[:8]}" + (f", tokenizer {part.tokenizer_sha256[:8]}" if part.tokenizer_sha256 else "")
    return f"{part.tokens} tokens in {part.documents} documents ({marks})"


def _tokenizer(part: PartIdentity) -> str:
    return f"{part.tokenizer_path} (sha256 {part.tokenizer_sha256[:8]})"


def _tokenizer_files(path: str) -> list[Path]:
    """Return the files that the tokenizer at ``path`` may have its vocabulary in."""
    files = [Path(path)] if not Path(path).is_dir() else [Path(path) / name for name in TOKENIZER_FILES]
    return [file for file in files if path and file.is_file()]


PART_RULES: tuple[Callable[[DatasetSection, Sequence[PartIdentity]], str], ...] = (
    manifests_describe_their_datasets,
    parts_have_one_tokenizer,
    exported_tokenizer_is_there,
    exported_tokenizer_is_that_of_the_parts,
    parts_hold_different_data,
)
"""The rules of a blend's datasets by themselves."""

BLEND_RULES: tuple[Callable[[RunConfig, "Blend"], str], ...] = (
    an_epoch_fills_a_step,
    epochs_make_a_step,
    every_part_has_held_out_samples,
    held_out_samples_suffice,
)
"""The rules of a run over its blend."""

RESUME_RULES: tuple[Callable[[RunConfig, Sequence[PartIdentity], Sequence[PartIdentity]], str], ...] = (
    resumed_data_are_the_first,
)
"""The rules of a run that goes on."""
