"""What an expression is worth as a number of fifty digits, at fixed values of its variables, and whether two agree.

Decides: that equality of expressions is judged by value. Constants must agree to forty digits; expressions with variables at
several fixed points, the same in every process, so a verdict depends on the two answers alone. Two different analytic
expressions agree at a random point with probability zero. Every size is bounded before anything is computed.
Does not: simplify or read text; the tree comes from ``expression``. What has an exact value takes it from ``exact``.
"""

import functools
import operator
import threading
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import mpmath

from data_tools.answers.exact import exact
from data_tools.answers.values import Number, Operation, Quantity, Symbol, Value

DIGITS = 50
AGREEING_DIGITS = 38
MAX_EXPONENT = 10**6
_GROWING = frozenset(["exp", "sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh", "factorial"])
"""Functions whose value at a large argument is not worth the time it takes."""
_VANISHING = frozenset(["sin", "cos", "tan", "cot"])
POINTS = 5
WHOLE_POINTS = 26

# One context and one lock: mpmath's caches of pi and of logarithms are not safe between threads.
_context = mpmath.MPContext()
_context.dps = DIGITS
_lock = threading.Lock()


class NoValue(ValueError):
    """The expression has no value that can be computed within the bounds."""


def symbols(value: Value) -> set[str]:
    """Return the names of the variables in an expression."""
    if isinstance(value, Symbol):
        return {value.name}
    if isinstance(value, Quantity):
        return symbols(value.value)
    return set().union(*map(symbols, value.arguments)) if isinstance(value, Operation) else set()


def agree(left: Value, right: Value) -> bool:
    """Return whether two expressions have the same value, at every point tried when they hold variables.

    Raises NoValue: one of them cannot be computed.
    """
    difference = _samples(left, right)
    return all(_close(a, b) for a, b in difference)


def proportional(left: Value, right: Value, positive: bool) -> bool:
    """Return whether ``left`` is a constant multiple of ``right`` (a positive one, if asked), neither being constantly zero.

    Raises NoValue: one of them cannot be computed.
    """
    pairs = _samples(left, right)
    with _lock:
        if any(_close(a, 0) or _close(b, 0) for a, b in pairs):
            return False
        ratios = [a / b for a, b in pairs]
        real = all(abs(ratio.imag) <= abs(ratio) * mpmath.mpf(10) ** -AGREEING_DIGITS for ratio in ratios)
    return all(_close(ratio, ratios[0]) for ratio in ratios) and (not positive or (real and ratios[0].real > 0))


def compare_reals(left: Value, right: Value) -> tuple[Any, Any]:
    """Return two constants as numbers of fifty digits.

    Raises NoValue: one holds a variable, is not real or not finite, or cannot be computed.
    """
    with _lock:
        values = [_values_at_points(each, (), False)[0] for each in (left, right)]
    if any(_context.isinf(v) for v in values):
        raise NoValue("it is not finite")
    if any(abs(v.imag) > abs(v) * _context.mpf(10) ** -AGREEING_DIGITS for v in values):
        raise NoValue("it is not real")
    return values[0].real, values[1].real


def as_real(value: Fraction) -> Any:
    """Return a fraction as a number of fifty digits; it may be larger than any float."""
    with _lock:
        return _context.mpf(value.numerator) / value.denominator


def _samples(left: Value, right: Value) -> list[tuple[Any, Any]]:
    names = tuple(sorted(symbols(left) | symbols(right)))
    whole = _rounds(left) or _rounds(right)
    with _lock:
        return list(zip(_values_at_points(left, names, whole), _values_at_points(right, names, whole), strict=True))


@functools.lru_cache(maxsize=1024)
def _values_at_points(value: Value, names: tuple[str, ...], whole: bool) -> tuple[Any, ...]:
    """Return a value at every point that is tried. Remembered, since an element of a list is compared with all of another.

    What is rounded to whole numbers is made for whole numbers, and differs at a few of them alone.
    """
    coordinate, points = (_whole, WHOLE_POINTS) if whole else (_coordinate, POINTS)
    places = ({name: coordinate(point, index) for index, name in enumerate(names)} for point in range(points if names else 1))
    return tuple(_numeric(value, bindings) for bindings in places)


def _rounds(value: Value) -> bool:
    return isinstance(value, Operation) and (value.name in ("floor", "ceiling", "mod") or any(map(_rounds, value.arguments)))


def _whole(point: int, index: int) -> Any:
    return _context.mpc(1 + (point * (2 * index + 1) + 5 * index) % WHOLE_POINTS)


def _coordinate(point: int, index: int) -> Any:
    """Return a variable's value at a point: an irrational number between 0.3 and 2.3, negative at the last two points."""
    position = _context.mpf(0.3) + 2 * _fraction_part(
        _context.sqrt(2) * (7 * point + 13 * index + 5) + _context.sqrt(3) * (point + 1)
    )
    return _context.mpc(-position if point >= POINTS - 2 else position)


