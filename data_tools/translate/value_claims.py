"""Claims that an expression has a value: of numbers alone, or with what the text has said of its symbols and functions.

Decides: which side is computed and which is stated, how the value is printed to be compared (rounded as the text rounds), and
when a value that does not hold is certainly a claim.
Does not: run the program. Numbers here choose between readings; the verdict comes from ``mathcoder execute``.

A program that refutes what was never said is worse than none, so a numeric claim that does not hold is written only when it has
one reading, whole numbers, and no other arithmetic nearby.
"""

from fractions import Fraction

from data_tools.translate.calculus_claims import definite_claim
from data_tools.translate.context import Context, other_arithmetic
from data_tools.translate.evaluate import evaluate
from data_tools.translate.expression import (
    CALCULUS,
    Node,
    applied_functions,
    free_symbols,
    has,
    is_folded,
    is_literal,
    is_settled,
)
from data_tools.translate.matrices import same_matrix
from data_tools.translate.numbers import NotComputable, Value, close, distance
from data_tools.translate.program import program
from data_tools.translate.runs import DIFFERS, NO_VALUE, Claim, Run, decimals_of, is_plain, literal_digits, title_of
from data_tools.translate.statements import Side

AMBIGUOUS = "ambiguous notation"
RADICAL = ("constant", "degrees")


def closed_claim(run: Run, context: Context, around: str) -> Claim | str | None:
    """Two sides without symbols: a value is stated."""
    pair = _pair(run)
    if pair is None:
        return None
    left, right = run.nodes[pair[0]], run.nodes[pair[1]]
    assert left is not None
    assert right is not None
    sides = (run.sides[pair[0]], run.sides[pair[1]])
    if not _is_answer(right):
        return _equal_values(left, right, sides)
    if has(left, "matrix"):
        return _matrix_claim(left, right, sides)
    plain = has(right, "degrees") and not has(left, "constant")
    if has(left, *CALCULUS):
        return definite_claim(left, right, sides)
    try:
        shown, imports = _how_shown(left, right, evaluate(left, {}, plain), evaluate(right, {}, plain), run.approximate)
    except NotComputable as reason:
        return str(reason.args[0])
    if shown is None:
        if not _surely_meant(left, right, run, around):
            return AMBIGUOUS if run.choices else DIFFERS
        shown = "{}"
    return Claim(title_of(left), sides[0].latex, sides[1].latex, program(left, shown, imports=imports, plain_degrees=plain))


def _is_closed(node: Node | None) -> bool:
    return node is not None and not free_symbols(node) and not applied_functions(node)


def _pair(run: Run) -> tuple[int, int] | None:
    r"""Return the side to compute and the side that states its value.

    That is the first side with something to compute and the last answer after it. Where there is none, a value may be taken
    apart (``54 = 2 \cdot 3^3``): then it is the last such side and the answer before it.
    """
    rounded = run.approximate or any(node is not None and "." in literal_digits(node) for node in run.nodes[1:])
    closed = [at for at, node in enumerate(run.nodes) if _is_closed(node)]
    works = [at for at in closed if _has_work(_known(run, at), rounded)]
    if not works:
        return None
    answers = [at for at in closed if _is_answer(_known(run, at))]
    after = [at for at in answers if at > works[0]]
    if after:
        return works[0], after[-1]
    before = [at for at in answers if at < works[-1] and not has(_known(run, at), "degrees", "percent")]
    if before and not rounded and before[0] < works[0]:
        return works[-1], before[0]
    return (works[0], closed[-1]) if closed[-1] > works[0] else None


def _known(run: Run, at: int) -> Node:
    node = run.nodes[at]
    assert node is not None
    return node


def _equal_values(left: Node, right: Node, sides: tuple[Side, Side]) -> Claim | str:
    """Two computations that come to the same rational number: the second is what is stated of the first."""
    if left == right or has(left, "matrix", *CALCULUS) or has(right, "matrix", *CALCULUS):
        return NO_VALUE
    try:
        value, stated = evaluate(left, {}), evaluate(right, {})
    except NotComputable as reason:
        return str(reason.args[0])
    if not isinstance(value, Fraction) or value != stated or _needs_simplify(left):
        return NO_VALUE
    return Claim("Equal values", sides[0].latex, sides[1].latex, program(left))


def _has_work(node: Node, rounded: bool) -> bool:
    """Say whether there is something to compute; of 2/3 or √2 its decimals are, when they are what is stated."""
    return not is_literal(node) or (rounded and not literal_digits(node) and node.op != "matrix")


def _is_answer(right: Node) -> bool:
    """Say whether a side is where a computation ends: nothing is left in it to work out or to look up."""
    angles = has(right, "degrees") and not is_literal(right)
    return is_plain(right) and not angles and (is_literal(right) or is_settled(right))


