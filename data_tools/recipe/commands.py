"""A recipe as the commands that a person would type, in order.

Decides: which verb does each stage, in which folder, and that a stage reads the folder of the one before it. So every stage can
be run, repeated and read on its own, and its output is recognised when it is already there.
Does not: run anything (``run_recipe.py``).
"""

from dataclasses import dataclass
from pathlib import Path

from data_tools.arguments import TOKENIZER_NAME
from data_tools.recipe.schema import ComponentSection, DataRecipe

STAGES = ("prepare", "filter", "decontaminate", "dedup", "tokenize", "blend")


@dataclass(frozen=True, slots=True)
class Command:
    """One call of a verb. ``stage`` is of ``STAGES``; ``component`` is "" for what sees all of them."""

    stage: str
    component: str
    verb: str
    arguments: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join(("mathcoder", self.verb, *self.arguments))


def commands(recipe: DataRecipe) -> list[Command]:
    """Return the commands of all stages but the blend, which has no verb."""
    used = [component for component in recipe.components if component.inputs]
    made: list[Command] = []
    for component in used:
        made += _of_component(recipe, component)
    folder = Path(recipe.data.folder)
    shared = _shared(recipe)
    clean = tuple(str(folder / "decontaminate" / component.name) for component in used)
    made.append(Command("dedup", "", "dedup", (*clean, "--each", "--output", str(folder / "dedup"), *shared)))
    tokenizers = tuple(word for each in recipe.tokenizers for word in ("--tokenizer", f"{each.name}={each.path}"))
    for component in used:
        output = ("--output", str(token_prefix(recipe, TOKENIZER_NAME, component.name)))
        arguments = (str(folder / "dedup" / component.name), *tokenizers, *output, *shared)
        made.append(Command("tokenize", component.name, "tokenize", arguments))
    return sorted(made, key=lambda command: STAGES.index(command.stage))


def token_prefix(recipe: DataRecipe, tokenizer: str, component: str) -> Path:
    """Return the prefix of a component's ``.bin`` and ``.idx``."""
    return Path(recipe.data.folder) / "tokens" / tokenizer / component


def _of_component(recipe: DataRecipe, component: ComponentSection) -> list[Command]:
    folder, shared = Path(recipe.data.folder), _shared(recipe)
    inputs = tuple(str(Path(recipe.data.corpora) / name) for name in component.inputs)
    here = folder / "prepare" / component.name
    arguments = (*inputs, "--source", component.source, *component.options, "--output", str(here))
    made = [Command("prepare", component.name, "prepare", (*arguments, *shared))]
    for number, section in enumerate(component.filters, start=1):
        threshold = () if section.threshold < 0 else ("--threshold", str(section.threshold))
        there, here = here, folder / f"filter-{number}" / component.name
        arguments = (str(there), "--model", section.model, *threshold, "--output", str(here))
        made.append(Command("filter", component.name, "filter", (*arguments, *shared)))
    there, here = here, folder / "decontaminate" / component.name
    benchmarks = tuple(word for path in recipe.decontaminate.benchmarks for word in ("--benchmarks", path))
    arguments = (str(there), *benchmarks, "--output", str(here))
    made.append(Command("decontaminate", component.name, "decontaminate", (*arguments, *shared)))
    return made


def _shared(recipe: DataRecipe) -> tuple[str, ...]:
    workers = ("--workers", str(recipe.data.workers)) if recipe.data.workers else ()
    return (*workers, "--max-reject-fraction", str(recipe.data.max_reject_fraction))
