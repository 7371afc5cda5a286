"""``mathcoder data``: a whole recipe, or one stage of it, or one part of a stage.

Decides: the order of the stages and what is shown: each command as a person would type it, then what it prints. A stage that is
already there from the same inputs says so and is passed over, so after any stop the same command goes on.
Does not: do a stage; the verbs do.
"""

import argparse
import importlib
import time

from data_tools.arguments import part
from data_tools.recipe.blend_table import write_blend
from data_tools.recipe.commands import STAGES, Command, commands
from data_tools.recipe.schema import DataRecipe, load_recipe
from megatron_mathcoder.config.errors import DataError

VERBS = {
    "prepare": "data_tools.prepare",
    "filter": "data_tools.filters.fasttext_filter",
    "decontaminate": "data_tools.decontamination.decontaminate",
    "dedup": "data_tools.dedup.dedup",
    "tokenize": "data_tools.tokens.tokenize",
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mathcoder data", description="From raw corpora to blended, indexed datasets: all stages of a recipe."
    )
    parser.add_argument("recipe", metavar="RECIPE.toml", help="for example launch/recipes/mathcoder2_data.toml")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="replace a key of the recipe")
    parser.add_argument(
        "--stage", metavar="S", help=f"one stage alone: {', '.join(STAGES)}; S/COMPONENT for one of its components"
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
    for unused in [each.name for each in recipe.components if not each.inputs]:
        print(f"{unused}: has no inputs, so it is left out")
    chosen = [each for each in commands(recipe) if stage in ("", each.stage) and component in ("", each.component)]
    begin = time.monotonic()
    for number, command in enumerate(chosen, start=1):
        extra = ("--part", str(options.part)) if options.part else ()
        full = Command(command.stage, command.component, command.verb, (*command.arguments, *extra))
        print(f"── {number}/{len(chosen)}  {command.stage} {command.component}\n$ {full}", flush=True)
        if not options.dry_run:
            status: int = importlib.import_module(VERBS[full.verb]).run(list(full.arguments))
            if status:
                return status
    if stage in ("", "blend") and not options.dry_run:
        for tokenizer in recipe.tokenizers:
            print("\n".join(write_blend(recipe, tokenizer.name)))
    if not options.dry_run:
        print(f"done in {time.monotonic() - begin:.0f} s")
    return 0


def _chosen(recipe: DataRecipe, text: str | None) -> tuple[str, str]:
    """Return (stage, component) of ``--stage``, each "" for all."""
    if text is None:
        return "", ""
    stage, _, component = text.partition("/")
    if stage not in STAGES:
        raise DataError(f"--stage {text!r}: no such stage; there are {', '.join(STAGES)}")
    names = [each.name for each in recipe.components]
    if component and component not in names:
        raise DataError(f"--stage {text!r}: no such component; there are {', '.join(names)}")
    return stage, component
