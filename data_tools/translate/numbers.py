"""Arithmetic on numbers that are exact where they are rational: functions, powers, roots, and when two numbers are equal.

Decides: what is too large to be worth a program.
Does not: know expressions (``evaluate.py``).
"""

import cmath
import math
from fractions import Fraction

Value = Fraction | float | complex

MAX_BITS = 20_000
MAX_FACTORIAL = 3_000


class NotComputable(Exception):
    """There is no value to be had here; ``args[0]`` is a reason of a fixed set."""


def function(name: str, values: list[Value]) -> Value:
    """Return a named function of numbers. Raises NotComputable for a name or a value it does not take."""
    first = values[0]
    if name in ("factorial", "factorial2", "binomial", "gcd", "lcm"):
        return Fraction(_combinatorial(name, [whole(value) for value in values]))
    if name == "sqrt":
        return _root(first, 2)
    if name == "root":
        return _root(first, whole(values[1]))
    if name == "Abs":
        return abs(first) if isinstance(first, Fraction) else float(abs(first))
    if name in ("floor", "ceiling", "Max", "Min"):
        reals = [_real(value) for value in values]
        if name in ("floor", "ceiling"):
            return Fraction(math.floor(reals[0]) if name == "floor" else math.ceil(reals[0]))
        return max(reals) if name == "Max" else min(reals)
    if name in ("exp", "sinh", "cosh", "tanh", "asin", "acos", "atan"):
        return _simple(getattr(cmath, name)(complex(first)))
    if name == "acot":
        return _simple(cmath.atan(1 / complex(first)))
    if name == "ln":
        return _simple(cmath.log(complex(first)))
    if name == "log":
        return _logarithm(first, values[1])
    raise NotComputable("no numeric check for this operation")


def _logarithm(value: Value, base: Value) -> Value:
    found = math.log(_real(value)) / math.log(_real(base))
    nearest = round(found)
    # An exact power has a whole logarithm; a float's last digit must not hide it.
    if isinstance(value, Fraction) and isinstance(base, Fraction) and abs(nearest) < 1000 and base**nearest == value:
        return Fraction(nearest)
    return found


def trigonometric(name: str, value: Value) -> Value:
    """Return a trigonometric function of an angle in radians."""
    base = {"sin": cmath.sin, "cos": cmath.cos, "tan": cmath.tan, "csc": cmath.sin, "sec": cmath.cos, "cot": cmath.tan}[name]
    found = base(complex(value))
    return _simple(1 / found if name in ("csc", "sec", "cot") else found)


def _combinatorial(name: str, integers: list[int]) -> int:
    if name == "gcd":
        return math.gcd(*integers)
    if name == "lcm":
        return math.lcm(*integers)
    if not all(0 <= each <= MAX_FACTORIAL for each in integers):
        raise NotComputable("too large to compute")
    if name == "binomial":
        return math.comb(*integers)
    return math.factorial(integers[0]) if name == "factorial" else math.prod(range(integers[0], 0, -2))


def _root(value: Value, degree: int) -> Value:
    if isinstance(value, Fraction) and degree > 0 and (value >= 0 or degree % 2):
        size = abs(value)
        top, bottom = _whole_root(size.numerator, degree), _whole_root(size.denominator, degree)
        if top is not None and bottom is not None:
            return Fraction(top, bottom) * (1 if value >= 0 else -1)
        if value < 0:
            return -(float(size) ** (1 / degree))
    return _simple(complex(value) ** (1 / degree))


def _whole_root(value: int, degree: int) -> int | None:
    if degree == 2:
        root = math.isqrt(value)
        return root if root * root == value else None
    if value.bit_length() > 1000:
        return None
    root = round(value ** (1 / degree))
    return root if root**degree == value else None


def power(base: Value, exponent: Value) -> Value:
    """Return a power: exact when base and exponent allow it."""
    if isinstance(base, Fraction) and isinstance(exponent, Fraction):
        if exponent.denominator == 1:
            bits = max(base.numerator.bit_length(), base.denominator.bit_length())
            if bits * abs(exponent) > MAX_BITS and abs(base) != 1:
                raise NotComputable("too large to compute")
            return base**exponent.numerator
        if exponent.denominator < 100:
            root = _root(base, exponent.denominator)
            return power(root, Fraction(exponent.numerator))
    if not isinstance(base, complex) and not isinstance(exponent, complex) and base > 0:
        return float(base) ** float(exponent)
    return _simple(complex(base) ** complex(exponent))


def product(values: list[Value]) -> Value:
    """Return the product of all."""
    found: Value = Fraction(1)
    for value in values:
        found = bounded(found * value)
    return found


def bounded(value: Value) -> Value:
    """Return the value, or raise NotComputable when it has too many digits."""
    if isinstance(value, Fraction) and value.numerator.bit_length() + value.denominator.bit_length() > MAX_BITS:
        raise NotComputable("too large to compute")
    return value


def whole(value: Value) -> int:
    """Return a whole number as an int, or raise NotComputable."""
    if isinstance(value, Fraction) and value.denominator == 1:
        return value.numerator
    raise NotComputable("not a whole number")


def _real(value: Value) -> Fraction | float:
    if isinstance(value, complex):
        raise NotComputable("complex where a real number is needed")
    return value


def _simple(value: complex) -> Value:
    """Return a float when the imaginary part is rounding."""
    return value.real if abs(value.imag) <= 1e-12 * max(1.0, abs(value.real)) else value


def close(left: Value, right: Value, tolerance: float = 1e-9) -> bool:
    """Say whether two values are equal: exactly when both are rational, else relatively to ``tolerance``."""
    if isinstance(left, Fraction) and isinstance(right, Fraction):
        return left == right
    try:
        return bool(abs(complex(left) - complex(right)) <= tolerance * max(1.0, abs(complex(left)), abs(complex(right))))
    except OverflowError:
        return False


def distance(left: Fraction | float, right: Fraction | float) -> float:
    """Return how far apart two real values are; infinity where one of them is beyond all floats."""
    try:
        return abs(float(left) - float(right))
    except OverflowError:
        return math.inf
