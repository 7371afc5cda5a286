"""Claims about sums, products, integrals, derivatives and limits.

Decides: that both sides must agree in numbers before a program is written, and what SymPy answers by cases or not surely.
Does not: compute the result; the program does.
"""

from fractions import Fraction

from data_tools.translate.calculus_values import TOLERANCE
from data_tools.translate.context import Context
from data_tools.translate.evaluate import evaluate
from data_tools.translate.expression import CALCULUS, Node, applied_functions, free_symbols, has
from data_tools.translate.numbers import NotComputable, Value, close
from data_tools.translate.program import program
from data_tools.translate.python_code import python_name
from data_tools.translate.runs import DIFFERS, FREE, NO_VALUE, Claim, Run, decimals_of, is_plain, literal_digits, title_of
from data_tools.translate.statements import Side

POSITIVE_SAMPLES = (Fraction(7, 3), Fraction(5, 4), Fraction(11, 7), Fraction(3, 8))
WHOLE_SAMPLES = (3, 5, 8, 4)
COUNTING = {"n", "m", "k", "N"}
LONG_SUM = 300


def definite_claim(left: Node, right: Node, sides: tuple[Side, Side]) -> Claim | str:
    """A definite value of an integral, a limit or a series; the numbers must agree to a few digits."""
    if any(each.op == "limit" and has(each.args[0], "integral", "sum") for each in left.walk()):
        return "limit of an integral or a sum"
    if _depends_on_a_condition(left):
        return "value depends on a condition"
    if any(each.op == "product" and each.args[2].op == "constant" for each in left.walk()) or _is_long(left):
        return "too large to compute"
    try:
        value, stated = evaluate(left, {}), evaluate(right, {})
    except NotComputable as reason:
        return str(reason.args[0])
    decimals = decimals_of(right) if "." in literal_digits(right) else None
    if not close(value, stated, TOLERANCE):
        return DIFFERS
    shown = "{}" if decimals is None else f"round(float({{}}), {decimals})"
    imports = ("simplify",) if decimals is None and left.op not in ("integral", "limit") else ()
    return Claim(
        title_of(left), sides[0].latex, sides[1].latex, program(left, "simplify({})" if imports else shown, imports=imports)
    )


def _is_long(node: Node) -> bool:
    """Say whether a sum has so many terms that only a closed form could help, and a term that has none."""
    for each in node.walk():
        bounds = (
            [Fraction(bound.value) for bound in each.args[1:] if bound.op == "number"] if each.op in ("sum", "product") else []
        )
        if len(bounds) == 2 and bounds[1] - bounds[0] > LONG_SUM and has(each.args[0], "call", "div"):
            return True
    return False


def calculus_claim(run: Run, context: Context, around: str) -> Claim | str | None:
    """A sum, product, integral, derivative or limit with symbols, said to be something without one."""
    prepared = [None if node is None else _prime_as_derivative(node) for node in run.nodes]
    computed = next((at for at, node in enumerate(prepared) if node and has(node, *CALCULUS)), None)
    if computed is None:
        return None
    stated = next((at for at in range(len(prepared) - 1, computed, -1) if _is_result(prepared[at])), None)
    left = prepared[computed]
    if stated is None or left is None:
        return NO_VALUE
    right = prepared[stated]
    expanded = context.expanded(left)
    if right is None or expanded is None:
        return "function that the text does not define"
    constant = _constant_of_integration(left, right)
    if reason := _why_not(expanded, right, constant):
        return reason
    shown, imports = _shown_symbolic(left)
    if constant:
        shown += f" + {python_name(*constant)}"
    whole = sorted(_counting(expanded))
    code = program(
        left,
        shown,
        functions=context.needed_functions(left),
        imports=imports,
        integers=frozenset(map(python_name, whole)),
        extra_symbols=sorted(map(python_name, constant)),
    )
    conditions = [each.latex for each in context.needed_functions(left)]
    conditions += [f"{name} is a positive integer" for name in whole if name in free_symbols(expanded)]
    return Claim(title_of(left), run.sides[computed].latex, run.sides[stated].latex, code, tuple(conditions))


