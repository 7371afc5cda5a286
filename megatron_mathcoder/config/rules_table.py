"""The table of all rules, from their names and docstrings: ``python -m megatron_mathcoder.config.rules_table > docs/rules.md``.

Decides: what ``docs/rules.md`` says; a test keeps the file in step.
Does not: hold a rule. Rules above this floor are named as strings and imported when the table is printed, as the verbs are.
"""

import importlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from megatron_mathcoder.config.ranges import RANGES
from megatron_mathcoder.config.resume_rules import ALWAYS, NEVER

Rule = Callable[..., str]

MOMENTS = (
    ("A recipe by itself: when it is read, by every verb", "megatron_mathcoder.config.rules:RULES"),
    ("With the number of ranks", "megatron_mathcoder.config.rules:WORLD_SIZE_RULES"),
    ("With the hardware", "megatron_mathcoder.platforms.local_ranks:PROCESS_RULES"),
    ("With the length in steps", "megatron_mathcoder.config.rules:STEP_RULES"),
    ("With the datasets", "megatron_mathcoder.dataset.blend_rules:PART_RULES"),
    ("With the samples they give", "megatron_mathcoder.dataset.blend_rules:BLEND_RULES"),
    ("With the run's folder", "megatron_mathcoder.config.run_folder_rules:FOLDER_RULES"),
    ("When a run resumes: its recipe", "megatron_mathcoder.config.resume_rules:RESUME_RULES"),
    ("When a run resumes: its datasets", "megatron_mathcoder.dataset.blend_rules:RESUME_RULES"),
)
"""When rules are asked, and where they are listed."""

HEAD = """\
# The rules

What a run must keep to, asked before its first step: megatron-core leaves most of these guards to its training scripts, which are
not in its wheel. A broken rule ends the command with status 2 and one line: the value seen, the rule, and what to change.
Made by `python -m megatron_mathcoder.config.rules_table`.
"""


def table() -> str:
    """Return the document."""
    moments = [(heading, rules(source)) for heading, source in MOMENTS]
    total = sum(len(each) for _, each in moments)
    lines = [HEAD, f"{total} rules, and beside them the range of each of {len(RANGES)} numbers (`config/ranges.py`)."]
    for heading, each in moments:
        lines += ["", f"## {heading}", "", "| rule | why |", "|---|---|", *map(_row, each)]
    lines += ["", "## What may differ when a run resumes", "", *_resume_keys()]
    lines += ["", "## Notes: said at the start, not refused", "", "| note | why |", "|---|---|"]
    lines += map(_row, rules("megatron_mathcoder.config.notes:NOTES"))
    return "\n".join(lines) + "\n"


def rules(source: str) -> list[Rule]:
    """Return the rules that ``module:tuple`` lists; the range of each number is no rule among them."""
    module, _, name = source.partition(":")
    listed: Sequence[Rule] = getattr(importlib.import_module(module), name)
    return [rule for rule in listed if not rule.__name__.startswith("_")]


def _row(rule: Rule) -> str:
    return f"| {rule.__name__.replace('_', ' ')} | {_why(rule)} |"


def _why(rule: Any) -> str:
    return " ".join((rule.__doc__ or "").split()).replace("|", "\\|")


def _resume_keys() -> Iterator[str]:
    yield f"Always: {', '.join(f'`{key}`' for key in ALWAYS)}.\n"
    yield f"Never: {', '.join(f'`{key}`' for key in NEVER)}. Where a key and its table are both named, the key counts.\n"
    yield 'Everything else when `checkpoint.allow_changes` names the key or its table, for example `["optimizer.lr"]`. The run\'s'
    yield "folder keeps each such change in `changes.jsonl`."


if __name__ == "__main__":
    print(table(), end="")
