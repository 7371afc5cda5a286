"""``mathcoder data``: a whole recipe, or one stage of it, or one part of a stage.

Decides: the order of the stages and what is shown: each command as a person would type it, then what it prints. A stage that is
already there from the same inputs says so and is passed over, so after any stop the same command goes on.
Does not: do a stage; the verbs do.
"""

import argparse
import importlib
import time
from dataclasses import replace

from data_tools.arguments import part
from data_tools.recipe.blend_table import write_blend
from data_tools.recipe.commands import BLEND, WHOLE_VERBS, Command, commands, stages
from data_tools.recipe.schema import DataRecipe, load_recipe
from data_tools.stage import Part
from megatron_mathcoder.config.errors import DataError

VERBS = {
    "prepare": "data_tools.prepare",
    "annotate": "data_tools.annotation.main",
    "train-filter": "data_tools.filters.train_filter",
    "filter": "data_tools.filters.fasttext_filter",
    "translate": "data_tools.translate.main",
    "execute": "data_tools.translate.execute",
    "decontaminate": "data_tools.decontamination.decontaminate",
    "dedup": "data_tools.dedup.dedup",
    "tokenize": "data_tools.tokens.tokenize",
    "report": "data_tools.report.main",
}


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
    begin = time.monotonic()
    for number, command in enumerate(chosen, start=1):
        print(f"── {number}/{len(chosen)}  {command.stage} {command.component}", flush=True)
        if status := _do(recipe, command, options.part, options.dry_run):
            return status
    if not options.dry_run:
        print(f"done in {time.monotonic() - begin:.0f} s")
    return 0


def _do(recipe: DataRecipe, command: Command, share: Part | None, dry_run: bool) -> int:
    """Run one command, or its share of it."""
    if share is not None and command.verb in WHOLE_VERBS:
        if share.index > 1:
            print(f"{command.verb} is one task's work; part 1/{share.count} does it")
            return 0
    elif share is not None:
        command = replace(command, arguments=(*command.arguments, "--part", str(share)))
    if command.verb == BLEND:
        for tokenizer in [] if dry_run else recipe.tokenizers:
            print("\n".join(write_blend(recipe, tokenizer.name)))
        return 0
    print(f"$ {command}", flush=True)
    if dry_run:
        return 0
    status: int = importlib.import_module(VERBS[command.verb]).run(list(command.arguments))
    return status


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
