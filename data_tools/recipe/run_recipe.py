"""``mathcoder data``: a whole recipe, or one stage of it, or one part of a stage.

Decides: the order of the stages and what is shown: each command as a person would type it, then what it prints. A stage that is
already there from the same inputs says so and is passed over, so after any stop the same command goes on.
Does not: do a stage; the verbs do.
"""

import argparse
import importlib
import time
from collections.abc import Callable
from dataclasses import replace

from data_tools.arguments import part
from data_tools.manifest import OtherOutputError
from data_tools.partial_folder import Part
from data_tools.recipe.blend_table import write_blend
from data_tools.recipe.check import check_arguments, check_paths
from data_tools.recipe.commands import BLEND, WHOLE_VERBS, Command, commands, stages
from data_tools.recipe.schema import DataRecipe, load_recipe
from data_tools.recipe.verbs import VERBS
from megatron_mathcoder.config.errors import ConfigError, DataError


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mathcoder data", description="From raw corpora to blended, indexed datasets: all stages of a recipe."
    )
    parser.add_argument("recipe", metavar="RECIPE.toml", help="for example launch/recipes/mathcoder2_data.toml")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="replace a key of the recipe")
    parser.add_argument(
        "--stage", metavar="S", help="one stage alone, as --dry-run names it; S/COMPONENT for one of its components"
    )
    parser.add_argument(
        "--part", type=part, metavar="I/N", help="with --stage, for a job array: the I-th of N shares (dedup takes two runs)"
    )
    parser.add_argument("--dry-run", action="store_true", help="print the commands and do nothing")
    parser.add_argument(
        "--overwrite", action="store_true", help="make again what was made from something else, such as another threshold"
    )
    return parser


def run(argv: list[str]) -> int:
    """Run the verb. Raises MathCoderError for what a person can mend."""
    options = _parser().parse_args(argv)
    recipe = load_recipe(options.recipe, options.set)
    stage, component = _chosen(recipe, options.stage)
    if options.part and not stage:
        raise DataError(f"--part {options.part} needs --stage: a stage begins when all parts of the one before have ended")
    for unused in [each.name for each in recipe.components if not each.is_used]:
        print(f"{unused}: has no inputs, so it is left out")
    chosen = [each for each in commands(recipe) if stage in ("", each.stage) and component in ("", each.component)]
    if not chosen:
        print(f"--stage {options.stage}: the recipe has nothing to do there")
    _check(options.recipe, recipe, chosen, options.dry_run)
    begin = time.monotonic()
    for number, command in enumerate(chosen, start=1):
        print(f"── {number}/{len(chosen)}  {command.stage} {command.component}", flush=True)
        if status := _do(recipe, command, options):
            return status
    if not options.dry_run:
        print(f"done in {time.monotonic() - begin:.0f} s")
    return 0


def _check(path: str, recipe: DataRecipe, chosen: list[Command], dry_run: bool) -> None:
    """Raise ConfigError for what is wrong with the commands before any is run; a dry run asks for no files."""
    try:
        check_arguments(chosen)
        if not dry_run:
            check_paths(recipe, chosen)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def _do(recipe: DataRecipe, command: Command, options: argparse.Namespace) -> int:
    """Run one command, or its share of it."""
    share: Part | None = options.part
    if share is not None and command.verb in WHOLE_VERBS:
        if share.index > 1:
            print(f"{command.verb} is one task's work; part 1/{share.count} does it")
            return 0
    elif share is not None:
        command = replace(command, arguments=(*command.arguments, "--part", str(share)))
    if command.verb == BLEND:
        for tokenizer in [] if options.dry_run else recipe.tokenizers:
            print("\n".join(write_blend(recipe, tokenizer.name)))
        return 0
    print(f"$ {command}", flush=True)
    return 0 if options.dry_run else _run(command, options.overwrite)


def _run(command: Command, overwrite: bool) -> int:
    """Run a verb; where it finds an output that was made from something else, again to replace that, if this is wanted."""
    run_verb: Callable[[list[str]], int] = importlib.import_module(VERBS[command.verb]).run
    try:
        return run_verb(list(command.arguments))
    except OtherOutputError as other:
        if not overwrite:
            raise
        print(f"{other}: made again", flush=True)
        return run_verb([*command.arguments, "--overwrite"])


def _chosen(recipe: DataRecipe, text: str | None) -> tuple[str, str]:
    """Return (stage, component) of ``--stage``, each "" for all."""
    if text is None:
        return "", ""
    stage, _, component = text.partition("/")
    if stage not in stages(recipe):
        raise DataError(f"--stage {text!r}: no such stage; there are {', '.join(stages(recipe))}")
    names = [each.name for each in recipe.components]
    if component and component not in names:
        raise DataError(f"--stage {text!r}: no such component; there are {', '.join(names)}")
    return stage, component
