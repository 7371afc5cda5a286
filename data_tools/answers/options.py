"""The letter of an option: ``B``, ``(B)``, ``B) 12``, ``Option B``, with the value written behind it.

Decides: what names an option, A to J. Does not: read the value (``read``); ``(a+1)`` is an expression.
"""

import re

_MARKED = re.compile(r"\(\s*([A-Ja-j])\s*\)[.:]?\s*(.*)", re.S)
_OPEN = re.compile(r"([A-J])\s*[).:]\s+(.+)", re.S)
_IN_TEXT = re.compile(r"\\text\s*\{\s*\(([A-J])\)\s*\}[.:]?\s*(.*)", re.S)
_WORD = re.compile(r"(?:option|choice|answer|alternative)\s+(?=\(?[A-J]\)?[.:]?$)", re.I)


def option_in(text: str) -> tuple[str, str] | None:
    """Return the letter, upper case, and the text behind it, or None where a cleaned text names no option."""
    text = _WORD.sub("", text)
    if re.fullmatch(r"[A-J]", text):
        return text, ""
    match = _MARKED.fullmatch(text) or _IN_TEXT.fullmatch(text) or _OPEN.fullmatch(text)
    if match is None:
        return None
    rest = match.group(2).strip()
    if rest and (rest[0] in "+*/^_=<>!(" or rest.startswith("\\cup")):
        return None
    return match.group(1).upper(), rest
