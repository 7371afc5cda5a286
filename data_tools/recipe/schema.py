"""The keys of a data recipe, and how one is read.

Decides: what a recipe must say: where the corpora are, which components they make, what is done to each, and the tokenizers.
Does not: say how a stage works; each has its verb, and ``options`` are that verb's own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from data_tools.sources.catalogue import SOURCES
from megatron_mathcoder.config import loader
from megatron_mathcoder.config.binding import nearest
from megatron_mathcoder.config.errors import ConfigError

WHOLE = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSection:
    """The run as a whole."""

    folder: str
    """Where everything is made: ``FOLDER/STAGE/COMPONENT``."""
    corpora: str
    """Folder that the components' ``inputs`` are in."""
    workers: int = WHOLE
    """Processes of every stage; 0 = the cores this process may use."""
    max_reject_fraction: float = 0.01
    """Share of a stage's documents that may be damaged, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterSection:
    """One round of filtering by a fastText model: a ready one, or one learned from labels."""

    model: str = ""
    """A model of ``mathcoder train-filter``, or a published one; "" = learn it from the labels of this round and those before."""
    annotator: Literal["none", "openai", "vllm", "given"] = "none"
    """Who labels a sample of what the rounds before kept; none = nobody, and ``model`` is ready."""
    annotate: tuple[str, ...] = ()
    """Further arguments of ``mathcoder annotate``: the model and its address, or the given labels; the sample."""
    train: tuple[str, ...] = ()
    """Further arguments of ``mathcoder train-filter``."""
    threshold: float = -1.0
    """Least score that is kept, 0 to 1; -1 = the one chosen when the model was trained."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentSection:
    """One part of the blend: a corpus, or several of the same kind. Components are in the order of preference."""

    name: str
    """Also its folder's name."""
    source: str = ""
    """Of ``mathcoder prepare --source``."""
    inputs: tuple[str, ...] = ()
    """Files and folders below ``data.corpora``; none = the component is left out of this run."""
    options: tuple[str, ...] = ()
    """Further arguments of ``mathcoder prepare``."""
    translated_from: tuple[str, ...] = ()
    """Instead of a source: components whose filtered documents are translated into code that is executed."""
    translate: tuple[str, ...] = ()
    """Further arguments of ``mathcoder translate``."""
    execute: tuple[str, ...] = ()
    """Further arguments of ``mathcoder execute``."""
    filters: tuple[FilterSection, ...] = ()
    """Rounds, one after the other."""
    epochs: float = 1.0
    """How often the blend goes through it for one epoch of the run."""

    @property
    def is_used(self) -> bool:
        """Whether there is anything to make it from."""
        return bool(self.inputs or self.translated_from)


@dataclass(frozen=True, slots=True, kw_only=True)
class DecontaminateSection:
    """What no document may hold."""

    benchmarks: tuple[str, ...]
    """Files and folders of benchmarks, as for ``mathcoder decontaminate --benchmarks``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizerSection:
    """One tokenizer; each makes a dataset of every component."""

    name: str
    """Also its folder's name."""
    path: str
    """As for ``mathcoder tokenize --tokenizer``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataRecipe:
    """A whole recipe."""

    data: DataSection
    decontaminate: DecontaminateSection
    components: tuple[ComponentSection, ...]
    tokenizers: tuple[TokenizerSection, ...]


def load_recipe(path: str | Path, overrides: Sequence[str] = ()) -> DataRecipe:
    """Read a recipe, put ``key.path=value`` overrides over it, and check it.

    Raises ConfigError, in one line: not TOML, a key unknown, missing or of the wrong type, or a rule broken.
    """
    recipe = loader.load_recipe(DataRecipe, path, overrides)
    try:
        _check(recipe)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    return recipe


def _check(recipe: DataRecipe) -> None:
    for kind, names in (
        ("components", [component.name for component in recipe.components]),
        ("tokenizers", [tokenizer.name for tokenizer in recipe.tokenizers]),
    ):
        for index, name in enumerate(names):
            if not name or "/" in name or name.startswith("."):
                raise ConfigError(f"{kind}.{index}.name = {name!r}: is a folder's name too; use letters, digits, - and _")
            if name in names[:index]:
                raise ConfigError(f"{kind}.{index}.name = {name!r}: is there twice; give each its own")
    if not any(component.is_used for component in recipe.components):
        raise ConfigError("components: none has inputs; name files or folders below data.corpora")
    used = {component.name for component in recipe.components if component.inputs}
    for index, component in enumerate(recipe.components):
        _check_component(component, f"components.{index}", used)
    if not recipe.data.folder:
        raise ConfigError("data.folder: is empty; name the folder to make")
    if recipe.data.workers < 0:
        raise ConfigError(f"data.workers = {recipe.data.workers}: must be at least 1, or 0 for the cores this process may use")
    if not 0 <= recipe.data.max_reject_fraction <= 1:
        raise ConfigError(f"data.max_reject_fraction = {recipe.data.max_reject_fraction}: must be from 0 to 1")


def _check_component(component: ComponentSection, key: str, used: set[str]) -> None:
    if component.epochs <= 0:
        raise ConfigError(f"{key}.epochs = {component.epochs}: must be above 0")
    if component.translated_from and (component.inputs or component.filters):
        raise ConfigError(f"{key}.translated_from: stands beside inputs or filters; what is translated has neither")
    for name in component.translated_from:
        if name not in used:
            named = ", ".join(sorted(used)) or "none"
            raise ConfigError(f"{key}.translated_from = {name!r}: is no component with inputs; there are {named}")
    if component.inputs and not component.source:
        raise ConfigError(f"{key}.source: missing; add one of mathcoder prepare --source")
    if component.source and component.source not in SOURCES:
        near = nearest(component.source, SOURCES)
        remedy = f"did you mean {near}?" if near else f"there are {', '.join(SOURCES)}"
        raise ConfigError(f"{key}.source = {component.source!r}: no such source; {remedy}")
    for number, section in enumerate(component.filters):
        if bool(section.model) == (section.annotator != "none"):
            raise ConfigError(f"{key}.filters.{number}: needs either a ready model or an annotator to learn one from")
