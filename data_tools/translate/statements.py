r"""Finds the mathematics of a text and cuts it into statements: chains of sides joined by relations.

Decides: what is mathematics (``$…$``, ``$$…$$``, ``\(…\)``, ``\[…\]``, equation and align environments), what is not (comments,
verbatim, drawings, code), where a chain ends, and that an align row which begins with a relation goes on with the row before.
Does not: read the sides (``latex_parser.py``).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

MAX_SEGMENT_CHARACTERS = 4_000

ENVIRONMENTS = "equation|align|gather|multline|eqnarray|displaymath|alignat|flalign|math|split|aligned|gathered"
OPENING = re.compile(rf"\$\$|\\\[|\\\(|\\begin\s*\{{(?P<name>(?:{ENVIRONMENTS})\*?)\}}|(?<!\\)\$")
CLOSING = {"$$": "$$", r"\[": r"\]", r"\(": r"\)"}
INLINE_END = re.compile(r"(?<!\\)\$|\n[ \t]*\n")
NOT_TEXT = re.compile(
    r"\\begin\{(?P<block>verbatim|lstlisting|minted|tikzpicture|asy|picture|comment|filecontents\*?)\}|(?P<drawing>\[asy\])"
    r"|^[ \t]*(?P<fence>```)|(?P<comment>(?<!\\)%[^\n]*\n)",
    re.MULTILINE,
)
PREAMBLE_END = r"\begin{document}"
INNER_ENVIRONMENTS = re.compile(rf"\\(?:begin|end)\s*\{{(?:{ENVIRONMENTS}|cases)\*?\}}(?:\{{\d+\}})?")

EQUALITIES = {"=", r"\approx", r"\equiv", r"\doteq", r"\simeq"}
PIECE = re.compile(
    r"(?P<skip>\\(?:left|right|[bB]igg?[lr]?)(?![A-Za-z])\s*(?:\\[|a-z]+|\.)?|\\[|%$#&_,;:! ])"
    r"|(?P<open>\\begin\s*\{[a-z]+\*?\}|\\\{|[{(\[])|(?P<close>\\end\s*\{[a-z]+\*?\}|\\\}|[})\]])"
    r"|(?P<relation>\\not\s*(?:=|\\[a-z]+)|:=|\\coloneqq|\\(?:approx|equiv|doteq|simeq|neq?|leq?|geq?|leqslant|geqslant|ll|gg|in|notin|subseteq|subset|sim"
    r"|cong|propto|mid|nmid|to|mapsto)(?![A-Za-z])|[=<>≈])"
    r"|(?P<row>\\\\(?:\s*\[[^\]]*\])?)"
    r"|(?P<separator>\\(?:implies|iff|Rightarrow|Longrightarrow|Leftrightarrow|Longleftrightarrow|leadsto|therefore|because|quad"
    r"|qquad|hspace|land|lor|wedge|vee)(?![A-Za-z])|;|,(?!\\!)"
    r"|\\(?:text|mbox|textrm|mathrm|hbox)\s*\{[^{}]*\b(?:and|or|so|thus|hence|therefore|where|if|then|for|gives?|when|since|as|is|OR)\b[^{}]*\})",
)
GOES_ON = re.compile(r"(?:\s|&|\\q?quad|\\hspace\*?\{[^{}]*\}|\\[,;:! ]|\{\}|~)*(?:\+|\\cdot|\\times)")
"""A row that begins so is the rest of the row before."""

THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
MODULUS = re.compile(
    r"\\pmod\s*(?:\{(?P<group>[^{}]+)\}|(?P<digit>\d))|\(\s*\\(?:mod|bmod|text\{mod\s*\}|mathrm\{mod\s*\})\s*(?P<plain>[^()]+)\)"
    r"|\\mod\s*(?:\{(?P<braced>[^{}]+)\}|(?P<number>\d+))"
)
ALIASES = {r"\ne": r"\neq", r"\le": r"\leq", r"\ge": r"\geq", "≈": r"\approx", r"\coloneqq": ":="}
EDGES = re.compile(
    r"^(?:\s|&|~|\\[,;:! ]|\\quad|\\nonumber)+|(?:\s|&|~|[.,;:?]|\\[,;:! ]|\\quad|\\nonumber|\\tag\*?\s*\{[^{}]*\}"
    r"|\\label\{[^{}]*\})+$"
)
WORDY = re.compile(r"^\\(?:text|mbox|textrm)\s*\{[^{}]*\}\s*")


@dataclass(frozen=True, slots=True)
class Side:
    """LaTeX between two relations, and its place in the text."""

    latex: str
    start: int
    end: int


@dataclass(slots=True)
class Chain:
    """``sides[0] relations[0] sides[1] …``; ``modulus`` is the LaTeX of ``\\pmod{…}`` if there is one. Display mathematics stands
    on lines of its own. ``segment`` counts pieces of mathematics, so that chains of one align have the same."""

    sides: list[Side]
    relations: list[str] = field(default_factory=list)
    modulus: str = ""
    segment: int = 0

    @property
    def span(self) -> tuple[int, int]:
        """Its place in the text."""
        return self.sides[0].start, self.sides[-1].end


def visible(text: str) -> str:
    """Blank out, place for place, what is not the document's own text: comments, code, drawings, a LaTeX preamble."""
    begin = text.find(PREAMBLE_END)
    is_latex = begin >= 0 or r"\section" in text or r"\chapter" in text
    position = max(begin, 0)
    pieces = [_blank(text[:position])]
    missing: set[str] = set()
    while match := NOT_TEXT.search(text, position):
        end = match.end()
        if match["comment"]:
            end = end if is_latex else match.start() + 1
            hidden = is_latex
        else:
            closing = rf"\end{{{match['block']}}}" if match["block"] else "[/asy]" if match["drawing"] else "```"
            found = -1 if closing in missing else text.find(closing, end)
            hidden = found >= 0
            end = found + len(closing) if hidden else end
            # What is closed nowhere is not looked for again: a text of openings alone would cost its square.
            missing |= set() if hidden else {closing}
        pieces += [text[position : match.start()], _blank(text[match.start() : end]) if hidden else text[match.start() : end]]
        position = end
    return "".join([*pieces, text[position:]])


