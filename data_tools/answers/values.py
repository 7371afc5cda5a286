"""The kinds of value an answer can have.

Decides: that a value is an immutable tree of a few kinds, and that numbers are exact fractions, with the
digits they were written to.
Does not: read text (``read``), compute (``evaluate``) or compare (``compare``).
"""

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal


@dataclass(frozen=True, slots=True)
class Number:
    """An exact number. ``quantum`` is the unit of the last place of a decimal (0.01 for 2.50), None for what is exact.

    A decimal whose fraction is zero (``45.0``) is exact: it is how floats print whole numbers, not a claim about digits.
    """

    value: Fraction
    quantum: Fraction | None = None


@dataclass(frozen=True, slots=True)
class Based:
    """A number in another base than ten: ``664_7``. ``digits`` are upper case; ``base`` is from 2 to 36."""

    digits: str
    base: int


@dataclass(frozen=True, slots=True)
class Symbol:
    """A variable with its subscript, or a named constant that has no value here."""

    name: str


@dataclass(frozen=True, slots=True)
class Operation:
    """A function or operator over arguments (``add``, ``power``, ``sin``, ``percent`` …) or a constant (``pi``, ``e``, ``i``)."""

    name: str
    arguments: tuple["Value", ...] = ()


@dataclass(frozen=True, slots=True)
class Sequence:
    """Several values. ``brackets`` is what was written round them: ``()``, ``[]``, ``(]``, ``[)``, ``{}`` or "" (a bare list).

    ``spaced`` marks a bare list whose elements were separated by blanks alone: its order is part of it.
    """

    brackets: str
    items: tuple["Value", ...]
    spaced: bool = False


@dataclass(frozen=True, slots=True)
class Union:
    """A union of intervals or sets."""

    items: tuple["Value", ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    """Rows of equal length."""

    rows: tuple[tuple["Value", ...], ...]


@dataclass(frozen=True, slots=True)
class Relation:
    """An equation or inequality: ``operator`` is ``=``, ``<``, ``<=`` or ``!=``; greater-than is turned round when read."""

    operator: Literal["=", "<", "<=", "!="]
    left: "Value"
    right: "Value"


@dataclass(frozen=True, slots=True)
class Text:
    """Words: a name, a weekday, a time of day. Lower case, without punctuation at its ends."""

    words: str


@dataclass(frozen=True, slots=True)
class Choice:
    """The letter of an option, upper case, and the value written behind it, if any: ``(b) 0.3``."""

    letter: str
    value: "Value | None" = None


@dataclass(frozen=True, slots=True)
class Quantity:
    """A value with a unit as it was written."""

    value: "Value"
    unit: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What this reader has no form for, and why. It is no judgement: another reader may know it."""

    reason: str


Value = Number | Based | Symbol | Operation | Sequence | Union | Matrix | Relation | Text | Choice | Quantity | Unreadable


def spread_signs(value: Value) -> list[Value]:
    """Return the two values of ``a \\pm b``, or the value itself."""
    if isinstance(value, Operation) and value.name == "pm":
        left, right = value.arguments
        return [Operation("add", (left, right)), Operation("add", (left, Operation("negative", (right,))))]
    if isinstance(value, Operation) and value.arguments:
        for index, argument in enumerate(value.arguments):
            if len(both := spread_signs(argument)) == 2:
                before, after = value.arguments[:index], value.arguments[index + 1 :]
                return [replace(value, arguments=(*before, each, *after)) for each in both]
    if isinstance(value, Relation) and len(both := spread_signs(value.right)) == 2:
        return [replace(value, right=each) for each in both]
    return [value]
