r"""The elements of MathML that hold characters (its "token elements"), as LaTeX.

Decides: when letters are a function's name (``\sin``), a name of several letters (``\operatorname``) or a word (``\text``), and
in which font they stand.
Does not: look at what stands around an element (``mathml.py``), or spell characters (``symbols.py``).

MathML 3 (W3C), section 3.2.
"""

import re

from data_tools.formulas.nodes import Node, text_of
from data_tools.formulas.symbols import FUNCTIONS, VARIANTS, text_characters

_TEXT_SPECIAL = re.compile(r"([%#&_{}$])")
_ESCAPED = r"\\\1"


def braced(text: str) -> str:
    """Return a LaTeX group."""
    return f"{{{text}}}"


def in_font(node: Node, latex: str) -> str | None:
    """Return ``latex`` in the font of the element's ``mathvariant``, None where it names none."""
    font = VARIANTS.get(node.get_attribute("mathvariant") or "")
    return rf"\{font}{braced(latex)}" if font else None


def identifier(node: Node) -> str:
    """``mi``."""
    raw = text_of(node)
    if raw in FUNCTIONS:
        return rf"\{raw}"
    text = text_characters(raw)
    if (styled := in_font(node, text)) is not None:
        return styled
    if len(raw) > 1 and raw.isascii() and raw.isalpha():
        return rf"\operatorname{braced(text)}"
    upright = node.get_attribute("mathvariant") == "normal" and raw.isascii() and raw.isalpha()
    return rf"\mathrm{braced(text)}" if upright else text


def number(node: Node) -> str:
    """``mn``."""
    text = text_characters(text_of(node))
    return in_font(node, text) or text


def operator(node: Node) -> str:
    """``mo``."""
    raw = text_of(node)
    if raw in FUNCTIONS:
        return rf"\{raw}"
    if len(raw) > 1 and raw.isascii() and raw.replace(" ", "").isalpha():
        known = raw.replace(" ", "")
        return rf"\{known}" if known in FUNCTIONS else {"mod": r"\bmod "}.get(raw, rf"\operatorname{braced(raw)}")
    return text_characters(raw)


def written_text(node: Node) -> str:
    """``mtext``. The spaces at its ends part words from formulas, so they stay."""
    raw = str(node.text or "").replace("\u00a0", " ")
    if not raw.strip():
        return r"\ " if raw else ""
    spaced = re.sub(r"[ \t\n]+", " ", raw)
    return rf"\text{braced(_TEXT_SPECIAL.sub(_ESCAPED, spaced))}"


def string(node: Node) -> str:
    """``ms``."""
    return rf"\text{braced(text_of(node))}"


def space(node: Node) -> str:
    """``mspace``: what is about as wide as a quad, or two; less is spacing, which is not reproduced."""
    width = (node.get_attribute("width") or "").strip()
    wide = re.fullmatch(r"(\d*\.?\d+)em", width)
    return "" if wide is None or float(wide[1]) < 0.9 else r"\quad " if float(wide[1]) < 1.9 else r"\qquad "


TOKENS = {"mi": identifier, "mn": number, "mo": operator, "mtext": written_text, "ms": string, "mspace": space}
