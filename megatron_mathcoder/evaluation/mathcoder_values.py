"""What MathCoder's grader took a LaTeX tree to be worth: ``eval(str(tree))`` inside its ``is_equal``.

Decides: the values that gave: Python numbers, ``math``'s functions under the names the tree printed them with, and the local
variables ``a`` and ``b``, which any answer could name. Nothing is evaluated by Python here.
Does not: parse (``mathcoder_latex``).
"""

import math
from collections.abc import Callable, Mapping
from fractions import Fraction

from megatron_mathcoder.evaluation.mathcoder_latex import Tree
from megatron_mathcoder.evaluation.mathcoder_tokens import NotUnderstood

MAX_POWER_BITS = 100_000
MAX_FACTORIAL = 10_000

Scalar = int | float | complex | bool

_CONSTANTS = {"pi": math.pi, "tau": math.tau}
"""What ``from math import *`` made of a Greek letter."""


def _factorial(x: Scalar) -> int:
    if not isinstance(x, complex) and x > MAX_FACTORIAL:
        raise NotUnderstood("too large to compute")
    return math.factorial(x)  # type: ignore[arg-type]


def _choices(n: Scalar, k: Scalar) -> int:
    if isinstance(n, int) and isinstance(k, int) and n.bit_length() * min(k, n - k) > MAX_POWER_BITS:
        raise NotUnderstood("too large to compute")
    return math.comb(n, k)  # type: ignore[arg-type]


_FUNCTIONS: dict[str, Callable[..., float]] = {
    "sin": math.sin, "cos": math.cos, "tan": math.tan, "sinh": math.sinh, "cosh": math.cosh, "tanh": math.tanh,
    "arcsin": math.asin, "arccos": math.acos, "arctan": math.atan, "exp": math.exp, "sqrt": math.sqrt, "log": math.log,
    "floor": math.floor, "factorial": _factorial,
}  # fmt: skip
"""What of the printed tree Python's ``math`` had a name for; ``ln`` printed ``log(x, E)``, ``|x|`` printed ``Abs(x)``: no
names."""


def python_value(tree: Tree, names: Mapping[str, Scalar]) -> Scalar:
    """Return what ``eval(str(tree))`` gave with the local variables ``names``.

    Raises NotUnderstood: where it raised anything.
    """
    try:
        return _value(tree, names)
    except (ArithmeticError, ValueError, TypeError) as error:
        raise NotUnderstood(str(error)) from error


def exact_value(tree: Tree) -> Fraction | None:
    """Return the value of a tree of numbers, sums, products and quotients, or None for another tree."""
    if isinstance(tree, Fraction):
        return tree
    if tree[0] == "power" and tree[2] == Fraction(-1):
        base = exact_value(tree[1])  # type: ignore[arg-type]
        return 1 / base if base else None
    if tree[0] not in ("add", "multiply"):
        return None
    parts = [exact_value(part) for part in tree[1:]]  # type: ignore[arg-type]
    known = [part for part in parts if part is not None]
    if len(known) != len(parts):
        return None
    return sum(known, Fraction(0)) if tree[0] == "add" else math.prod(known, start=Fraction(1))


def _value(tree: Tree, names: Mapping[str, Scalar]) -> Scalar:
    if isinstance(tree, Fraction):
        return tree.numerator if tree.denominator == 1 else tree.numerator / tree.denominator
    operation, *rest = tree
    if operation == "symbol" and rest[0] in names:
        return names[rest[0]]  # type: ignore[index]
    if operation in ("constant", "symbol") and rest[0] in _CONSTANTS:
        return _CONSTANTS[str(rest[0])]
    if operation in ("symbol", "constant", "call", "list", "transpose"):
        raise NotUnderstood(f"{rest[:1]} has no value")
    if operation == "multiply":
        return _product_of(tree[1:], names)
    x = [_value(argument, names) for argument in rest]  # type: ignore[arg-type]
    if operation == "exp" and rest[0] == Fraction(1):
        raise NotUnderstood("E has no value")
    if operation == "add":
        return sum(x)
    if operation == "power":
        return _power(x[0], x[1])
    if operation in ("<", ">", "<=", ">=", "==", "!="):
        return _holds(str(operation), x[0], x[1])
    if operation == "binomial":
        return _choices(x[0], x[1])
    if operation not in _FUNCTIONS:
        raise NotUnderstood(f"{operation} has no name in Python's math")
    return _FUNCTIONS[str(operation)](*x)


def _product_of(factors: tuple[object, ...], names: Mapping[str, Scalar]) -> Scalar:
    """Multiply as the printed text did: ``22/7`` divides once, it does not multiply by a rounded 1/7."""
    result: Scalar = 1
    for factor in factors:
        if isinstance(factor, tuple) and factor[0] == "power" and factor[2] == Fraction(-1):
            result /= _value(factor[1], names)
        else:
            result *= _value(factor, names)  # type: ignore[arg-type]
    return result


def _power(base: Scalar, exponent: Scalar) -> Scalar:
    if isinstance(base, int) and isinstance(exponent, int) and base.bit_length() * abs(exponent) > MAX_POWER_BITS:
        raise NotUnderstood("too large to compute")
    return base**exponent


def _holds(operator: str, left: Scalar, right: Scalar) -> bool:
    if isinstance(left, complex) or isinstance(right, complex):
        raise NotUnderstood("complex numbers have no order")
    return {
        "<": left < right, ">": left > right, "<=": left <= right, ">=": left >= right, "==": left == right, "!=": left != right,
    }[operator]  # fmt: skip
