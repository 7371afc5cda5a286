"""What can be known to be wrong with a recipe before its first stage: hours of work should not end in a mistyped path.

Decides: that the arguments which a recipe hands to a verb are ones that the verb knows, and that the inputs, models, benchmarks
and tokenizers of what is about to run are there.
Does not: read a file, or check the recipe's own keys (``schema.py``).
"""

import importlib
import io
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr
from pathlib import Path

from data_tools.recipe.commands import Command
from data_tools.recipe.schema import DataRecipe
from data_tools.recipe.verbs import VERBS, WITH_ARGUMENTS
from megatron_mathcoder.config.errors import ConfigError


def check_arguments(commands: Sequence[Command]) -> None:
    """Raise ConfigError for a command whose verb does not know its arguments."""
    for command in commands:
        if command.verb in WITH_ARGUMENTS:
            said = io.StringIO()
            try:
                with redirect_stderr(said):
                    importlib.import_module(VERBS[command.verb]).parse(list(command.arguments))
            except SystemExit:
                reason = said.getvalue().strip().rsplit("error: ", 1)[-1]
                raise ConfigError(
                    f"{command.stage} of {command.component}: {reason}; mathcoder {command.verb} --help lists what it knows"
                ) from None


def check_paths(recipe: DataRecipe, commands: Sequence[Command]) -> None:
    """Raise ConfigError for a path of the recipe that one of ``commands`` will read and that is not there."""
    verbs = {(command.verb, command.component) for command in commands}
    for key, path in _paths(recipe, verbs):
        if not Path(path).exists():
            raise ConfigError(f"{key}: {path!r} does not exist; paths are relative to {str(Path.cwd())!r}, where this runs")


def _paths(recipe: DataRecipe, verbs: set[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield the recipe's paths that verbs, each of a component, read; and the keys they stand under."""
    for number, component in enumerate(recipe.components):
        if ("prepare", component.name) in verbs:
            yield from ((f"components.{number}.inputs", str(Path(recipe.data.corpora) / name)) for name in component.inputs)
        if ("filter", component.name) in verbs:
            models = ((place, section.model) for place, section in enumerate(component.filters) if section.model)
            yield from ((f"components.{number}.filters.{place}.model", model) for place, model in models)
    wanted = {verb for verb, _ in verbs}
    if "decontaminate" in wanted:
        yield from (("decontaminate.benchmarks", path) for path in recipe.decontaminate.benchmarks)
    if "tokenize" in wanted:
        yield from ((f"tokenizers.{number}.path", each.path) for number, each in enumerate(recipe.tokenizers))
