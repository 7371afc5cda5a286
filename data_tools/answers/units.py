"""Units behind a value: where one begins, and what is known of it.

Decides: which letters behind a number are a unit (``12 apples``, ``5 cm``, ``9.8 m/s^2``) and which are variables (``12ab``,
``5x``, ``x^2+2xy``), and which pairs of units can be told apart (``25 ft`` is not ``25 cm``) or converted.
Does not: know every unit. An unknown word behind a number is what was counted and is not compared.
"""

import re
from fractions import Fraction

from data_tools.answers.tokens import tokenize

_RAISED = r"\s*\^\s*(?:\{\s*-?[1-4]\s*\}|-?[1-4])"
_POWER = f"(?:{_RAISED})?"
_GROUPED = re.compile(r"(?P<core>.*\S)\s*(?P<unit>(?:\\text\s*\{[^{}]*\}" + _POWER + r"[\s./]*)+)", re.S)
_BRACED = re.compile(
    r"(?P<core>[-+]?[\d.,/]+|[-+]?\\frac\s*\{\d+\}\s*\{\d+\})\s*(?P<unit>\{[^{}]*[A-Za-z][^{}]*\}?" + _POWER + ")", re.S
)
_WORD = rf"[A-Za-z]+(?:\.?{_RAISED})?"
"""A full stop behind a word is left to what separates it from the next: with two ways to read each, ``5 a. b. c.`` … would
take a time that doubles with every word."""
_PLAIN = re.compile(
    r"(?P<core>.*(?:\d\.?|[)}%]|\\pi))(?P<blank>\s*)(?P<unit>/?\s*(?<![A-Za-z])" + _WORD + r"(?:[\s./-]+" + _WORD + r")*\.?)",
    re.S,
)

_BRACKETED = re.compile(r"(?P<core>.*\d)\s*[(\[]\s*(?P<unit>[A-Za-z]+)\s*[)\]]", re.S)

_TABLES: dict[str, dict[str, str]] = {
    "length": {
        "mm": "1/1000", "millimeter": "1/1000", "cm": "1/100", "centimeter": "1/100", "m": "1", "meter": "1", "metre": "1",
        "km": "1000", "kilometer": "1000", "in": "0.0254", "inch": "0.0254", "ft": "0.3048", "foot": "0.3048", "feet": "0.3048",
        "yd": "0.9144", "yard": "0.9144", "mi": "1609.344", "mile": "1609.344",
        "毫米": "1/1000", "厘米": "1/100", "米": "1", "千米": "1000", "公里": "1000",
    },
    "mass": {
        "mg": "1/1000000", "g": "1/1000", "gm": "1/1000", "gram": "1/1000", "kg": "1", "kilogram": "1", "pound": "0.45359237",
        "lb": "0.45359237", "ounce": "0.028349523125", "oz": "0.028349523125", "克": "1/1000", "千克": "1", "公斤": "1",
    },
    "time": {
        "s": "1", "second": "1", "sec": "1", "minute": "60", "min": "60", "h": "3600", "hour": "3600", "hr": "3600",
        "day": "86400", "week": "604800", "秒": "1", "分钟": "60", "小时": "3600", "天": "86400",
    },
    "speed": {
        "m/s": "1", "km/h": "10/36", "kph": "10/36", "mph": "0.44704", "miles per hour": "0.44704", "miles/hour": "0.44704",
    },
    "volume": {"ml": "1/1000", "milliliter": "1/1000", "l": "1", "liter": "1", "litre": "1"},
    "money": {"cent": "1/100", "dollar": "1"},
    "celsius": {"degrees c": "1"},
    "fahrenheit": {"degrees f": "1"},
}  # fmt: skip
UNITS = {name: (dimension, Fraction(scale)) for dimension, table in _TABLES.items() for name, scale in table.items()}
"""Singular name → (dimension, scale in the dimension's unit)."""

