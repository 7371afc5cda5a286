"""Words and marks that people use where LaTeX has a sign: one spelling for both.

Decides: ``percent``, ``3 x 10^5``, ``0.333...``, ``base two``, degrees of temperature, "all real numbers", the empty set.
Does not: know what an answer is; it is a part of ``surface.clean``.
"""

import re

_BASES = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "twelve": 12,
          "sixteen": 16}  # fmt: skip

_PERCENT = re.compile(r"(?<=[\d}.])\s*(?:\\text\s*\{\s*percent\s*\}|percent(?![A-Za-z]))", re.I)
_TIMES_TEN = re.compile(r"(?<=\d)\s*[xX]\s*(?=10\s*(?:\^|\*\*))")
_GOES_ON = re.compile(r"(?<![\d.])(\d*\.\d{0,40}?)(\d{1,6}?)\2{2,}+\s*(?:\.{3}|…|\\[lc]?dots(?![A-Za-z]))")
_BAR = re.compile(r"(?<=[\d.])\s*\\(?:bar|dot)\s*(?=\{\d+\})")
_BASE = re.compile(
    r"(?<=[0-9A-F])\s*(?:_\s*\{?\s*\\text\s*\{\s*(\w+)\s*\}\s*\}?|(?:\\text\s*\{\s*)?(?:in\s+)?base[\s-]*(\w+)\s*\}?)$", re.I
)
_TEMPERATURE = re.compile(r"\s*\^\s*\{?\s*\\circ\s*\}?\s*(?:\\text\s*\{\s*([CF])\s*\}|([CF])(?![A-Za-z]))")
_REALS = re.compile(r"(?:\\text\s*\{\s*)?all\s+reals?(?:\s+numbers)?\s*\}?|\\mathbb\s*\{?\s*R\s*\}?|ℝ", re.I)
_MODULUS = re.compile(r"(?<=\d)\s*(?:\\pmod|\\mod|\\bmod|\(?\s*mod)\s*(?:\{\s*(\d+)\s*\}|(\d+))\s*\)?$")
_COLOUR = re.compile(r"\\(?:text)?color\s*\{[A-Za-z]+\}")


def in_signs(text: str) -> str:
    """Return the text with LaTeX's sign for what it says in words."""
    text = _COLOUR.sub(" ", _PERCENT.sub(r"\\%", text))
    text = _GOES_ON.sub(r"\1\\overline{\2}", _BAR.sub(r"\\overline", _TIMES_TEN.sub("*", text)))
    text = _TEMPERATURE.sub(lambda found: rf" \text{{degrees {found.group(1) or found.group(2)}}}", text)
    text = _MODULUS.sub(lambda found: rf" \text{{mod m{found.group(1) or found.group(2)}}}", text)
    text = _BASE.sub(_subscript, text)
    if _REALS.fullmatch(text):
        return r"(-\infty,\infty)"
    return re.sub(r"\\varnothing|∅|^EmptySet$", r"\\emptyset", text)


def _subscript(found: re.Match[str]) -> str:
    base = (found.group(1) or found.group(2)).casefold()
    number = int(base) if base.isdecimal() else _BASES.get(base)
    return found.group() if number is None else f"_{{{number}}}"
