"""A run: sides of a chain that are all said to be equal, read as expressions; and what a claim made from one holds.

Decides: how a document's notation is read, and in which other ways it could be.
Does not: decide what a run claims (``claims.py``).
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from data_tools.translate.context import Context
from data_tools.translate.expression import CALCULUS, Node, free_symbols, has
from data_tools.translate.latex_cursor import Reading
from data_tools.translate.latex_parser import Parsed, parse_latex
from data_tools.translate.latex_tokens import LatexError
from data_tools.translate.statements import EQUALITIES, Chain, Side

FREE = "symbols without a value"
DIFFERS = "value differs, and something else may be meant"
NO_VALUE = "no computable side"


@dataclass(frozen=True, slots=True)
class Claim:
    """A computation without its place. ``expression`` and ``result`` are LaTeX as the document has it."""

    title: str
    expression: str
    result: str
    code: str
    conditions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """Sides that are all said to be equal, read; None where a side could not be."""

    sides: tuple[Side, ...]
    nodes: tuple[Node | None, ...]
    approximate: bool
    choices: frozenset[str]
    errors: tuple[str, ...]


def runs_of(chain: Chain) -> Iterator[tuple[tuple[Side, ...], bool]]:
    """Yield the longest stretches of sides joined by equality, and whether one of the signs is an approximate one."""
    start = 0
    for at in range(len(chain.sides)):
        if at == len(chain.relations) or chain.relations[at] not in EQUALITIES:
            if at > start:
                signs = chain.relations[start:at]
                yield tuple(chain.sides[start : at + 1]), any(sign not in ("=", r"\equiv") for sign in signs)
            start = at + 1


def read_run(sides: tuple[Side, ...], approximate: bool, reading: Reading) -> Run:
    """Parse every side of a run in one reading."""
    nodes: list[Node | None] = []
    choices: set[str] = set()
    errors: list[str] = []
    for side in sides:
        try:
            parsed: Parsed = parse_latex(side.latex, reading)
            nodes.append(parsed.node)
            choices |= parsed.choices
        except LatexError as error:
            nodes.append(None)
            choices |= error.args[1] if len(error.args) > 1 else set()
            errors.append(str(error.args[0]))
    return Run(sides, tuple(nodes), approximate, frozenset(choices), tuple(errors))


def readings_of(run: Run, reading: Reading) -> Iterator[Reading]:
    """Yield every way to read the notation of a run that has several, the usual one first."""
    names = sorted(run.choices)
    for flips in itertools.product((False, True), repeat=len(names)):
        yield replace(reading, **{name: getattr(reading, name) ^ flip for name, flip in zip(names, flips, strict=True)})


def base_reading(sides: Sequence[Side], context: Context) -> Reading:
    """Return how this document writes: its functions, and ``i`` and ``e`` where they are symbols."""
    latex = " ".join(side.latex for side in sides)
    indexed = "i" if any(mark in latex.replace(" ", "") for mark in ("_{i=", "_i", "_{i}", "i=", "{i}")) else ""
    symbols = {name for name in ("e", "i") if name in context.values} | set(indexed)
    return Reading(functions=frozenset(context.functions), symbols=frozenset(symbols), commands=context.commands)


def is_plain(node: Node) -> bool:
    """Say whether no calculus operation is in it."""
    return not has(node, *CALCULUS)


def literal_digits(node: Node) -> str:
    """Return the literal under a sign, degrees or percent; empty for anything else."""
    while node.op in ("neg", "degrees", "percent"):
        node = node.args[0]
    return node.value if node.op == "number" else ""


def decimals_of(node: Node) -> int | None:
    """Return the number of decimals of a literal, None for anything else."""
    digits = literal_digits(node)
    return len(digits.partition(".")[2]) if digits else None


TITLES = {
    "integral": "Integral", "derivative": "Derivative", "limit": "Limit", "sum": "Sum of a series", "product": "Product",
    "matrix": "Matrix computation", "mod": "Remainder", "det": "Determinant", "binomial": "Binomial coefficient",
    "factorial": "Factorial", "gcd": "Greatest common divisor", "lcm": "Least common multiple", "sqrt": "Root", "root": "Root",
    "ln": "Logarithm", "log": "Logarithm", "apply": "Value of a function", "pow": "Power", "div": "Fraction",
    "mul": "Product", "add": "Sum",
}  # fmt: skip


def title_of(node: Node) -> str:
    """Name a computation by the operation that is rarest in it, in the order of ``TITLES``."""
    kinds = {each.value if each.op == "call" else each.op for each in node.walk()}
    if kinds & {"sin", "cos", "tan", "cot", "sec", "csc", "asin", "acos", "atan"} and not has(node, *CALCULUS):
        return "Trigonometric value"
    if node.op in ("add", "mul", "div", "neg") and not kinds - {"add", "mul", "div", "neg", "pow", "number", "symbol"}:
        return "Arithmetic" if not free_symbols(node) else "Value of an expression"
    return next((title for kind, title in TITLES.items() if kind in kinds), "Evaluation")