COUNTS = {
    "dozen": 12, "hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12,
}  # fmt: skip
"""Words that multiply the number before them."""

_SYMBOLS = frozenset(re.findall(r"\w+", "m g l s h v a w j n k c f pa hz mol ev sq cu am pm yr yrs"))
"""Abbreviations beside those of the tables; one letter counts only behind a blank, or in a quotient (``5m/s``)."""
_NO_UNITS = frozenset(
    re.findall(
        r"\w+",
        "and or is are was not no to of out than more less plus minus times over choose mod root squared cubed factorial "
        "remainder half halves third thirds quarter quarters fourth fourths fifth fifths sixth sixths tenth tenths if for",
    )
)
_VARIABLES = frozenset("abchkmnpqrstuvwxyz")
"""A short word of these letters alone may be a product of variables."""


def split_unit(text: str) -> tuple[str, str] | None:
    """Return (value, unit) of a cleaned text that ends in a unit, or None."""
    match = _GROUPED.fullmatch(text) or _BRACED.fullmatch(text)
    if match is None and (bracketed := _BRACKETED.fullmatch(text)) and len(bracketed["unit"]) > 1 and _known(bracketed["unit"]):
        match = bracketed
    if match is None and (plain := _PLAIN.fullmatch(text)) and _is_unit(plain["unit"], plain["core"], bool(plain["blank"])):
        match = plain
    if match is None or not match["core"].strip("-+ "):
        return None
    unit = re.sub(r"\\text|[{}\\]", " ", match["unit"])
    if re.search(r"\band\b|\bor\b", unit) or re.search(r"\d(?![\d.]*\s*%)", re.sub(r"\^\s*-?[1-4]", "", unit)):
        return None
    return match["core"], re.sub(r"\s+", " ", unit).strip(" .").casefold()


def _is_unit(unit: str, core: str, blank: bool) -> bool:
    words = [word for word in re.findall(r"[A-Za-z]+", unit) if word != "per"] or [unit]
    first = words[0]
    if not re.search(r"\d", core) or first.casefold() in _NO_UNITS or {"and", "or"} & set(words):
        return False
    if _holds_variables(core):
        return blank and len(first) > 3 and _is_word(first)
    if unit.startswith("/"):
        return len(first) > 3 or (len(first) > 1 and _is_known(first))
    if all(map(_is_known, words)):
        # ``5 m`` and ``5m/s`` are measured, ``5m`` and ``5 k m`` are products.
        return len(first) > 1 or "/" in unit or (blank and len(words) == 1)
    return _is_word(first) and (len(first) > 3 or (len(first) == 3 and blank and not set(first.casefold()) <= _VARIABLES))


def _holds_variables(core: str) -> bool:
    return bool(re.search(r"[A-Za-z]", re.sub(r"\\(?:frac|sqrt|pi|cdot|times)|(?<=\d)[eE](?=[-+]?\d)|sqrt|pi", "", core)))


def _is_known(word: str) -> bool:
    return word.casefold() in _SYMBOLS or word.casefold() in COUNTS or _known(word.casefold()) is not None


def _is_word(word: str) -> bool:
    return all(token.kind == "name" for token in tokenize(word)[:-1])


def counted_in(unit: str) -> int:
    """Return what one of a unit counts: 1000000 for ``million people``, 1 for what is no such word."""
    return COUNTS.get(unit.partition(" ")[0].removesuffix("s"), 1)


def scale_between(unit: str, other: str) -> Fraction | None:
    """Return how many ``other`` one ``unit`` is; 1 when either is not known; None when they measure different things."""
    first, second = _known(unit), _known(other)
    if first is None or second is None:
        return Fraction(1)
    return first[1] / second[1] if first[0] == second[0] else None


def _known(unit: str) -> tuple[str, Fraction] | None:
    return UNITS.get(unit) or UNITS.get(unit.removesuffix("s")) or UNITS.get(unit.removesuffix("es"))
