"""What Python and SymPy print for a set, an interval, an equation or a solution, in the spelling of mathematics.

Decides: ``FiniteSet(1, 2)`` is ``\\{1, 2\\}``, ``Interval.Ropen(0, oo)`` is ``[0, oo)``, ``Eq(x, 5)`` is ``x = 5``,
``{x: 3, y: 4}`` is the list of its values, ``np.float64(8.0)`` is 8.0, ``(3+4j)`` is a complex number, and
``[[1 2] [3 4]]``, an array as NumPy prints it, has its commas.
Does not: read matrices (``read`` does), or run anything.
"""

import re

from data_tools.answers.brackets import closes, split

_SET = re.compile(r"(?:FiniteSet|set|frozenset)\s*\((.*)\)", re.S)
_INTERVAL = re.compile(r"Interval(?:\.(open|Lopen|Ropen))?\s*\(([^()]*(?:\([^()]*\)[^()]*)*)\)")
_UNION = re.compile(r"Union\s*\((.*)\)", re.S)
_RELATION = re.compile(r"(Eq|Lt|Le|Gt|Ge|Ne)\s*\((.*)\)", re.S)
_SCALAR = re.compile(r"(?:float|int|u?int\d+|float\d+|Decimal|mpf)\s*\(\s*['\"]?([^()'\"]*)['\"]?\s*\)")
_COMPLEX = re.compile(r"\(?([-+]?[\d.]+(?:e[-+]?\d+)?)([-+][\d.]+(?:e[-+]?\d+)?)j\)?")
_PRINTED_ARRAY = re.compile(r"\[\s*\[[-\d.eE+\s\[\]]+\]")
_ENTRY = re.compile(r"\s*['\"]?[A-Za-z]\w*['\"]?\s*:\s*(.+)", re.S)

_ENDS = {"open": "()", "Lopen": "(]", "Ropen": "[)"}
_SIGNS = {"Eq": "=", "Lt": "<", "Le": "<=", "Gt": ">", "Ge": ">=", "Ne": "!="}


def in_mathematics(text: str) -> str:
    """Return a whole text that is such an object in the spelling of mathematics, another text unchanged."""
    if match := _SCALAR.fullmatch(text):
        return match.group(1)
    if _PRINTED_ARRAY.fullmatch(text):
        return re.sub(r"(?<=[\d.\]])\s+(?=[-\d.\[])", ", ", text)
    if match := _COMPLEX.fullmatch(text):
        return f"{match.group(1)}{match.group(2)}i"
    if match := _SET.fullmatch(text):
        inside = match.group(1).strip()
        inside = inside[1:-1] if inside[:1] in ("[", "{", "(") and closes(inside, 0) == len(inside) - 1 else inside
        return f"\\{{{inside}\\}}"
    if match := _INTERVAL.fullmatch(text):
        ends = split(match.group(2), ",")
        return _interval(match.group(1) or "", ends) if len(ends) in (2, 4) else text
    if match := _UNION.fullmatch(text):
        return " ∪ ".join(piece.strip() for piece in split(match.group(1), ","))
    if match := _RELATION.fullmatch(text):
        sides = split(match.group(2), ",")
        return f"{sides[0]} {_SIGNS[match.group(1)]} {sides[1]}" if len(sides) == 2 else text
    return _values(text) if text.startswith("{") and closes(text, 0) == len(text) - 1 else text


def _interval(kind: str, ends: list[str]) -> str:
    brackets = _ENDS.get(kind, "[]")
    if len(ends) == 4:
        brackets = ("(" if ends[2].strip() == "True" else "[") + (")" if ends[3].strip() == "True" else "]")
    opening = "(" if ends[0].strip() == "-oo" else brackets[0]
    closing = ")" if ends[1].strip() == "oo" else brackets[1]
    return f"{opening}{', '.join(ends[:2])}{closing}"


def _values(text: str) -> str:
    """Return ``3, 4`` for ``{x: 3, y: 4}``."""
    entries = [_ENTRY.fullmatch(piece) for piece in split(text[1:-1], ",")]
    found = [entry.group(1) for entry in entries if entry]
    return ", ".join(found) if len(found) == len(entries) else text
