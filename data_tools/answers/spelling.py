"""Words and marks that people use where LaTeX has a sign: one spelling for both.

Decides: ``percent``, ``3 x 10^5``, ``0.333...``, ``base two``, degrees of temperature, "all real numbers", the empty set.
Does not: know what an answer is; it is a part of ``surface.clean``.
"""

import re

from data_tools.answers.number_words import number_in_words

_PERCENT = re.compile(r"(?<=[\d}.])\s*(?:\\text\s*\{\s*percent\s*\}|percent(?![A-Za-z]))", re.I)
_TIMES_TEN = re.compile(r"(?<=\d)\s*[xX]\s*(?=10\s*(?:\^|\*\*))")
_GOES_ON = re.compile(r"(?<![\d.])(\d*\.\d{0,40}?)(?:(\d{1,2}?)\2{2,}+|(\d{3,6}?)\3++)\s*(?:\.{3}|…|\\[lc]?dots(?![A-Za-z]))")
_PERIOD = re.compile(r"([-+]?\d+\.\d*)\((\d{1,20})\)")
"""``0.1(6)``; a whole answer, since within one it is a product."""
_OUTWARD = re.compile(r"(?=\]|.*\[$)([\[\]])([^\[\]]+[,;][^\[\]]+)([\[\]])", re.S)
"""An open interval as some countries write it, ``]2, 5[``."""
_CHINESE = re.compile(r"(?<=[\d)}%])\s*([\u4e00-\u9fff]+(?:/[\u4e00-\u9fff]+)?)(?=[.,;:]?$)")
"""A unit, or what was counted."""
_INFIX = re.compile(r"\{([^{}]*)\\(over|choose)(?![A-Za-z])([^{}]*)\}")
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
    text = _INFIX.sub(lambda found: rf"\{'frac' if found[2] == 'over' else 'binom'}{{{found[1]}}}{{{found[3]}}}", text)
    text = _GOES_ON.sub(_repeating, _BAR.sub(r"\\overline", _TIMES_TEN.sub("*", text)))
    text = _PERIOD.sub(r"\1\\overline{\2}", text) if _PERIOD.fullmatch(text) else text
    if outward := _OUTWARD.fullmatch(text):
        text = f"{'[('[outward[1] == ']']}{outward[2]}{'])'[outward[3] == '[']}"
    text = _CHINESE.sub(r" \\text{\1}", text)
    text = _TEMPERATURE.sub(lambda found: rf" \text{{degrees {found.group(1) or found.group(2)}}}", text)
    text = _MODULUS.sub(lambda found: rf" \text{{mod m{found.group(1) or found.group(2)}}}", text)
    text = _BASE.sub(_subscript, text)
    if _REALS.fullmatch(text):
        return r"(-\infty,\infty)"
    return re.sub(r"\\varnothing|∅|^EmptySet$", r"\\emptyset", text)


def _repeating(found: re.Match[str]) -> str:
    fixed, *periods = found.groups()
    return f"{'0' * fixed.startswith('.')}{fixed}\\overline{{{next(filter(None, periods))}}}"


def _subscript(found: re.Match[str]) -> str:
    base = (found.group(1) or found.group(2)).casefold()
    number = int(base) if base.isdecimal() else number_in_words(base)
    return found.group() if number is None else f"_{{{number}}}"