def _blank(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)


def chains(text: str) -> Iterator[Chain]:
    """Yield the statements of ``visible`` text in order; one side alone is a chain too."""
    for number, (start, end) in enumerate(_segments(text)):
        # The delimiters of environments inside say nothing; what they hold is rows.
        latex = INNER_ENVIRONMENTS.sub(lambda found: " " * len(found.group()), text[start:end])
        for chain in _cut(latex, start):
            chain.segment = number
            yield chain


def _segments(text: str) -> Iterator[tuple[int, int]]:
    """Yield begin and end of each piece of mathematics of a sensible length, without its delimiters."""
    position = 0
    while match := OPENING.search(text, position):
        start = position = match.end()
        if match.group() == "$":
            found = INLINE_END.search(text, start, start + MAX_SEGMENT_CHARACTERS)
            end, after = (found.start(), found.end()) if found and found.group() == "$" else (-1, start)
        else:
            closing = rf"\end{{{match['name']}}}" if match["name"] else CLOSING[match.group()]
            end = text.find(closing, start, start + MAX_SEGMENT_CHARACTERS)
            after = end + len(closing)
        if end > start:
            position = after
            yield start, end


def _cut(latex: str, offset: int) -> Iterator[Chain]:
    now = Chain([])
    begin, new_row = 0, False
    for kind, text, at, after in (*_breaks(latex), ("end", "", len(latex), len(latex))):
        side = _side(latex, begin, at, offset)
        begin = after
        open_ended = len(now.relations) == len(now.sides) > 0
        if new_row and now.sides and not open_ended:
            new_row = False
            if kind == "relation" and not side.latex:
                now.relations.append(text)
                continue
            yield from _finished(now)
            now = Chain([])
        if kind == "row" and not side.latex and open_ended:
            continue
        now.sides.append(side)
        new_row = kind == "row"
        if kind == "relation":
            now.relations.append(text)
        elif kind != "row":
            yield from _finished(now)
            now = Chain([])


def _breaks(latex: str) -> Iterator[tuple[str, str, int, int]]:
    """Yield (kind, text, begin, end) of each relation, row end and separator outside all brackets."""
    depth = 0
    for piece in PIECE.finditer(latex):
        kind = str(piece.lastgroup)
        if kind == "open":
            depth += 1
        elif kind == "close":
            depth = max(0, depth - 1)
        elif kind == "row" and GOES_ON.match(latex, piece.end()):
            continue
        elif kind != "skip" and not depth and not (piece.group() == "," and THOUSANDS.match(latex, piece.start())):
            text = r"\neq" if piece.group().startswith(r"\not") and kind == "relation" else piece.group()
            yield kind, ALIASES.get(text, text), piece.start(), piece.end()


def _finished(chain: Chain) -> Iterator[Chain]:
    while chain.sides and len(chain.relations) >= len(chain.sides):
        chain.relations.pop()
    while chain.sides and not chain.sides[-1].latex:
        chain.sides.pop()
        chain.relations[len(chain.sides) - 1 :] = []
    while chain.sides and not chain.sides[0].latex:
        chain.sides.pop(0)
        chain.relations[:1] = []
    if chain.sides:
        yield chain


def _side(latex: str, begin: int, end: int, offset: int) -> Side:
    raw = latex[begin:end]
    while True:
        clean = WORDY.sub("", EDGES.sub("", EDGES.sub("", raw)))
        if clean == raw:
            break
        begin += len(raw) - len(raw[raw.find(clean) :]) if clean else 0
        raw = clean
    return Side(raw, offset + begin, offset + begin + len(raw))
