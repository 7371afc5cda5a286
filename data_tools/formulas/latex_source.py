r"""What of a LaTeX file is text: verbatim listings and comments found, in time that grows with the file and no faster.

Decides: a listing is an environment of ``LISTINGS``, or ``\verb`` with its sign on both sides, on one line; in a listing a
percent sign is no comment. Comments are ``%`` to the end of the line, ``\begin{comment}`` and ``\iffalse``. What is opened and
never closed is neither.
Does not: run TeX.
"""

import re
from collections.abc import Iterator

LISTINGS = ("verbatim", "lstlisting", "minted", "alltt")

_LISTING = re.compile(rf"\\begin\{{(?P<name>{'|'.join(LISTINGS)})\*?\}}|\\verb\*?(?P<sign>[^\w\s])")
_BLOCK_COMMENT = re.compile(r"\\begin\{(?P<name>comment)\}|\\iffalse\b")
_LINE_COMMENT = re.compile(r"^[ \t]*%[^\n]*\n|(?<!\\)((?:\\\\)*)%[^\n]*", re.MULTILINE)
_FI = re.compile(r"\\fi\b")


def without_comments(source: str) -> str:
    """Return LaTeX without comments; a percent sign in verbatim text is none."""
    parts, position = [], 0
    for begin, end in _closed(source, _LISTING):
        parts += [_uncommented(source[position:begin]), source[begin:end]]
        position = end
    return "".join([*parts, _uncommented(source[position:])])


def without_listings(source: str) -> str:
    """Return LaTeX with a space for each listing."""
    return _cut(source, _LISTING, " ")


def _uncommented(text: str) -> str:
    return _cut(_LINE_COMMENT.sub(lambda match: match[1] or "", text), _BLOCK_COMMENT, "")


def _cut(text: str, opening: re.Pattern[str], instead: str) -> str:
    parts, position = [], 0
    for begin, end in _closed(text, opening):
        parts += [text[position:begin], instead]
        position = end
    return "".join([*parts, text[position:]])


def _closed(text: str, opening: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    """Yield where what ``opening`` finds begins and ends. An end that is nowhere is looked for once, not for every beginning."""
    nowhere: set[re.Pattern[str]] = set()
    position = 0
    while (match := opening.search(text, position)) is not None:
        closing = _closing(match)
        found = None if closing in nowhere else closing.search(text, match.end())
        if found is None:
            nowhere.add(closing)
        closed = found is not None and found[0] != "\n"
        position = found.end() if found is not None and closed else match.end()
        if closed:
            yield match.start(), position


def _closing(opening: re.Match[str]) -> re.Pattern[str]:
    found = opening.groupdict()
    if found["name"]:
        return re.compile(rf"\\end\{{{found['name']}\*?\}}")
    return re.compile(rf"{re.escape(found['sign'])}|\n") if found.get("sign") else _FI
