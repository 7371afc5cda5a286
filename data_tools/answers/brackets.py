"""Where brackets close, and a text cut at separators that stand outside of them.

Decides: that any closing bracket closes any opening one, as in ``[0, 1)``.
Does not: know what is between them.
"""

from collections.abc import Sequence

OPENING, CLOSING = "([{", ")]}"


def split(text: str, separators: str) -> list[str]:
    """Return the pieces between the separators outside brackets; a separator behind a backslash is none."""
    pieces, depth, begin = [], 0, 0
    for index, character in enumerate(text):
        depth += (character in OPENING) - (character in CLOSING)
        if depth == 0 and character in separators and (index == 0 or text[index - 1] != "\\"):
            pieces.append(text[begin:index])
            begin = index + 1
    return [*pieces, text[begin:]]


def split_at_signs(text: str, signs: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the pieces between ``signs`` outside brackets, and the signs found. Of two that begin alike the first counts."""
    pieces, found, depth, begin, index = [], [], 0, 0, 0
    while index < len(text):
        depth += (text[index] in OPENING) - (text[index] in CLOSING)
        sign = next((sign for sign in signs if text.startswith(sign, index)), None) if depth == 0 else None
        if sign is None:
            index += 1
            continue
        pieces.append(text[begin:index])
        found.append(sign)
        begin = index = index + len(sign)
    return [*pieces, text[begin:]], found


def closes(text: str, begin: int) -> int:
    """Return where the bracket at ``begin`` is closed, or -1."""
    depth = 0
    for index in range(begin, len(text)):
        depth += (text[index] in OPENING) - (text[index] in CLOSING)
        if depth == 0:
            return index
    return -1
