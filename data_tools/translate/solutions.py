"""Claims that a value solves a stated equation: ``2x + 3 = 7`` and, a little later, ``x = 2``.

Decides: that an equation is answered only by all its solutions: a linear one by one value, one of degree n by n different values,
each of which satisfies it. So nothing is said of an equation whose solutions the text leaves out or restricts.
Does not: systems, inequalities, equations that are not polynomials.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from data_tools.translate.context import REACH_CHARACTERS, Context, Stated
from data_tools.translate.evaluate import evaluate
from data_tools.translate.expression import CALCULUS, Node, applied_functions, free_symbols, has
from data_tools.translate.numbers import NotComputable
from data_tools.translate.python_code import Writer, python_name
from data_tools.translate.runs import Claim, base_reading, read_run
from data_tools.translate.statements import Side

MAX_DEGREE = 6


@dataclass(frozen=True, slots=True)
class Equation:
    """``left = right`` in one symbol, a polynomial of ``degree``."""

    left: Node
    right: Node
    symbol: str
    degree: int
    latex: str
    end: int

    def holds_at(self, value: Fraction) -> bool:
        """Say whether a number solves it."""
        return evaluate(self.left, {self.symbol: value}) == evaluate(self.right, {self.symbol: value})


@dataclass(slots=True)
class Equations:
    """The equations a document has stated and not yet seen solved, newest last."""

    open: list[Equation] = field(default_factory=list)

    def note(self, sides: Sequence[Side], context: Context) -> None:
        """Note a run of two sides when it is an equation in one symbol."""
        if len(sides) != 2:
            return
        run = read_run(tuple(sides), False, base_reading(sides, context))
        left, right = run.nodes
        if left is None or right is None or run.choices or applied_functions(left) or applied_functions(right):
            return
        names = free_symbols(left) | free_symbols(right)
        if len(names) != 1 or "symbol" in (left.op, right.op) or has(left, *CALCULUS) or has(right, *CALCULUS):
            return
        symbol = next(iter(names))
        degree = _degree(left, right, symbol)
        if degree:
            latex = f"{sides[0].latex} = {sides[1].latex}"
            self.open.append(Equation(left, right, symbol, degree, latex, sides[1].end))

    def solved_by(self, symbol: str, context: Context) -> Claim | None:
        """Return the claim made when the newest value of ``symbol`` completes the solutions of its newest equation."""
        values = context.values.get(symbol, [])
        equation = next((each for each in reversed(self.open) if each.symbol == symbol), None)
        if equation is None or not values or values[-1].end - equation.end > REACH_CHARACTERS:
            return None
        stated = {value: each for each in values if each.end > equation.end and (value := _fraction(each.node)) is not None}
        try:
            if len(stated) != equation.degree or not all(equation.holds_at(value) for value in stated):
                return None
        except NotComputable:
            return None
        self.open = [each for each in self.open if each.symbol != symbol]
        return _claim(equation, [stated[value] for value in sorted(stated)])


def _fraction(node: Node) -> Fraction | None:
    try:
        value = evaluate(node, {})
    except NotComputable:
        return None
    return value if isinstance(value, Fraction) else None


def _degree(left: Node, right: Node, symbol: str) -> int:
    """Return the degree of the polynomial left - right by its differences at whole numbers; 0 for anything else."""
    differences: list[Fraction] = []
    for at in range(MAX_DEGREE + 3):
        try:
            difference = evaluate(Node("add", (left, Node("neg", (right,)))), {symbol: Fraction(at - 3)})
        except NotComputable:
            return 0
        if not isinstance(difference, Fraction):
            return 0
        differences.append(difference)
    for degree in range(MAX_DEGREE + 1):
        if not any(differences):
            return max(0, degree - 1)
        differences = [after - before for before, after in itertools.pairwise(differences)]
    return 0


def _claim(equation: Equation, stated: list[Stated]) -> Claim:
    writer = Writer(set())
    name = python_name(equation.symbol)
    solver = "solve" if len(stated) == 1 else "solveset"
    solved = f"{solver}(Eq({writer.code(equation.left)}, {writer.code(equation.right)}), {name})"
    imports = sorted({*writer.imports, "Eq", solver, "symbols"}, key=str.lower)
    lines = [f"from sympy import {', '.join(imports)}", "", f'{name} = symbols("{name}")']
    values = [each.latex.partition("=")[2].strip() for each in stated]
    if len(stated) == 1:
        lines += [f"(solution,) = {solved}", "print(solution)"]
        result = values[0]
    else:
        lines += [f"print({solved})"]
        result = r"\{" + ", ".join(values) + r"\}"
    return Claim("Solution of an equation", equation.latex, result, "\n".join(lines))
