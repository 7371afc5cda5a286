"""The value of an expression whose symbols are all known: exact where it is rational, floating point elsewhere, bounded always.

Decides: how the operations of an expression are carried out on numbers. Used to choose between two readings of a notation and to
tell an identity from an equation, never as the result that is written into a document: that comes from running the program.
Does not: matrices (``matrices.py``). Integrals, derivatives, limits and infinite sums are good to a few digits
(``calculus_values.py``).
"""

import math
from collections.abc import Callable, Mapping
from fractions import Fraction

from data_tools.translate import calculus_values
from data_tools.translate.expression import TRIGONOMETRIC, Node
from data_tools.translate.numbers import NotComputable, Value, bounded, function, power, product, trigonometric, whole

MAX_WORK = 60_000
"""Operations on small numbers, about a tenth of a second; one on large numbers counts as several."""

BITS_PER_WORK = 400
INFINITY = Node("constant", (), "oo")


def evaluate(node: Node, symbols: Mapping[str, Value], degrees_are_plain: bool = False) -> Value:
    """Return the value. ``degrees_are_plain`` takes ``60°`` outside trigonometric functions as 60.

    Raises NotComputable.
    """
    try:
        return _Evaluator(symbols, degrees_are_plain).value(node)
    except (ZeroDivisionError, OverflowError, ValueError):
        raise NotComputable("undefined or out of range") from None


class _Evaluator:
    def __init__(self, symbols: Mapping[str, Value], degrees_are_plain: bool) -> None:
        self._symbols = dict(symbols)
        self._degrees_are_plain = degrees_are_plain
        self._work = [MAX_WORK]

    def value(self, node: Node) -> Value:
        """Return the value; every operation is counted."""
        found = self._value(node)
        bits = found.numerator.bit_length() + found.denominator.bit_length() if isinstance(found, Fraction) else 0
        self._work[0] -= 1 + bits // BITS_PER_WORK
        if self._work[0] < 0:
            raise NotComputable("too large to compute")
        return found

    def _value(self, node: Node) -> Value:
        op, args = node.op, node.args
        if op == "number":
            return Fraction(node.value)
        if op == "symbol":
            if node.value not in self._symbols:
                raise NotComputable("free symbols")
            return self._symbols[node.value]
        if op == "constant":
            return self._constant(node.value)
        if op in ("sum", "product"):
            return self._series(node)
        if op in ("integral", "derivative", "limit"):
            return self._calculus(node)
        if op == "degrees":
            inner = self.value(args[0])
            return inner if self._degrees_are_plain else inner * math.pi / 180
        if op == "call":
            return self._call(node)
        values = [self.value(arg) for arg in args]
        if op == "add":
            return bounded(sum(values, Fraction(0)))
        if op == "mul":
            return product(values)
        if op == "neg":
            return -values[0]
        if op == "percent":
            return values[0] / 100
        if op == "div":
            return bounded(values[0] / values[1])
        if op == "pow":
            return power(values[0], values[1])
        if op == "mod":
            return Fraction(whole(values[0]) % whole(values[1]))
        raise NotComputable("no numeric check for this operation")

    def _constant(self, name: str) -> Value:
        if name == "oo":
            raise NotComputable("infinity")
        return {"pi": math.pi, "E": math.e, "I": 1j}[name]

    def _series(self, node: Node) -> Value:
        body = self._as_function(node.args[0], node.value)
        lower = whole(self.value(node.args[1]))
        if node.args[2] == INFINITY and node.op == "sum":
            return calculus_values.infinite_sum(lambda index: body(Fraction(index)), lower)
        upper = whole(self.value(node.args[2]))
        if upper - lower > self._work[0]:
            raise NotComputable("too large to compute")
        values = [body(Fraction(index)) for index in range(lower, upper + 1)]
        return bounded(sum(values, Fraction(0))) if node.op == "sum" else product(values)

    def _as_function(self, body: Node, variable: str) -> Callable[[Value], Value]:
        """Return the body as a function of its bound variable, whatever that name means outside."""
        inner = _Evaluator(self._symbols, self._degrees_are_plain)
        inner._work = self._work

        def value_at(value: Value) -> Value:
            inner._symbols[variable] = value
            return inner.value(body)

        return value_at

    def _calculus(self, node: Node) -> Value:
        variable, _, detail = node.value.partition(",")
        body = self._as_function(node.args[0], variable)
        if node.op == "integral":
            if len(node.args) == 1:
                raise NotComputable("an indefinite integral has no value")
            return calculus_values.integral(body, *(self._real(arg, infinite=True) for arg in node.args[1:]))
        if node.op == "derivative":
            return calculus_values.derivative(body, self._real(Node("symbol", (), variable)), int(detail))
        return calculus_values.limit(body, self._real(node.args[1], infinite=True), detail)

    def _real(self, node: Node, infinite: bool = False) -> float:
        if infinite and INFINITY in (node, *node.args):
            return -math.inf if node.op == "neg" else math.inf
        value = self.value(node)
        if isinstance(value, complex):
            raise NotComputable("complex where a real number is needed")
        return float(value)

    def _call(self, node: Node) -> Value:
        name = node.value
        if name in TRIGONOMETRIC:
            # Degrees inside a trigonometric function are always degrees.
            plain, self._degrees_are_plain = self._degrees_are_plain, False
            inner = self.value(node.args[0])
            self._degrees_are_plain = plain
            return trigonometric(name, inner)
        return function(name, [self.value(arg) for arg in node.args])