def _why_not(left: Node, right: Node, constant: set[str]) -> str:
    """Return why a calculus claim is not to be made, or an empty string."""
    bound = {each.value.partition(",")[0] for each in left.walk() if each.op in CALCULUS}
    names = free_symbols(left)
    if any(" " in name or set(name.partition("_")[2]) & bound for name in names):
        return "sequence or vector without a rule"
    if free_symbols(right) - constant - names:
        return FREE
    if any(each.op == "limit" and has(each.args[0], "integral", "sum") for each in left.walk()):
        return "limit of an integral or a sum"
    if _depends_on_a_condition(left):
        return "value depends on a condition"
    if has(left, "integral") and any(each.value == "Abs" for each in right.walk()):
        return "logarithm of an absolute value"
    return "" if right != left and _agree(left, right) else DIFFERS


def _depends_on_a_condition(node: Node) -> bool:
    """Say whether SymPy answers by cases, or not surely: powers with a symbol where it must know whether that is one, or small;
    sums of binomials to a symbol, some of which it gets wrong (``summation(binomial(n, r), (r, 1, n - 1))`` in SymPy 1.14)."""
    for each in node.walk():
        if each.op == "sum" and free_symbols(each.args[2]) and has(each.args[0], "call"):
            return True
        if each.op == "limit" and each.value.partition(",")[0] in COUNTING and has(each.args[0], "call"):
            # sin(πn) tends to 0 over whole numbers alone.
            return True
        if each.op not in ("sum", "integral", "limit"):
            continue
        variable = each.value.partition(",")[0]
        for inner in each.args[0].walk():
            if inner.op == "pow":
                base, exponent = map(free_symbols, inner.args)
                in_base = bool(base - {variable}) and variable in exponent
                in_exponent = bool(exponent - {variable} - COUNTING) and each.op == "integral"
                if in_base or in_exponent:
                    return True
    return False


def _agree(left: Node, right: Node) -> bool:
    """Say whether both sides are the same number wherever they can be computed, and can be somewhere."""
    if left.op == "integral" and len(left.args) == 1:
        # An antiderivative is checked by its derivative; the constant drops out.
        left, right = left.args[0], Node("derivative", (right,), f"{left.value},1")
    names = sorted(free_symbols(left) | free_symbols(right))
    whole = _counting(left)
    agreed = 0
    for shift in range(4 if names else 1):
        values: dict[str, Value] = {}
        for at, name in enumerate(names):
            values[name] = Fraction(WHOLE_SAMPLES[shift] + at) if name in whole else POSITIVE_SAMPLES[shift] + Fraction(at, 3)
        try:
            if not close(evaluate(left, values), evaluate(right, values), TOLERANCE):
                return False
            agreed += 1
        except NotComputable:
            continue
    return agreed >= (2 if names else 1)


def _counting(node: Node) -> set[str]:
    """Return the names that count: indices of sums, the symbols in their bounds, and n, m, k wherever they stand."""
    found = (free_symbols(node) & COUNTING) - {each.value.partition(",")[0] for each in node.walk() if each.op in CALCULUS}
    for each in node.walk():
        if each.op in ("sum", "product"):
            found |= {each.value}.union(*(free_symbols(bound) for bound in each.args[1:]))
    return found


def _is_result(node: Node | None) -> bool:
    return node is not None and is_plain(node) and not applied_functions(node)


def _prime_as_derivative(node: Node) -> Node:
    r"""Return the node with ``f'(x)`` as the derivative of ``f(x)``."""
    if node.op == "apply" and node.value.endswith("'") and node.args[0].op == "symbol":
        name = node.value.rstrip("'")
        order = len(node.value) - len(name)
        return Node("derivative", (Node("apply", node.args, name),), f"{node.args[0].value},{order}")
    return Node(node.op, tuple(map(_prime_as_derivative, node.args)), node.value)


def _constant_of_integration(left: Node, right: Node) -> set[str]:
    indefinite = any(each.op == "integral" and len(each.args) == 1 for each in left.walk())
    if not indefinite or right.op != "add":
        return set()
    last = right.args[-1]
    return {last.value} if last.op == "symbol" and last.value[0] in "CcKk" and last.value not in free_symbols(left) else set()


def _shown_symbolic(left: Node) -> tuple[str, tuple[str, ...]]:
    if left.op in ("sum", "product"):
        return "factor(simplify({}))", ("factor", "simplify")
    return ("{}", ()) if left.op in ("integral", "limit") else ("simplify({})", ("simplify",))
