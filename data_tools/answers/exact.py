"""The exact value of an expression, where it is a fraction that can be written out.

Decides: which operations give one, and how large it may be; nothing is computed that is larger.
Does not: compute what is irrational or holds a variable (``evaluate``).
"""

import math
from collections.abc import Callable
from fractions import Fraction

from data_tools.answers.values import Number, Operation, Quantity, Value

MAX_EXACT_BITS = 8192

_EXACT_ROUNDINGS: dict[str, Callable[[Fraction], Fraction | int]] = {"abs": abs, "floor": math.floor, "ceiling": math.ceil}


def exact(value: Value) -> Fraction | None:
    """Return the value as a fraction, or None when it is irrational, holds a variable, or is too large to write out."""
    if isinstance(value, Number):
        return value.value
    if isinstance(value, Quantity):
        return exact(value.value)
    if not isinstance(value, Operation):
        return None
    arguments = [exact(argument) for argument in value.arguments]
    known = [argument for argument in arguments if argument is not None]
    if len(known) != len(arguments) or not known:
        return None
    return _exact_operation(value.name, known)


def _exact_operation(name: str, x: list[Fraction]) -> Fraction | None:
    if sum(a.numerator.bit_length() + a.denominator.bit_length() for a in x) > MAX_EXACT_BITS:
        return None
    if name == "add":
        return sum(x, Fraction(0))
    if name == "multiply":
        return math.prod(x, start=Fraction(1))
    if name == "negative":
        return -x[0]
    if name == "percent":
        return x[0] / 100
    if name == "divide":
        return x[0] / x[1] if x[1] else None
    if name == "power":
        return _exact_power(x[0], x[1])
    if name in _EXACT_ROUNDINGS:
        return Fraction(_EXACT_ROUNDINGS[name](x[0]))
    if name == "sqrt":
        return _exact_power(x[0], Fraction(1, 2))
    if name in ("factorial", "binomial") and all(a.denominator == 1 and 0 <= a <= 500 for a in x):
        return Fraction(math.factorial(int(x[0])) if name == "factorial" else math.comb(int(x[0]), int(x[1])))
    if name in ("max", "min"):
        return max(x) if name == "max" else min(x)
    if name == "gcd" and all(a.denominator == 1 for a in x):
        return Fraction(math.gcd(*(int(a) for a in x)))
    return x[0] % x[1] if name == "mod" and x[1] else None


def _exact_power(a: Fraction, b: Fraction) -> Fraction | None:
    if b.denominator == 2 and a >= 0:
        roots = math.isqrt(a.numerator), math.isqrt(a.denominator)
        if roots[0] ** 2 != a.numerator or roots[1] ** 2 != a.denominator:
            return None
        a, b = Fraction(*roots), b * 2
    bits = (a.numerator.bit_length() + a.denominator.bit_length()) * abs(b)
    if b.denominator != 1 or bits > MAX_EXACT_BITS or (a == 0 and b < 0):
        return None
    return a ** int(b)
