r"""What of a LaTeX file is text: decoded, listings and comments found, in time that grows with the file and no faster.

Decides: what is valid UTF-8 is UTF-8, whatever is declared; another file is in the encoding that ``inputenc`` names, or in that
of old sources which name none, Windows's Latin-1. A listing is an environment of ``LISTINGS``, or ``\verb`` with its sign on both
sides, on one line; in a listing a percent sign is no comment. Comments are ``%`` to the end of the line, ``\begin{comment}`` and
``\iffalse``. What is opened and never closed is neither.
Does not: run TeX.
"""

import re
from collections.abc import Iterator

_PYTHON_NAMES = (
    "utf8=utf-8 utf8x=utf-8 latin1=cp1252 ansinew=cp1252 latin2=iso8859-2 latin3=iso8859-3 latin4=iso8859-4 latin5=iso8859-9 "
    "latin9=iso8859-15 latin10=iso8859-16 applemac=mac-roman cp1250=cp1250 cp1251=cp1251 cp1252=cp1252 cp1257=cp1257 cp437=cp437 "
    "cp850=cp850 cp852=cp852 cp866=cp866 koi8-r=koi8-r koi8-u=koi8-u"
)
ENCODINGS = dict(pair.split("=") for pair in _PYTHON_NAMES.split())
"""Options of the package ``inputenc``, and Python's names for them."""
LISTINGS = ("verbatim", "lstlisting", "minted", "alltt")

_INPUTENC = re.compile(rb"\\usepackage\s*\[\s*([\w-]+)\s*\]\s*\{inputenc\}")
_LISTING = re.compile(rf"\\begin\{{(?P<name>{'|'.join(LISTINGS)})\*?\}}|\\verb\*?(?P<sign>[^\w\s])")
_BLOCK_COMMENT = re.compile(r"\\begin\{(?P<name>comment)\}|\\iffalse\b")
_LINE_COMMENT = re.compile(r"^[ \t]*%[^\n]*\n|(?<!\\)((?:\\\\)*)%[^\n]*", re.MULTILINE)
_FI = re.compile(r"\\fi\b")


def declared_encoding(raw: bytes) -> str:
    """Return Python's name of the encoding that a main file declares, or ""."""
    found = _INPUTENC.search(raw)
    return ENCODINGS.get(found[1].decode().lower(), "") if found else ""


def decoded(raw: bytes, encoding: str = "") -> str:
    """Return the text of a LaTeX file; ``encoding`` is its main file's."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode(encoding or declared_encoding(raw) or ENCODINGS["ansinew"], errors="replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")


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