def _fraction_part(x: Any) -> Any:
    return x - _context.floor(x)


def _close(a: Any, b: Any) -> bool:
    scale = max(abs(a), abs(b))
    if _context.isinf(scale) or _context.isnan(scale):
        return bool(a == b)
    return bool(abs(a - b) <= scale * _context.mpf(10) ** -AGREEING_DIGITS)


def _numeric(value: Value, bindings: Mapping[str, Any]) -> Any:
    if isinstance(value, Number):
        return _context.mpc(_context.mpf(value.value.numerator) / value.value.denominator)
    if isinstance(value, Quantity):
        return _numeric(value.value, bindings)
    if isinstance(value, Symbol):
        if value.name not in bindings:
            raise NoValue(f"{value.name} has no value")
        return bindings[value.name]
    if not isinstance(value, Operation):
        raise NoValue(f"a {type(value).__name__.lower()} is no expression")
    if not value.arguments:
        return _constant(value.name)
    if (known := exact(value)) is not None:
        return _context.mpc(_context.mpf(known.numerator) / known.denominator)
    arguments = [_numeric(argument, bindings) for argument in value.arguments]
    try:
        result = _operation(value.name, arguments) if value.name != "power" else _raised(value, *arguments)
    except (ZeroDivisionError, ValueError, OverflowError, TypeError, mpmath.libmp.NoConvergence) as error:
        raise NoValue(f"{value.name} has no value here") from error
    if value.name in _VANISHING and abs(result) < _context.mpf(10) ** -(DIGITS - 5) < abs(arguments[0]):
        # sin(pi) as it is computed; the difference to its zero is a rounding error.
        return _context.mpc(0)
    if _context.isnan(result):
        raise NoValue(f"{value.name} has no value here")
    return _context.mpc(result)


def _constant(name: str) -> Any:
    if name == "infinity":
        return _context.mpc(_context.inf)
    constants = {"pi": _context.pi, "e": _context.e, "i": _context.mpc(0, 1)}
    if name not in constants:
        raise NoValue(f"{name} has no value")
    return _context.mpc(constants[name])


def _operation(name: str, x: list[Any]) -> Any:
    if name == "add":
        return _total(x)
    if name == "log":
        return _context.log(x[0]) / _context.log(x[1]) if len(x) == 2 else _context.log(x[0])
    if name in _GROWING and abs(x[0]) > MAX_EXPONENT:
        raise NoValue("an argument is too large")
    function = _FUNCTIONS.get(name)
    if function is None:
        raise NoValue(f"{name} cannot be computed")
    return function(*x)


def _total(terms: list[Any]) -> Any:
    """Return the sum; what is left of terms that cancel is a rounding error and counts as the zero it stands for."""
    total = sum(terms[1:], terms[0])
    return _context.mpc(0) if abs(total) < max(map(abs, terms)) * _context.mpf(10) ** -(DIGITS - 5) else total


def _raised(power: Operation, base: Any, exponent: Any) -> Any:
    """Return a power; of a variable that is negative to a fraction with an odd denominator the real one, as of an odd root.

    Of a negative number it is the principal one: ``16*(-1)**(1/3)`` is how SymPy prints ``8 + 8i\\sqrt{3}``.
    """
    if abs(exponent) > MAX_EXPONENT:
        raise NoValue("an exponent is too large")
    fraction = exact(power.arguments[1]) if symbols(power.arguments[0]) else None
    if base.imag == 0 and base.real < 0 and fraction is not None and fraction.denominator % 2:
        return _power(-base, exponent) * (-1) ** (fraction.numerator % 2)
    return _power(base, exponent)


def _power(base: Any, exponent: Any) -> Any:
    if exponent.imag == 0 and exponent.real == int(exponent.real):
        return base ** int(exponent.real)
    return base**exponent


def _rounded(rounding: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: rounding(x.real) if x.imag == 0 else rounding(x)


def _odd_root(x: Any, n: Any) -> Any:
    """Return the real root of a negative number where the degree is odd, the principal root elsewhere."""
    degree = int(n.real)
    if x.imag == 0 and x.real < 0 and degree % 2:
        return -_context.root(-x, degree)
    return _context.root(x, degree)


_LIBRARY = "exp sqrt sin cos tan cot sec csc sinh cosh tanh asin acos atan asinh acosh atanh factorial binomial"
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: getattr(_context, name) for name in _LIBRARY.split(" ")},
    "multiply": operator.mul,
    "divide": operator.truediv,
    "negative": operator.neg,
    "percent": lambda x: x / 100,
    "abs": abs,
    "floor": _rounded(_context.floor),
    "ceiling": _rounded(_context.ceil),
    "cbrt": lambda x: _odd_root(x, _context.mpc(3)),
    "root": _odd_root,
    "log10": lambda x: _context.log(x) / _context.log(10),
    "acot": lambda x: _context.atan(1 / x),
}
