r"""Claims modulo a number: ``7^{100} \equiv 1 \pmod 5``.

Decides: that the remainder is printed as the text states it: ``-1`` modulo 5 is stated as -1, not as 4.
Does not: solve congruences with an unknown.
"""

import math
from fractions import Fraction

from data_tools.translate.evaluate import evaluate
from data_tools.translate.expression import Node, free_symbols, has, is_literal, number
from data_tools.translate.latex_cursor import Reading
from data_tools.translate.latex_parser import parse_latex
from data_tools.translate.latex_tokens import LatexError
from data_tools.translate.numbers import NotComputable
from data_tools.translate.numbers import whole as whole_number
from data_tools.translate.program import program
from data_tools.translate.runs import Claim
from data_tools.translate.statements import MODULUS, Side


def congruence_of(sides: tuple[Side, ...]) -> Claim | str | None:
    """Return the claim of a run that names a modulus, the reason why there is none, or None when it names no modulus."""
    found = MODULUS.search(sides[-1].latex)
    if not found:
        return None
    nodes: list[Node | None] = []
    latex = [MODULUS.sub("", side.latex).strip() for side in sides]
    for each in (next(group for group in found.groups() if group), *latex):
        try:
            nodes.append(parse_latex(each, Reading()).node)
        except LatexError:
            nodes.append(None)
    modulus, *values = nodes
    if modulus is None or modulus.op != "number" or "." in modulus.value or int(modulus.value) < 2:
        return "modulus without a value"
    computed = next((at for at, node in enumerate(values[:-1]) if _is_computable(node)), None)
    stated = values[-1]
    if computed is None or stated is None or not is_literal(stated) or free_symbols(stated):
        return "congruence without a value"
    return _claim(values[computed], stated, int(modulus.value), latex[computed], latex[-1])


def _is_computable(node: Node | None) -> bool:
    return node is not None and not free_symbols(node) and not has(node, "apply") and not (is_literal(node) and node.op == "neg")


def _claim(left: Node | None, stated: Node, modulus: int, expression: str, result: str) -> Claim | str:
    assert left is not None
    try:
        value = evaluate(stated, {})
        if has(left, "div", "constant", "call", "degrees"):
            # A division may mean an inverse here, or a quotient alone.
            whole_number(evaluate(left, {}))
    except NotComputable as reason:
        return str(reason.args[0])
    if not isinstance(value, Fraction) or value.denominator != 1:
        return "congruence without a value"
    whole, block = value.numerator, math.floor(value / modulus) * modulus
    if left.op == "number" and int(Fraction(left.value)) == whole:
        return "congruence without a value"
    node = Node("mod", (left, number(modulus)))
    sign = "-" if block < 0 else "+"
    shown = "{}" if not block else f"{{}} {sign} {abs(block)}"
    return Claim("Remainder", rf"{expression} \bmod {modulus}", result, program(node, shown))
