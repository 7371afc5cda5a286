"""A recipe as the commands that a person would type, in order.

Decides: the stages and their order, which verb does each, in which folder, and that a stage reads the folder of the one before
it. So every stage can be run, repeated and read on its own, and its output is recognised when it is already there.
Does not: run anything (``run_recipe.py``).

A filter round is three stages with its number: ``annotate-1``, ``train-filter-1``, ``filter-1``. The second round labels what the
first kept, and learns from the labels of both: what the first dropped is still an example of what to drop.
"""

import shlex
from dataclasses import dataclass
from pathlib import Path

from data_tools.arguments import TOKENIZER_NAME
from data_tools.recipe.schema import ComponentSection, DataRecipe, FilterSection

BLEND, REPORT = "blend", "report"
ROUND = ("annotate", "train-filter", "filter")
FIRST_SEED = 3407
WHOLE_VERBS = (BLEND, REPORT, "train-filter")
"""What is one task's work and has no parts."""


@dataclass(frozen=True, slots=True)
class Command:
    """One call of a verb. ``stage`` is of ``stages``; ``component`` is "" for what sees all of them."""

    stage: str
    component: str
    verb: str
    arguments: tuple[str, ...]

    def __str__(self) -> str:
        return shlex.join(("mathcoder", self.verb, *self.arguments))


def stages(recipe: DataRecipe) -> tuple[str, ...]:
    """Return the names of a recipe's stages, in order."""
    rounds = max(len(component.filters) for component in recipe.components)
    filtering = (f"{stage}-{number}" for number in range(1, rounds + 1) for stage in ROUND)
    return ("prepare", *filtering, "translate", "execute", "decontaminate", "dedup", "tokenize", BLEND, REPORT)


def commands(recipe: DataRecipe) -> list[Command]:
    """Return the commands of all stages."""
    used = [component for component in recipe.components if component.is_used]
    made: list[Command] = []
    for component in used:
        made += _translated(recipe, component) if component.translated_from else _from_source(recipe, component)
        made.append(_decontaminate(recipe, component))
    folder = Path(recipe.data.folder)
    shared = _shared(recipe)
    clean = tuple(str(folder / "decontaminate" / component.name) for component in used)
    made.append(Command("dedup", "", "dedup", (*clean, "--each", "--output", str(folder / "dedup"), *shared)))
    tokenizers = tuple(word for each in recipe.tokenizers for word in ("--tokenizer", f"{each.name}={each.path}"))
    for component in used:
        output = ("--output", str(token_prefix(recipe, TOKENIZER_NAME, component.name)))
        arguments = (str(folder / "dedup" / component.name), *tokenizers, *output, *shared)
        made.append(Command("tokenize", component.name, "tokenize", arguments))
    made.append(Command(BLEND, "", BLEND, ()))
    made.append(Command(REPORT, "", REPORT, (str(folder), "--output", str(folder / "report.html"), *_workers(recipe))))
    order = stages(recipe)
    return sorted(made, key=lambda command: order.index(command.stage))


def token_prefix(recipe: DataRecipe, tokenizer: str, component: str) -> Path:
    """Return the prefix of a component's ``.bin`` and ``.idx``."""
    return Path(recipe.data.folder) / "tokens" / tokenizer / component


def _from_source(recipe: DataRecipe, component: ComponentSection) -> list[Command]:
    inputs = tuple(str(Path(recipe.data.corpora) / name) for name in component.inputs)
    here = Path(recipe.data.folder) / "prepare" / component.name
    arguments = (*inputs, "--source", component.source, *component.options, "--output", str(here))
    made = [Command("prepare", component.name, "prepare", (*arguments, *_shared(recipe)))]
    for number, section in enumerate(component.filters, start=1):
        made += _round(recipe, component, number, section)
    return made


def _round(recipe: DataRecipe, component: ComponentSection, number: int, section: FilterSection) -> list[Command]:
    folder, shared = Path(recipe.data.folder), _shared(recipe)
    here = _kept(recipe, component, number - 1)
    made: list[Command] = []
    model = Path(section.model)
    if not section.model:
        model = folder / "models" / f"{component.name}_round_{number}.bin"
        # Another seed for each round: with one seed the second would sample what the first has labelled.
        seed = ("--seed", str(FIRST_SEED + number - 1))
        who = ("--annotator", section.annotator, *seed, *section.annotate)
        log = () if section.annotator == "given" else ("--requests", str(folder / "requests" / component.name))
        labelled = folder / f"annotate-{number}" / component.name
        asked = (str(here), *who, *log, "--output", str(labelled), *shared)
        made.append(Command(f"annotate-{number}", component.name, "annotate", asked))
        labels = tuple(
            word
            for earlier, each in enumerate(component.filters[:number], start=1)
            if not each.model
            for word in ("--annotated", str(folder / f"annotate-{earlier}" / component.name))
        )
        learned = (*labels, "--output", str(model), *section.train)
        made.append(Command(f"train-filter-{number}", component.name, "train-filter", learned))
    threshold = () if section.threshold < 0 else ("--threshold", str(section.threshold))
    kept = str(_kept(recipe, component, number))
    arguments = (str(here), "--model", str(model), *threshold, "--output", kept, *shared)
    return [*made, Command(f"filter-{number}", component.name, "filter", arguments)]


def _kept(recipe: DataRecipe, component: ComponentSection, rounds: int) -> Path:
    """Return the folder of a component's documents after some rounds of filtering."""
    return Path(recipe.data.folder) / (f"filter-{rounds}" if rounds else "prepare") / component.name


def _translated(recipe: DataRecipe, component: ComponentSection) -> list[Command]:
    folder, shared = Path(recipe.data.folder), _shared(recipe)
    origins = [each for each in recipe.components if each.name in component.translated_from]
    inputs = tuple(str(_kept(recipe, each, len(each.filters))) for each in origins)
    completions = str(folder / "translate" / component.name)
    executed = str(folder / "execute" / component.name)
    asked = (*inputs, *component.translate, "--output", completions, *shared)
    ran = (completions, *component.execute, "--output", executed, *shared)
    return [
        Command("translate", component.name, "translate", asked),
        Command("execute", component.name, "execute", ran),
    ]


def _decontaminate(recipe: DataRecipe, component: ComponentSection) -> Command:
    folder = Path(recipe.data.folder)
    here = folder / "execute" / component.name if component.translated_from else _kept(recipe, component, len(component.filters))
    benchmarks = tuple(word for path in recipe.decontaminate.benchmarks for word in ("--benchmarks", path))
    arguments = (str(here), *benchmarks, "--output", str(folder / "decontaminate" / component.name))
    return Command("decontaminate", component.name, "decontaminate", (*arguments, *_shared(recipe)))


def _workers(recipe: DataRecipe) -> tuple[str, ...]:
    return ("--workers", str(recipe.data.workers)) if recipe.data.workers else ()


def _shared(recipe: DataRecipe) -> tuple[str, ...]:
    return (*_workers(recipe), "--max-reject-fraction", str(recipe.data.max_reject_fraction))
