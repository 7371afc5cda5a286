r"""Finds LaTeX formulas in text.

Decides: a formula is ``$…$``, ``$$…$$``, ``\(…\)``, ``\[…\]`` or a display environment. A dollar opens one only when no space
follows, and closes one only when no space stands before it and no digit follows, so that prices (``$5 and $10``) are not
formulas.
Does not: check that the LaTeX is well-formed.

Each alternative is bounded, so that a text full of opening delimiters takes linear time.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from data_tools.formulas.delimiters import stripped

DISPLAY_ENVIRONMENTS = (
    "equation",
    "align",
    "alignat",
    "flalign",
    "gather",
    "multline",
    "eqnarray",
    "displaymath",
    "math",
    "dmath",
)

_LONGEST = 8000
_FORMULA = re.compile(
    rf"""
    (?<!\\)\$\$(?P<dollars>(?:[^$\\\n]|\\.|\$(?!\$)|\n(?![ \t]*\n)){{1,{_LONGEST}}}?)\$\$
  | (?<!\\)\$(?![\s$])(?P<dollar>(?:[^$\\\n]|\\.|\n(?![ \t]*\n)){{1,{_LONGEST}}}?)(?<!\s)\$(?!\d)
  | (?<!\\)\\\[(?P<bracket>(?:[^\\]|\\(?![\[\]])){{1,{_LONGEST}}}?)\\\]
  | (?<!\\)\\\((?P<parenthesis>(?:[^\\]|\\(?![()])){{1,{_LONGEST}}}?)\\\)
  | \\begin\{{(?P<environment>{"|".join(DISPLAY_ENVIRONMENTS)})(?P<star>\*?)\}}
    (?P<body>(?:[^\\]|\\(?!(?:begin|end)\{{(?P=environment)(?P=star)\}})){{1,{_LONGEST}}}?)
    \\end\{{(?P=environment)(?P=star)\}}
    """,
    re.VERBOSE | re.DOTALL,
)
_INLINE = ("dollar", "parenthesis")


@dataclass(frozen=True, slots=True)
class Formula:
    """LaTeX without its delimiters, whether it is displayed, and where it stands (delimiters included)."""

    latex: str
    display: bool
    start: int
    end: int


def find_formulas(text: str) -> Iterator[Formula]:
    """Yield the formulas of ``text`` in order."""
    for match in _FORMULA.finditer(text):
        name = match.lastgroup or ""
        name = "body" if match["body"] is not None else name
        yield Formula(stripped(match[name]), name not in _INLINE, match.start(), match.end())


def count_formulas(text: str) -> int:
    """Return the number of formulas in ``text``."""
    return sum(1 for _ in find_formulas(text))
