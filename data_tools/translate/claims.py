r"""Decides what a chain of equations claims that a program can compute, and writes the program.

Decides: which side is computed and which is the stated result; that an equation is a claim only when nothing else can be meant:
a value, a calculus operation, or an identity that holds at every point tried. An equation to be solved, a definition and a
supposition are no claims.
Does not: run the program. The numeric look here chooses between readings; the verdict comes from ``mathcoder execute``.

A program that refutes what was never said is worse than none, so a closed numeric claim that does not hold is written only when
it has one reading, exact values, and no other arithmetic nearby.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from data_tools.translate.calculus_values import TOLERANCE
from data_tools.translate.context import Context, has_symbol_notation, is_supposed, other_arithmetic
from data_tools.translate.evaluate import evaluate
from data_tools.translate.expression import CALCULUS, Node, applied_functions, free_symbols, has, is_literal, is_settled
from data_tools.translate.latex_parser import Parsed, Reading, parse_latex
from data_tools.translate.latex_tokens import LatexError
from data_tools.translate.matrices import same_matrix
from data_tools.translate.numbers import NotComputable, Value, close
from data_tools.translate.program import program
from data_tools.translate.python_code import python_name
from data_tools.translate.statements import EQUALITIES, Chain, Side

AMBIGUOUS = "ambiguous notation"
FREE = "symbols without a value"
DIFFERS = "value differs, and something else may be meant"
NO_VALUE = "no computable side"
EQUATION = "an equation or a definition, no computation"
SUPPOSED = "supposed, not claimed"
SAMPLES = (Fraction(7, 3), Fraction(-5, 4), Fraction(11, 7), Fraction(3, 8), Fraction(-17, 6), Fraction(23, 9))
POSITIVE_SAMPLES = (Fraction(7, 3), Fraction(5, 4), Fraction(11, 7), Fraction(3, 8), Fraction(17, 6), Fraction(23, 9))
WHOLE_SAMPLES = (3, 5, 8, 4)
COUNTING = {"n", "m", "k", "N"}
LONG_SUM = 300
VECTORS = (r"\mathbf", r"\bold", r"\vec", r"\bm", r"\overrightarrow")
"""Letters dressed so do not commute, or have a product of their own."""
RADICAL = ("constant", "degrees")


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
    return Reading(functions=frozenset(context.functions), symbols=frozenset(symbols))


def claim_of(sides: tuple[Side, ...], approximate: bool, context: Context, before: str, around: str) -> Claim | str | None:
    """Return what a run claims, the reason why it gives nothing, or None when it only says what something is."""
    reading = base_reading(sides, context)
    run = read_run(sides, approximate, reading)
    known = [node for node in run.nodes if node is not None]
    if not known:
        return run.errors[0]
    first, last = run.nodes[0], run.nodes[-1]
    noted = first is not None and last is not None and context.note(first, last, _text(sides[0], sides[-1]), sides[-1].end)
    if is_supposed(before):
        return SUPPOSED
    found: list[Claim | str] = []
    for each in readings_of(run, reading):
        claim = _claim_in(read_run(sides, approximate, each) if run.choices else run, context, around, noted)
        if isinstance(claim, Claim):
            return claim
        found.append(claim)
    if noted or EQUATION in found:
        return None
    return found[0] if len(found) == 1 else AMBIGUOUS


def _claim_in(run: Run, context: Context, around: str, says_what_it_is: bool) -> Claim | str:
    for attempt in (_closed_claim, _calculus_claim, _conditional_claim, _identity_claim):
        if attempt is _conditional_claim and says_what_it_is:
            # What defines a function or a value cannot be shown by that definition.
            continue
        claim = attempt(run, context, around)
        if claim is not None:
            return claim
    if run.errors:
        return run.errors[0]
    return EQUATION


def _text(*sides: Side) -> str:
    return " = ".join(side.latex for side in sides)


def _is_closed(node: Node | None) -> bool:
    return node is not None and not free_symbols(node) and not applied_functions(node)


def _pair(run: Run) -> tuple[int, int] | None:
    """Return the first side with something to compute, and the last side with a value after it."""
    rounded = run.approximate or any(node is not None and "." in _digits(node) for node in run.nodes[1:])
    computed = next((at for at, node in enumerate(run.nodes) if node and _is_closed(node) and _has_work(node, rounded)), None)
    if computed is None:
        return None
    stated = next((at for at in range(len(run.nodes) - 1, computed, -1) if _is_closed(run.nodes[at])), None)
    return None if stated is None else (computed, stated)


def _has_work(node: Node, rounded: bool) -> bool:
    """Say whether there is something to compute; of 2/3 or √2 its decimals are, when they are what is stated."""
    return not is_literal(node) or (rounded and not _digits(node) and node.op != "matrix")


def _closed_claim(run: Run, context: Context, around: str) -> Claim | str | None:
    """Two sides without symbols: a value is stated."""
    pair = _pair(run)
    if pair is None:
        return None
    left, right = run.nodes[pair[0]], run.nodes[pair[1]]
    assert left is not None
    assert right is not None
    if not _is_answer(right):
        return NO_VALUE
    sides = (run.sides[pair[0]], run.sides[pair[1]])
    if has(left, "matrix"):
        return _matrix_claim(left, right, sides)
    plain = has(right, "degrees") and not has(left, "constant")
    if has(left, *CALCULUS):
        return _checked_calculus(left, right, sides)
    try:
        shown, imports = _how_shown(left, right, evaluate(left, {}, plain), evaluate(right, {}, plain), run.approximate)
    except NotComputable as reason:
        return str(reason.args[0])
    if shown is None:
        if not _surely_meant(left, right, run, around):
            return AMBIGUOUS if run.choices else DIFFERS
        shown = "{}"
    return Claim(_title(left), sides[0].latex, sides[1].latex, program(left, shown, imports=imports, plain_degrees=plain))


def _is_answer(right: Node) -> bool:
    """Say whether a side is where a computation ends: nothing is left in it to work out or to look up."""
    angles = has(right, "degrees") and not is_literal(right)
    return _is_plain(right) and not angles and (is_literal(right) or is_settled(right))


def _matrix_claim(left: Node, right: Node, sides: tuple[Side, Side]) -> Claim | str:
    try:
        if not same_matrix(left, right):
            return DIFFERS
    except NotComputable as reason:
        return str(reason.args[0])
    return Claim(_title(left), sides[0].latex, sides[1].latex, program(left))


def _is_plain(node: Node) -> bool:
    return not has(node, *CALCULUS)


def _surely_meant(left: Node, right: Node, run: Run, around: str) -> bool:
    """Say whether a numeric claim that fails is certainly a claim: exact, one reading, the usual arithmetic."""
    nodes = (*left.walk(), *right.walk())
    simple = all(each.op in ("number", "add", "mul", "neg", "div", "pow") and "." not in each.value for each in nodes)
    # A star or a box may be an operation of the text's own, and words may be units that change the number.
    marks = any(mark in side.latex for side in run.sides for mark in ("*", r"\ast", r"\text", r"\mbox", r"\mathrm"))
    boxes = any(r"\boxed" in side.latex for side in run.sides[:-1])
    one_reading = not (run.choices or run.errors or run.approximate or marks or boxes)
    return simple and is_literal(right) and one_reading and not other_arithmetic(around)


def _how_shown(left: Node, right: Node, value: Value, stated: Value, approximate: bool) -> tuple[str | None, tuple[str, ...]]:
    """Return how to print the computed value so that it can be compared with the stated one; None when they differ."""
    decimals = _decimals(right)
    if close(value, stated):
        if right.op == "percent" and isinstance(value, Fraction):
            return "str(100*({})) + '%'", ()
        if decimals is not None and "." in _digits(right):
            return (f"round(float({{}}), {decimals})" if not isinstance(value, Fraction) else "{}"), ()
        return ("simplify({})", ("simplify",)) if _needs_simplify(left) else ("{}", ())
    if decimals is None or isinstance(value, complex) or isinstance(stated, complex):
        return None, ()
    if not approximate and "." not in _digits(right):
        return None, ()
    unit = 10.0**-decimals / (100 if right.op == "percent" else 1)
    if abs(float(value) - float(stated)) > 0.5000001 * unit:
        return None, ()
    if right.op == "percent":
        return f"str(round(float(100*({{}})), {decimals})) + '%'", ()
    return (f"round(float({{}}), {decimals})" if decimals else "round(float({}))"), ()


def _digits(node: Node) -> str:
    """Return the literal under a sign, degrees or percent; empty for anything else."""
    while node.op in ("neg", "degrees", "percent"):
        node = node.args[0]
    return node.value if node.op == "number" else ""


def _decimals(node: Node) -> int | None:
    digits = _digits(node)
    return len(digits.partition(".")[2]) if digits else None


def _needs_simplify(node: Node) -> bool:
    rational = ("gcd", "lcm", "binomial", "factorial", "factorial2", "floor", "ceiling", "Abs", "Max", "Min")
    calls = any(each.op == "call" and each.value not in rational for each in node.walk())
    powers = any(each.op == "pow" and each.args[1].op not in ("number", "neg") for each in node.walk())
    return calls or powers or has(node, *RADICAL)


def _checked_calculus(left: Node, right: Node, sides: tuple[Side, Side]) -> Claim | str:
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
    decimals = _decimals(right) if "." in _digits(right) else None
    if not close(value, stated, TOLERANCE):
        return DIFFERS
    shown = "{}" if decimals is None else f"round(float({{}}), {decimals})"
    imports = ("simplify",) if decimals is None and left.op not in ("integral", "limit") else ()
    return Claim(
        _title(left), sides[0].latex, sides[1].latex, program(left, "simplify({})" if imports else shown, imports=imports)
    )


def _is_long(node: Node) -> bool:
    """Say whether a sum has so many terms that only a closed form could help, and a term that has none."""
    for each in node.walk():
        bounds = [bound.value for bound in each.args[1:] if bound.op == "number"] if each.op in ("sum", "product") else []
        if len(bounds) == 2 and int(float(bounds[1])) - int(float(bounds[0])) > LONG_SUM and has(each.args[0], "call", "div"):
            return True
    return False


def _calculus_claim(run: Run, context: Context, around: str) -> Claim | str | None:
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
    return Claim(_title(left), run.sides[computed].latex, run.sides[stated].latex, code, tuple(conditions))


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
    return "" if right != left and _agree(left, right, constant) else DIFFERS


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


def _agree(left: Node, right: Node, constant: set[str]) -> bool:
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
    return node is not None and _is_plain(node) and not applied_functions(node)


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


def _conditional_claim(run: Run, context: Context, around: str) -> Claim | str | None:
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
        return Claim(_title(left), run.sides[at].latex, run.sides[stated].latex, code, conditions)
    return None


def _identity_claim(run: Run, context: Context, around: str) -> Claim | str | None:
    """Two forms of one expression, equal at every sample: an expansion, a factorisation, a simplification."""
    usable = [at for at, node in enumerate(run.nodes) if node is not None and _is_form(node)]
    if len(usable) < 2 or any(mark in side.latex for side in run.sides for mark in VECTORS):
        return None
    start, stated = usable[0], usable[-1]
    left, right = run.nodes[start], run.nodes[stated]
    assert left is not None
    assert right is not None
    if left == right or not free_symbols(left) >= free_symbols(right) or _same_terms(left, right) or has_symbol_notation(around):
        return None
    assumption = _identity_domain(left, right)
    if assumption is None:
        return None
    verb = "expand" if right.op == "add" else "factor" if right.op in ("mul", "pow") and left.op == "add" else "simplify"
    if _is_transcendental(left) or _is_transcendental(right):
        # SymPy turns such an expression around only when that makes it simpler.
        verb = "simplify"
        if sum(1 for _ in right.walk()) >= sum(1 for _ in left.walk()):
            return None
    code = program(left, f"{verb}({{}})", imports=(verb,), assumption=assumption)
    title = {"expand": "Expansion", "factor": "Factorization", "simplify": "Simplification"}[verb]
    conditions = tuple(f"{name} > 0" for name in sorted(free_symbols(left))) if "positive" in assumption else ()
    return Claim(title, run.sides[start].latex, run.sides[stated].latex, code, conditions)


def _identity_domain(left: Node, right: Node) -> str | None:
    """Return the assumption on the symbols under which both forms are equal at every sample; None when they are not."""
    names = sorted(free_symbols(left))
    domains = [(SAMPLES, "real=True"), (POSITIVE_SAMPLES, "positive=True")]
    if any(each.op == "pow" and free_symbols(each.args[1]) for each in (*left.walk(), *right.walk())):
        # (ab)^x is a^x b^x for positive a and b alone.
        domains = domains[1:]
    for samples, assumption in domains:
        results: list[bool] = []
        for shift in range(len(samples)):
            values = {name: samples[(shift + 2 * at) % len(samples)] + at for at, name in enumerate(names)}
            try:
                results.append(close(evaluate(left, values), evaluate(right, values)))
            except NotComputable:
                # Outside the domain of a root or a logarithm, but not more often than by chance for a division by zero.
                results.append(assumption == "real=True" and not _is_transcendental(left) and not has(left, "call"))
        if all(results):
            rational = not _is_transcendental(left) and not has(left, "call") and not _is_transcendental(right)
            return "" if rational else assumption
    return None


def _is_transcendental(node: Node) -> bool:
    calls = any(each.op == "call" and free_symbols(each) for each in node.walk())
    return calls or any(each.op == "pow" and free_symbols(each.args[1]) for each in node.walk())


def _is_form(node: Node) -> bool:
    return node.op not in ("symbol", "number", "constant", "apply") and bool(free_symbols(node)) and not (
        has(node, *CALCULUS, "matrix", "degrees", "mod") or applied_functions(node)
    )  # fmt: skip


def _same_terms(left: Node, right: Node) -> bool:
    """Say whether one is only the other in another order."""
    return left.op == right.op in ("add", "mul") and sorted(map(repr, left.args)) == sorted(map(repr, right.args))


TITLES = {
    "integral": "Integral", "derivative": "Derivative", "limit": "Limit", "sum": "Sum of a series", "product": "Product",
    "matrix": "Matrix computation", "mod": "Remainder", "det": "Determinant", "binomial": "Binomial coefficient",
    "factorial": "Factorial", "gcd": "Greatest common divisor", "lcm": "Least common multiple", "sqrt": "Root", "root": "Root",
    "ln": "Logarithm", "log": "Logarithm", "apply": "Value of a function", "pow": "Power", "div": "Fraction",
    "mul": "Product", "add": "Sum",
}  # fmt: skip


def _title(node: Node) -> str:
    """Name a computation by the operation that is rarest in it, in the order of ``TITLES``."""
    kinds = {each.value if each.op == "call" else each.op for each in node.walk()}
    if kinds & {"sin", "cos", "tan", "cot", "sec", "csc", "asin", "acos", "atan"} and not has(node, *CALCULUS):
        return "Trigonometric value"
    if node.op in ("add", "mul", "div", "neg") and not kinds - {"add", "mul", "div", "neg", "pow", "number", "symbol"}:
        return "Arithmetic" if not free_symbols(node) else "Value of an expression"
    return next((title for kind, title in TITLES.items() if kind in kinds), "Evaluation")
