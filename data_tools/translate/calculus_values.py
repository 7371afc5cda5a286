"""Numbers for integrals, derivatives, limits and infinite sums, good to a few digits: to see whether a text was read rightly.

Decides: quadrature by Gauss's rule, central differences, values near a point, sums of a thousand terms; and that what
does not settle has no value here.
Does not: prove anything, or give a value that is written anywhere.
"""

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from data_tools.translate.numbers import NotComputable, Value

Function = Callable[[float], Value]

TOLERANCE = 1e-3
"""Relative; two sides of a calculus claim that agree to this were read as they were meant."""

NODES = 48
SUM_TERMS = 1_000
UNSETTLED = "no numeric check for this operation"


@cache
def _gauss() -> Any:
    return np.polynomial.legendre.leggauss(NODES)


def integral(function: Function, lower: float, upper: float) -> Value:
    """Return the integral; NotComputable when two rules disagree (a pole inside, an oscillation). Bounds may be infinite."""
    if math.inf in (abs(lower), abs(upper)):
        return integral(lambda angle: function(math.tan(angle)) / math.cos(angle) ** 2, math.atan(lower), math.atan(upper))
    whole = _quadrature(function, lower, upper)
    middle = (lower + upper) / 2
    halves = _quadrature(function, lower, middle) + _quadrature(function, middle, upper)
    if abs(whole - halves) > TOLERANCE * max(1.0, abs(whole)):
        raise NotComputable(UNSETTLED)
    return _plain(halves)


def _quadrature(function: Function, lower: float, upper: float) -> complex:
    nodes, weights = _gauss()
    half, middle = (upper - lower) / 2, (upper + lower) / 2
    points = zip(nodes.tolist(), weights.tolist(), strict=True)
    return sum((weight * complex(function(middle + half * node)) for node, weight in points), 0j) * half


def derivative(function: Function, at: float, order: int) -> Value:
    """Return the first or second derivative by central differences."""
    step = 1e-4 * max(1.0, abs(at))
    after, before = complex(function(at + step)), complex(function(at - step))
    if order == 1:
        return _plain((after - before) / (2 * step))
    if order == 2:
        return _plain((after - 2 * complex(function(at)) + before) / step**2)
    raise NotComputable(UNSETTLED)


def limit(function: Function, point: float, side: str) -> Value:
    """Return the value that the function settles to near a point, or far out for an infinite one."""
    if abs(point) == float("inf"):
        places = [sign_of(point) * size for size in (1e4, 1e5, 1e6)]
    else:
        signs = {"+": (1,), "-": (-1,)}.get(side, (1, -1))
        places = [point + sign * step for sign in signs for step in (1e-3, 1e-4)]
    values = [complex(function(place)) for place in places]
    if max(abs(value - values[-1]) for value in values) > 10 * TOLERANCE * max(1.0, abs(values[-1])):
        raise NotComputable(UNSETTLED)
    return _plain(values[-1])


def infinite_sum(function: Callable[[int], Value], lower: int) -> Value:
    """Return the sum of a series whose partial sums settle."""
    total, half = 0j, 0j
    for index in range(lower, lower + SUM_TERMS):
        total += complex(function(index))
        if index == lower + SUM_TERMS // 2:
            half = total
    if abs(total - half) > TOLERANCE * max(1.0, abs(total)):
        raise NotComputable(UNSETTLED)
    return _plain(total)


def sign_of(value: float) -> float:
    """Return 1 or -1."""
    return -1.0 if value < 0 else 1.0


def _plain(value: complex) -> Value:
    return value.real if abs(value.imag) <= 1e-9 * max(1.0, abs(value.real)) else value
