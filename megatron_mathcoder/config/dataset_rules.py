"""Rules of the blend as the recipe tells it.

Decides: which parts can be told apart and drawn from. Does not: open a file (``dataset/blend_rules.py`` looks at the data), or
raise; ``rules`` does, in its order. Each rule returns the text of its error, or "" when it holds.
"""

import os
import re
from collections import Counter

from megatron_mathcoder.config.schema import RunConfig

TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
"""Names that TensorBoard, file systems and shells take as they are."""


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


def blend_names_are_tags(config: RunConfig) -> str:
    """A part's name becomes a TensorBoard tag and a column of plots, which rewrite other characters in silence."""
    for index, part in enumerate(config.dataset.blend):
        if not TAG.fullmatch(part.name):
            tag = re.sub(r"[^A-Za-z0-9_.-]+", "_", part.name).strip("_.-") or f"part_{index}"
            return (
                f'dataset.blend.{index}.name = "{part.name}": must be letters, digits, "_", "." and "-", and begin with one of '
                f'the first two; write for example "{tag}"'
            )
    return ""


def blend_prefixes_differ(config: RunConfig) -> str:
    """One dataset under two names is trained on twice, and each half of it is the other's held-out data."""
    seen: dict[str, str] = {}
    for part in config.dataset.blend:
        path = os.path.normpath(part.prefix)
        if path in seen:
            return (
                f'dataset.blend: parts "{seen[path]}" and "{part.name}" have the same prefix "{path}"; '
                "name it once and give that part epochs or a weight"
            )
        seen[path] = part.name
    return ""


def weights_replace_epochs(config: RunConfig) -> str:
    """With weights, a part's share follows from them alone; epochs beside them would be ignored."""
    for index, part in enumerate(config.dataset.blend):
        if part.weight and part.epochs != 1:
            return (
                f"dataset.blend.{index}.epochs = {part.epochs}: has no effect beside weight = {part.weight}; "
                "set epochs to 1, or every weight to 0"
            )
    return ""
