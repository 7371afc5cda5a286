r"""Docstrings in reStructuredText to plain prose with LaTeX between dollars.

Decides: ``:math:`x``` becomes ``$x$``, a ``.. math::`` block becomes ``$$…$$``, other roles keep only the name they show.
Does not: render the rest of the markup; headings, lists and ``>>>`` examples read well as they are.
"""

import re
import textwrap

_INLINE_MATH = re.compile(r":math:`([^`]+)`")
_ROLE = re.compile(r":(?:[a-z]+:)?(?:func|class|meth|mod|obj|attr|data|exc|ref|doc|term|any|const|py):`([^`]+)`")
_EXPLICIT_TARGET = re.compile(r"^(.*?)\s*<[^>]*>$", re.DOTALL)
_MATH_BLOCK = re.compile(
    r"^(?P<indent>[ \t]*)\.\.[ \t]+math::[ \t]*(?P<first>[^\n]*)(?P<body>(?:\n(?:[ \t]*\n)*(?P=indent)[ \t]+[^\n]+)*)",
    re.MULTILINE,
)
_DIRECTIVE_OPTION = re.compile(r"^\s*:(?:label|nowrap|name|class):[^\n]*$", re.MULTILINE)


def to_prose(text: str) -> str:
    """Return the docstring (already dedented) with its mathematics as LaTeX."""
    text = _MATH_BLOCK.sub(_display, text)
    text = _INLINE_MATH.sub(lambda match: f"${match[1].strip()}$", text)
    return _ROLE.sub(_shown_name, text)


def _display(match: re.Match[str]) -> str:
    body = _DIRECTIVE_OPTION.sub("", f"{match['first']}\n{textwrap.dedent(match['body'])}")
    lines = [line.strip() for line in body.splitlines() if line.strip()]
    indent = match["indent"]
    return indent + "$$" + ("\n" + indent).join(lines) + "$$" if lines else ""


def _shown_name(match: re.Match[str]) -> str:
    explicit = _EXPLICIT_TARGET.match(match[1])
    return (explicit[1] if explicit else match[1]).lstrip("~!.")
