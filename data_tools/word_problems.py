"""``mathcoder word-problems``: word problems with solutions, made from templates and a seed; the demo's data.

Decides: the templates (each a wording of one of three computations), which of them and which numbers are held out, and
the two ways a solution is written: as a chain of thought with the results in it, or as code with what it printed. What is left:
``DIR/text.jsonl`` (documents for a first training), ``DIR/cot.jsonl`` and ``DIR/lce.jsonl`` (conversations with the same problems
in the same order), and ``DIR/held_out.jsonl``: problems with their ``answer``, all of new numbers, one half in known wordings (id
``numbers-…``), one half in new ones (``wordings-…``).
Does not: claim to be mathematics; the arithmetic is exact.
"""

import argparse
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from data_tools.arguments import positive_int
from data_tools.parts import atomic_file

NAMES = ("Ana", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gita", "Hugo", "Ines", "Jon")
THINGS = ("apples", "books", "coins", "eggs", "nails", "pears", "pens", "stamps", "stones", "tiles")


class Computation(NamedTuple):
    """An expression of three numbers, and its steps."""

    code: str
    steps: Callable[[int, int, int], tuple[str, int]]
    wordings: tuple[str, ...]
    """The last one is held out."""


def _times_then_plus(a: int, b: int, c: int) -> tuple[str, int]:
    return f"{b} * {c} = {b * c}. {a} + {b * c} = {a + b * c}.", a + b * c


def _times_then_minus(a: int, b: int, c: int) -> tuple[str, int]:
    return f"{a} * {b} = {a * b}. {a * b} - {c} = {a * b - c}.", a * b - c


def _plus_then_times(a: int, b: int, c: int) -> tuple[str, int]:
    return f"{a} + {b} = {a + b}. {a + b} * {c} = {(a + b) * c}.", (a + b) * c


COMPUTATIONS = (
    Computation(
        "print({a} + {b} * {c})",
        _times_then_plus,
        (
            "{name} has {a} {thing} and buys {b} boxes of {c}. How many {thing} does {name} have now?",
            "There are {a} {thing} on the table. {name} puts down {b} bags of {c}. How many {thing} are there?",
            "{name} had {a} {thing}. Then came {b} crates with {c} each. How many {thing} are there now?",
            "{name} owns {a} {thing} and gets {b} packs of {c} more. How many {thing} does {name} own?",
        ),
    ),
    Computation(
        "print({a} * {b} - {c})",
        _times_then_minus,
        (
            "{name} has {a} boxes of {b} {thing} and sells {c}. How many {thing} are left?",
            "There are {a} bags of {b} {thing}. {name} takes {c} away. How many {thing} remain?",
            "{name} fills {a} crates with {b} {thing} each, then loses {c}. How many {thing} are left?",
            "{name} owns {a} packs of {b} {thing} and gives {c} away. How many {thing} are left?",
        ),
    ),
    Computation(
        "print(({a} + {b}) * {c})",
        _plus_then_times,
        (
            "{name} has {a} red and {b} blue {thing} on each of {c} shelves. How many {thing} is that?",
            "A day brings {name} {a} {thing} and a night {b}. How many {thing} is that in {c} days?",
            "Each of {c} rooms has {a} old and {b} new {thing}. How many {thing} does {name} see?",
            "On each of {c} shelves {name} keeps {a} old and {b} new {thing}. How many {thing} is that?",
        ),
    ),
)


class Problem(NamedTuple):
    """A problem and what is known of it."""

    question: str
    code: str
    steps: str
    answer: int


def is_held_out(number: int) -> bool:
    """Every seventh number is in no training problem; every digit is, in both places."""
    return number % 7 == 3


def draw(random_: random.Random, *, new_numbers: bool, new_wording: bool) -> Problem:
    """Return one problem. With ``new_numbers`` all its numbers are held out, without it none is."""
    computation = random_.choice(COMPUTATIONS)
    numbers: list[int] = []
    while len(numbers) < 3:
        number = random_.randrange(11, 100)
        if is_held_out(number) == new_numbers:
            numbers.append(number)
    a, b, c = numbers
    wording = computation.wordings[-1] if new_wording else random_.choice(computation.wordings[:-1])
    question = wording.format(a=a, b=b, c=c, name=random_.choice(NAMES), thing=random_.choice(THINGS))
    steps, answer = computation.steps(a, b, c)
    return Problem(question, computation.code.format(a=a, b=b, c=c), steps, answer)


def conversation(problem: Problem, *, with_code: bool) -> dict[str, Any]:
    """Return a problem with its solution as a row for ``tokenize --lce``."""
    blocks = [("text", f"{problem.steps} {problem.answer}")]
    if with_code:
        blocks = [("code", problem.code), ("execution", str(problem.answer)), ("text", str(problem.answer))]
    content = [{"type": kind, "content": text} for kind, text in blocks]
    return {"messages": [{"role": "user", "content": problem.question}, {"role": "assistant", "content": content}]}


def run(argv: list[str]) -> int:
    """Run ``mathcoder word-problems``."""
    parser = argparse.ArgumentParser(prog="mathcoder word-problems", description="Make word problems for the demo.")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder to write")
    parser.add_argument("--training", type=positive_int, default=40_000, metavar="N", help="training problems (default: 40000)")
    parser.add_argument("--held-out", type=positive_int, default=100, metavar="N", help="of each kind (default: 100)")
    parser.add_argument("--seed", type=int, default=3407, help="default: 3407")
    options = parser.parse_args(argv)
    options.output.mkdir(parents=True, exist_ok=True)
    random_ = random.Random(options.seed)
    training = [draw(random_, new_numbers=False, new_wording=False) for _ in range(options.training)]
    _write(options.output / "text.jsonl", ({"text": f"{each.question} {each.steps} {each.code}"} for each in training))
    _write(options.output / "cot.jsonl", (conversation(each, with_code=False) for each in training))
    _write(options.output / "lce.jsonl", (conversation(each, with_code=True) for each in training))
    held_out = [draw(random_, new_numbers=True, new_wording=number >= options.held_out) for number in range(2 * options.held_out)]
    _write(options.output / "held_out.jsonl", _tests(held_out))
    print(f"{options.output}: {len(training)} training problems, {options.held_out} held out of each of 2 kinds")
    return 0


def _tests(problems: list[Problem]) -> Iterator[dict[str, Any]]:
    for number, problem in enumerate(problems):
        kind = "numbers" if number < len(problems) // 2 else "wordings"
        yield {"id": f"{kind}-{number}", "question": problem.question, "answer": str(problem.answer)}


def _write(path: Path, rows: Iterator[dict[str, Any]]) -> None:
    with atomic_file(path) as stream:
        for row in rows:
            stream.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