def _matrix_claim(left: Node, right: Node, sides: tuple[Side, Side]) -> Claim | str:
    try:
        if not same_matrix(left, right):
            return DIFFERS
    except NotComputable as reason:
        return str(reason.args[0])
    return Claim(title_of(left), sides[0].latex, sides[1].latex, program(left))


def _surely_meant(left: Node, right: Node, run: Run, around: str) -> bool:
    """Say whether a numeric claim that fails is certainly a claim: exact, one reading, the usual arithmetic."""
    nodes = (*left.walk(), *right.walk())
    simple = all(each.op in ("number", "add", "mul", "neg", "div", "pow") and "." not in each.value for each in nodes)
    # A star or a box may be an operation of the text's own, and words may be units that change the number.
    marks = any(mark in side.latex for side in run.sides for mark in ("*", r"\ast", r"\text", r"\mbox", r"\mathrm"))
    # A side that begins with a plus sign is the rest of one.
    cut = any(side.latex.startswith("+") or r"\div" in side.latex for side in run.sides)
    boxes = any(r"\boxed" in side.latex for side in run.sides[:-1])
    one_reading = not (run.choices or run.errors or run.approximate or marks or boxes or cut)
    return simple and is_literal(right) and one_reading and not other_arithmetic(around)


def _how_shown(left: Node, right: Node, value: Value, stated: Value, approximate: bool) -> tuple[str | None, tuple[str, ...]]:
    """Return how to print the computed value so that it can be compared with the stated one; None when they differ."""
    decimals = decimals_of(right)
    if close(value, stated):
        if right.op == "percent" and isinstance(value, Fraction):
            return "str(100*({})) + '%'", ()
        if decimals is not None and "." in literal_digits(right):
            return (f"round(float({{}}), {decimals})" if not isinstance(value, Fraction) else "{}"), ()
        if _has_nested_roots(left):
            return "expand(sqrtdenest({}))", ("expand", "sqrtdenest")
        if has(left, "call") and is_folded(left):
            return "simplify(expand({}))", ("expand", "simplify")
        return ("simplify({})", ("simplify",)) if _needs_simplify(left) else ("{}", ())
    if decimals is None or isinstance(value, complex) or isinstance(stated, complex):
        return None, ()
    if not approximate and "." not in literal_digits(right):
        return None, ()
    unit = 10.0**-decimals / (100 if right.op == "percent" else 1)
    if distance(value, stated) > 0.5000001 * unit:
        return None, ()
    if right.op == "percent":
        return f"str(round(float(100*({{}})), {decimals})) + '%'", ()
    return (f"round(float({{}}), {decimals})" if decimals else "round(float({}))"), ()


def _has_nested_roots(node: Node) -> bool:
    roots = (each for each in node.walk() if each.op == "call" and each.value == "sqrt")
    return any(inner.op == "call" and inner.value == "sqrt" for root in roots for inner in root.args[0].walk())


def _needs_simplify(node: Node) -> bool:
    rational = ("gcd", "lcm", "binomial", "factorial", "factorial2", "floor", "ceiling", "Abs", "Max", "Min")
    calls = any(each.op == "call" and each.value not in rational for each in node.walk())
    powers = any(each.op == "pow" and each.args[1].op not in ("number", "neg") for each in node.walk())
    return calls or powers or has(node, *RADICAL)


def conditional_claim(run: Run, context: Context, around: str) -> Claim | str | None:
    """A side whose symbols or functions the text has given values, said to be a value; made only when it holds."""
    stated = len(run.nodes) - 1
    right = run.nodes[stated]
    if not _is_closed(right) or right is None or not _is_answer(right):
        return None
    for at, left in enumerate(run.nodes[:-1]):
        if left is None or left.op == "symbol" or is_literal(left) or has(left, *CALCULUS):
            continue
        expanded = context.expanded(left)
        values = None if expanded is None else context.values_at(free_symbols(expanded), run.sides[0].start)
        if expanded is None or values is None or any(each.end >= run.sides[0].start for each in values.values()):
            continue
        try:
            numbers = {name: evaluate(each.node, {}) for name, each in values.items()}
            shown, imports = _how_shown(expanded, right, evaluate(expanded, numbers), evaluate(right, {}), run.approximate)
        except NotComputable:
            continue
        if shown is None:
            continue
        functions = context.needed_functions(left)
        conditions = (*(each.latex for each in functions), *(each.latex for each in values.values()))
        code = program(left, shown, values, functions, imports)
        return Claim(title_of(left), run.sides[at].latex, run.sides[stated].latex, code, conditions)
    return None
