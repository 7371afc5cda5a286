"""Claims that two forms of one expression are equal: an expansion, a factorization, a simplification.

Decides: that both are equal at every sample, and under which assumption on the symbols.
Does not: prove it; the program transforms one form into the other.
"""

import itertools
from fractions import Fraction

from data_tools.translate.context import Context, has_symbol_notation
from data_tools.translate.evaluate import evaluate
from data_tools.translate.expression import CALCULUS, Node, applied_functions, free_symbols, has, is_folded
from data_tools.translate.numbers import NotComputable, close
from data_tools.translate.program import program
from data_tools.translate.runs import Claim, Run

SAMPLES = (Fraction(7, 3), Fraction(-5, 4), Fraction(11, 7), Fraction(3, 8), Fraction(-17, 6), Fraction(23, 9))
POSITIVE_SAMPLES = (Fraction(7, 3), Fraction(5, 4), Fraction(11, 7), Fraction(3, 8), Fraction(17, 6), Fraction(23, 9))
TITLES = {
    "expand": "Expansion",
    "factor": "Factorization",
    "simplify": "Simplification",
    "apart": "Partial fractions",
    "together": "Common denominator",
}
VECTORS = (r"\mathbf", r"\bold", r"\vec", r"\bm", r"\overrightarrow")
"""Letters dressed so do not commute, or have a product of their own."""


def identity_claim(run: Run, context: Context, around: str) -> Claim | str | None:
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
    if _is_worked_out(left, right):
        start, stated, left, right = stated, start, right, left
    verb = _verb(left, right)
    if _is_transcendental(left) or _is_transcendental(right):
        # SymPy turns such an expression around only when that makes it simpler.
        verb = "simplify"
        if _size(right) >= _size(left):
            return None
    code = program(left, f"{verb}({{}})", imports=(verb,), assumption=assumption)
    title = TITLES[verb]
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
        # By steps of two some pairs of symbols have unequal signs, by steps of three some are both negative.
        for shift, step in itertools.product(range(len(samples)), (2, 3) if len(names) > 1 else (2,)):
            values = {name: samples[(shift + step * at) % len(samples)] * (at + 1) for at, name in enumerate(names)}
            try:
                results.append(close(evaluate(left, values), evaluate(right, values)))
            except NotComputable:
                # Outside the domain of a root or a logarithm, but not more often than by chance for a division by zero.
                results.append(assumption == "real=True" and not _is_transcendental(left) and not has(left, "call"))
        if all(results) and not _has_odd_root(left, right):
            rational = not _is_transcendental(left) and not has(left, "call") and not _is_transcendental(right)
            return "" if rational else assumption
    return None


def _has_odd_root(*nodes: Node) -> bool:
    """Say whether a root may be of a negative number, where SymPy takes a complex one."""
    roots = (each for node in nodes for each in node.walk() if each.op == "call" and each.value == "root")
    return any(inner.op in ("neg", "add") for root in roots for inner in root.args[0].walk())


def _is_transcendental(node: Node) -> bool:
    calls = any(each.op == "call" and free_symbols(each) for each in node.walk())
    return calls or any(each.op == "pow" and free_symbols(each.args[1]) for each in node.walk())


def _is_form(node: Node) -> bool:
    return node.op not in ("symbol", "number", "constant", "apply") and bool(free_symbols(node)) and not (
        has(node, *CALCULUS, "matrix", "degrees", "mod") or applied_functions(node)
    )  # fmt: skip


def _verb(left: Node, right: Node) -> str:
    """Return what SymPy has to do to come from one form to the other."""
    if right.op == "add":
        return "apart" if left.op == "div" and len(free_symbols(left)) == 1 and _has_symbolic_fraction(right) else "expand"
    if left.op == "add":
        return "together" if right.op == "div" and has(left, "div") else "factor" if right.op in ("mul", "pow") else "simplify"
    return "simplify"


def _has_symbolic_fraction(node: Node) -> bool:
    return any(each.op == "div" and free_symbols(each.args[1]) for each in node.walk())


def _is_worked_out(left: Node, right: Node) -> bool:
    """Say whether nothing is left to do in the first form and something in the second, which a text may state first."""
    verb = _verb(left, right)
    if verb not in ("expand", "simplify") or free_symbols(left) != free_symbols(right):
        return False
    if is_folded(left) != is_folded(right):
        return is_folded(right)
    if left.op == right.op == "add" and len(_flat(left)) != len(_flat(right)):
        return len(_flat(right)) > len(_flat(left))
    return _size(right) > _size(left)


def _size(node: Node) -> int:
    return sum(1 for _ in node.walk())


def _same_terms(left: Node, right: Node) -> bool:
    """Say whether one is only the other in another order or with other brackets."""
    return left.op == right.op in ("add", "mul") and sorted(map(repr, _flat(left))) == sorted(map(repr, _flat(right)))


def _flat(node: Node) -> list[Node]:
    """Return the terms of a sum or the factors of a product, of a power as often as it says."""
    found: list[Node] = []
    for arg in node.args:
        small = arg.op == "pow" and node.op == "mul" and arg.args[1].op == "number" and arg.args[1].value in ("2", "3", "4")
        found += _flat(arg) if arg.op == node.op else [arg.args[0]] * int(arg.args[1].value) if small else [arg]
    return found
