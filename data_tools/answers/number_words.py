"""Whole numbers written in English words.

Decides: which are read: up to ninety-nine, and a number of hundreds, thousands, millions.
Does not: read longer ones (``three hundred and five``).
"""

import re

from data_tools.answers.units import COUNTS

_NUMBER_WORDS = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
    "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16, "seventeen": 17, "eighteen": 18,
    "nineteen": 19, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
}  # fmt: skip


def number_in_words(text: str) -> int | None:
    """Return ``seven`` as 7, ``twenty-one`` as 21 and ``three hundred`` as 300, None for another text."""
    first, *others = re.split(r"-|\s", text.strip().casefold(), maxsplit=1)
    if first not in _NUMBER_WORDS or not others:
        return _NUMBER_WORDS.get(first)
    head, tail = _NUMBER_WORDS[first], others[0]
    if head >= 20 and 0 < _NUMBER_WORDS.get(tail, 0) < 10:
        return head + _NUMBER_WORDS[tail]
    return head * COUNTS[tail] if tail in COUNTS and tail != "dozen" else None
