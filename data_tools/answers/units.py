"""Units behind a value: where one begins, and what is known of it.

Decides: which trailing words are a unit, and which pairs of units can be told apart (``25 ft`` is not ``25 cm``) or converted.
Does not: know every unit. An unknown word behind a number is what was counted (``12 apples``) and is not compared.
"""

import re
from fractions import Fraction

_POWER = r"(?:\s*\^\s*(?:\{\s*[23]\s*\}|[23]))?"
_GROUPED = re.compile(r"(?P<core>.*\S)\s*(?P<unit>(?:\\text\s*\{[^{}]*\}" + _POWER + r"[\s./]*)+)", re.S)
_BRACED = re.compile(
    r"(?P<core>[-+]?[\d.,/]+|[-+]?\\frac\s*\{\d+\}\s*\{\d+\})\s*(?P<unit>\{[^{}]*[A-Za-z][^{}]*\}?" + _POWER + ")", re.S
)
_PLAIN = re.compile(
    r"(?P<core>.*(?:\d\.?|[)}%]|\\pi))\s*"
    r"(?P<unit>(?:(?<![A-Za-z])[A-Za-z]{2,}\.?|(?<=\s)[a-zA-Z]|/\s*[A-Za-z]+)(?:[\s./-]+[A-Za-z]+\.?)*" + _POWER + ")",
    re.S,
)
_NOT_UNITS = re.compile(
    r"(?:sin|cos|tan|cot|sec|csc|log|ln|exp|sqrt|pi|oo|inf|infty|infinity|or|and|abs|mod|factorial|if|for|[a-z])\b(?!\.)"
    r"|.*\b(?:and|or)\b",
    re.I,
)
_ONE_LETTER = frozenset("m g l s h L V A W J N K C F")

_TABLES: dict[str, dict[str, str]] = {
    "length": {
        "mm": "1/1000", "millimeter": "1/1000", "cm": "1/100", "centimeter": "1/100", "m": "1", "meter": "1", "metre": "1",
        "km": "1000", "kilometer": "1000", "in": "0.0254", "inch": "0.0254", "ft": "0.3048", "foot": "0.3048", "feet": "0.3048",
        "yard": "0.9144", "mile": "1609.344",
    },
    "mass": {
        "mg": "1/1000000", "g": "1/1000", "gm": "1/1000", "gram": "1/1000", "kg": "1", "kilogram": "1", "pound": "0.45359237",
        "lb": "0.45359237", "ounce": "0.028349523125", "oz": "0.028349523125",
    },
    "time": {
        "second": "1", "sec": "1", "minute": "60", "min": "60", "hour": "3600", "hr": "3600", "day": "86400", "week": "604800",
    },
    "volume": {"ml": "1/1000", "milliliter": "1/1000", "l": "1", "liter": "1", "litre": "1"},
    "money": {"cent": "1/100", "dollar": "1"},
}  # fmt: skip
UNITS = {name: (dimension, Fraction(scale)) for dimension, table in _TABLES.items() for name, scale in table.items()}
"""Singular name → (dimension, scale in the dimension's unit)."""


def split_unit(text: str) -> tuple[str, str] | None:
    """Return (value, unit) of a cleaned text that ends in a unit, or None."""
    match = _GROUPED.fullmatch(text) or _BRACED.fullmatch(text)
    if match is None:
        match = _PLAIN.fullmatch(text)
        if match and (_NOT_UNITS.match(match["unit"].lstrip()) and match["unit"].strip() not in _ONE_LETTER):
            return None
        if match and not re.search(r"\d", match["core"]):
            return None
    if match is None or not match["core"].strip("-+ "):
        return None
    unit = re.sub(r"\\text|[{}\\]", " ", match["unit"])
    if re.search(r"\band\b|\bor\b", unit) or re.search(r"\d(?![\d.]*\s*%)", re.sub(r"\^\s*[23]", "", unit)):
        return None
    return match["core"], re.sub(r"\s+", " ", unit).strip(" .").casefold()


def scale_between(unit: str, other: str) -> Fraction | None:
    """Return how many ``other`` one ``unit`` is; 1 when either is not known; None when they measure different things."""
    first, second = _known(unit), _known(other)
    if first is None or second is None:
        return Fraction(1)
    return first[1] / second[1] if first[0] == second[0] else None


def _known(unit: str) -> tuple[str, Fraction] | None:
    return UNITS.get(unit) or UNITS.get(unit.removesuffix("s")) or UNITS.get(unit.removesuffix("es"))
