"""``mathcoder word-problems``: word problems with solutions, put together from sentences and a seed; the demo's data.

Decides: the sentences, which of their combinations and which numbers are held out, and how a solution is written: as a chain of
thought with its results, or as code with what it printed. What is left: ``DIR/text.jsonl`` (documents for a first training: what
a problem says, and what it gives, with no result), ``DIR/cot.jsonl`` and ``DIR/lce.jsonl`` (conversations on the same problems in
the same order), and two sets of problems with their ``answer`` alone, all of new numbers: ``DIR/new_numbers.jsonl`` in known
templates, ``DIR/new_templates.jsonl`` in new ones.
Does not: claim to be mathematics; the arithmetic is exact.

A *template* says which form each sentence of a problem has. Every form is in training; of their combinations every fourth is not.
The word before a number is unique in its problem, and names the number in both kinds of solution.
"""

import argparse
import random
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from data_tools.arguments import positive_int
from data_tools.parts import atomic_file

NAMES = ("Ana", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gita", "Hugo", "Ines", "Jon")
THINGS = ("apples", "books", "coins", "eggs", "nails", "pears", "pens", "stamps", "stones", "tiles")

# A # is the next number. Each form has verbs of its own.
STOCK = ("{name} has # {thing}.", "At first {name} owns # {thing}.", "{name} counts # {thing}.", "Today {name} brings # {thing}.")
BOXES = (
    "{name} has # boxes. Each holds # {thing}.",
    "At first {name} owns # bags and each carries # {thing}.",
    "{name} counts # crates. Every crate takes # {thing}.",
    "Today {name} brings # bags. Every bag fits # {thing}.",
)
MORE = ("Then {name} buys # more.", "Later {name} finds #.", "{name} also wins # {thing}.", "At noon {name} gets #.")
LESS = ("Then {name} sells #.", "Later {name} loses # of them.", "{name} also drops # {thing}.", "At noon {name} spends #.")
MORE_BOXES = (
    "Then {name} buys # boxes. Each holds # {thing}.",
    "Later {name} finds # bags and each carries # {thing}.",
    "{name} also wins # crates. Every crate takes # {thing}.",
    "At noon {name} gets # bags. Every bag fits # {thing}.",
)
QUESTIONS = ("How many {thing} does {name} have now?", "How many {thing} are there in the end?")
EVERY = 4
"""Every fourth template is held out, and every seventh number."""


class Kind(NamedTuple):
    """A computation and how it is told: forms of each sentence, digits of each number, operators between the numbers."""

    sentences: tuple[tuple[str, ...], ...]
    digits: tuple[int, ...]
    operators: tuple[str, str]


KINDS = (
    Kind((STOCK, MORE, LESS), (2, 2, 2), ("+", "-")),
    Kind((BOXES, MORE), (3, 2, 2), ("*", "+")),
    Kind((BOXES, LESS), (3, 2, 2), ("*", "-")),
    Kind((STOCK, MORE_BOXES), (2, 3, 2), ("+", "*")),
)


class Problem(NamedTuple):
    """A problem and what is known of it."""

    question: str
    facts: str
    """Each number behind its word."""
    steps: str
    """The computations with their results."""
    code: str
    answer: int
    computation: str
    """``a+b-c``"""


def is_held_out(number: int) -> bool:
    """Every seventh number is in no training problem; every digit is, in every place."""
    return number % 7 == 3


def draw(random_: random.Random, *, new_numbers: bool, new_template: bool) -> Problem:
    """Return one problem. With ``new_numbers`` all its numbers are held out, without it none is; ``new_template`` likewise."""
    kind = random_.choice(KINDS)
    while True:
        forms = [random_.randrange(len(forms)) for forms in kind.sentences]
        numbers = [random_.randrange(10 ** (digits - 1) + 1, 10**digits) for digits in kind.digits]
        is_new = sum(forms) % EVERY == EVERY - 1
        if is_new == new_template and all(is_held_out(number) == new_numbers for number in numbers):
            steps, answer = calculate(numbers, kind.operators)
            if answer > 0:
                break
    text = " ".join([*(choices[form] for choices, form in zip(kind.sentences, forms, strict=True)), random_.choice(QUESTIONS)])
    for number in numbers:
        text = text.replace("#", str(number), 1)
    question = text.format(name=random_.choice(NAMES), thing=random_.choice(THINGS))
    words = re.findall(r"(\w+) \d", question)
    computation = "a{}b{}c".format(*kind.operators)
    facts = " ".join(f"{word} {number}" for word, number in zip(words, numbers, strict=True))
    return Problem(question, facts, steps, program(words, numbers, kind.operators), answer, computation)


def calculate(numbers: list[int], operators: tuple[str, str]) -> tuple[str, int]:
    """Return the steps of ``a . b . c`` and its result; a product comes first."""
    a, b, c = numbers
    first, second = operators
    if second == "*":
        return f"{b} * {c} = {b * c}. {a} {first} {b * c} = {apply(first, a, b * c)}.", apply(first, a, b * c)
    half = apply(first, a, b)
    return f"{a} {first} {b} = {half}. {half} {second} {c} = {apply(second, half, c)}.", apply(second, half, c)


def apply(operator: str, a: int, b: int) -> int:
    """Return ``a operator b``."""
    return {"+": a + b, "-": a - b, "*": a * b}[operator]


def program(words: list[str], numbers: list[int], operators: tuple[str, str]) -> str:
    """Return code that gives each number its word's name and prints the result."""
    lines = [f"{word} = {number}" for word, number in zip(words, numbers, strict=True)]
    a, b, c = words
    return "\n".join([*lines, f"print({a} {operators[0]} {b} {operators[1]} {c})"])


def document(problem: Problem, *, with_code: bool) -> dict[str, str]:
    """Return a problem and what it gives, in words or in code, as a row of plain text without any result."""
    return {"text": f"{problem.question}\n{problem.code}" if with_code else f"{problem.question} {problem.facts}."}


def conversation(problem: Problem, *, with_code: bool) -> dict[str, Any]:
    """Return a problem with its solution as a row for ``tokenize --lce``."""
    answer = f"The answer is {problem.answer}."
    blocks = [("text", f"{problem.facts}. {problem.steps} {answer}")]
    if with_code:
        blocks = [("code", problem.code), ("execution", str(problem.answer)), ("text", answer)]
    content = [{"type": kind, "content": text} for kind, text in blocks]
    return {"messages": [{"role": "user", "content": problem.question}, {"role": "assistant", "content": content}]}


def run(argv: list[str]) -> int:
    """Run ``mathcoder word-problems``."""
    parser = argparse.ArgumentParser(prog="mathcoder word-problems", description="Make word problems for the demo.")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder to write")
    parser.add_argument("--training", type=positive_int, default=32_000, metavar="N", help="training problems (default: 32000)")
    parser.add_argument("--held-out", type=positive_int, default=200, metavar="N", help="of each kind (default: 200)")
    parser.add_argument("--seed", type=int, default=3407, help="default: 3407")
    options = parser.parse_args(argv)
    options.output.mkdir(parents=True, exist_ok=True)
    random_ = random.Random(options.seed)
    training = [draw(random_, new_numbers=False, new_template=False) for _ in range(options.training)]
    _write(options.output / "text.jsonl", (document(each, with_code=number % 2 == 1) for number, each in enumerate(training)))
    _write(options.output / "cot.jsonl", (conversation(each, with_code=False) for each in training))
    _write(options.output / "lce.jsonl", (conversation(each, with_code=True) for each in training))
    for name, new_template in (("new_numbers", False), ("new_templates", True)):
        held_out = (draw(random_, new_numbers=True, new_template=new_template) for _ in range(options.held_out))
        _write(options.output / f"{name}.jsonl", (question(number, each) for number, each in enumerate(held_out)))
    print(
        f"{options.output}: {len(training)} problems to learn from, {options.held_out} with new numbers, as many in new templates"
    )
    return 0


def question(number: int, problem: Problem) -> dict[str, str]:
    """Return a held-out problem as a benchmark's row; its id begins with its computation."""
    return {"id": f"{problem.computation}-{number}", "question": problem.question, "answer": str(problem.answer)}


def _write(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    with atomic_file(path) as stream:
        for row in rows:
            stream.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
