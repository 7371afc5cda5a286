r"""MathML to LaTeX.

Decides: the LaTeX that the page itself carries (an ``annotation`` in TeX, or ``alttext``) is taken first, since somebody wrote
it; otherwise presentation MathML is read element by element. A matrix in parentheses becomes ``pmatrix``, a table after an
open brace ``cases``, an accent over a letter ``\hat``; fences grow (``\left``) only around what is tall.
Does not: read the elements that hold characters (``mathml_tokens.py``) or content MathML, whose text alone is kept, or reproduce
spacing and colour.

Elements: MathML Core and MathML 3, chapter 3 (W3C).
"""

import re
from collections.abc import Callable

from data_tools.formulas.delimiters import stripped
from data_tools.formulas.mathml_tokens import TOKENS, braced, in_font
from data_tools.formulas.nodes import Node, elements_of, tag_of, text_of
from data_tools.formulas.symbols import ACCENTS, UNDER_ACCENTS, joined, text_characters

MAX_DEPTH = 150
"""Deeper nesting is no formula; its text is kept as it is."""

_TEX_ENCODING = re.compile(r"^(?:application/x-)?(?:la)?tex\b", re.IGNORECASE)
_SPOKEN = re.compile(r"(?=.* )(?=.*[A-Za-z]{3})[A-Za-z0-9 ,.'()-]*\Z")
"""Text for readers aloud: ``x squared plus one``."""
_FENCES = {"(": "pmatrix", "[": "bmatrix", "|": "vmatrix", "‖": "Vmatrix", "{": "Bmatrix"}
_CLOSING = {"(": ")", "[": "]", "|": "|", "‖": "‖", "{": "}", "⟨": "⟩", "⌊": "⌋", "⌈": "⌉"}
_TALL = re.compile(r"\\(?:frac|binom|sum|prod|int|bigcup|bigcap|sqrt|begin|over|under)")
_MOD = r"\bmod"
_GROUPED = re.compile(r"\\?[A-Za-z]|.|\\[A-Za-z]+")
_BIG = re.compile(
    r"\\(?:sum|prod|coprod|i*int|oint|big[a-z]+|lim|limsup|liminf|max|min|sup|inf|gcd|det|Pr|operatorname\*?\{[^{}]*\})\Z"
)


def given_latex(math: Node) -> str | None:
    """Return the LaTeX that a ``math`` element carries, or None."""
    for annotation in math.get_elements_by_tag_name("annotation")[:]:
        if _TEX_ENCODING.match((annotation.get_attribute("encoding") or "").strip()):
            text: str = (annotation.text or "").strip()
            if text:
                return text
    alternative = (math.get_attribute("alttext") or "").strip()
    return None if _SPOKEN.match(alternative) and elements_of(math) else alternative or None


def is_display(math: Node) -> bool:
    """Say whether a ``math`` element stands on lines of its own."""
    return math.get_attribute("display") == "block" or math.get_attribute("mode") == "display"


def presentation_to_latex(math: Node) -> str:
    """Return the LaTeX of a ``math`` element, from its presentation elements alone. Empty for an empty one."""
    return stripped(_row(elements_of(math), 0))


def _convert(node: Node, depth: int) -> str:
    if depth > MAX_DEPTH:
        return text_of(node)
    tag = tag_of(node)
    if tag in TOKENS:
        return TOKENS[tag](node)
    if tag in _HANDLERS:
        return _HANDLERS[tag](node, depth + 1)
    children = elements_of(node)
    return _row(children, depth + 1) if children else text_characters(text_of(node))


def _row(nodes: list[Node], depth: int) -> str:
    """Convert siblings, looking for fences around a table or something tall."""
    parts: list[str] = []
    index = 0
    while index < len(nodes):
        opening = _fence_text(nodes[index])
        if opening in _CLOSING:
            end = _matching(nodes, index, opening)
            made = _fenced_piece(nodes, index, end, opening, depth)
            if made is not None:
                text, index = made
                parts.append(text)
                continue
        parts.append(_convert(nodes[index], depth))
        index += 1
    return joined(parts)


def _fence_text(node: Node) -> str:
    return text_of(node) if tag_of(node) == "mo" else ""


def _matching(nodes: list[Node], start: int, opening: str) -> int | None:
    """Return the index of the fence that closes the one at ``start``, among siblings."""
    closing, depth = _CLOSING[opening], 0
    for index in range(start + 1, len(nodes)):
        text = _fence_text(nodes[index])
        if text == closing and depth == 0:
            return index
        depth += (text == opening) - (text == closing)
    return None


def _fenced_piece(nodes: list[Node], start: int, end: int | None, opening: str, depth: int) -> tuple[str, int] | None:
    """Return the LaTeX of ``( … )`` and where to go on, when the fences ask for more than the characters themselves."""
    inside = _unwrapped(nodes[start + 1 : end])
    if len(inside) == 1 and tag_of(inside[0]) == "mtable":
        if end is not None and opening in _FENCES:
            return _table(inside[0], depth, _FENCES[opening]), end + 1
        if end is None and opening == "{":
            return _table(inside[0], depth, "cases"), len(nodes)
    if end is None:
        return None
    content = _row(nodes[start + 1 : end], depth + 1)
    if opening == "(" and (binomial := re.fullmatch(r"\\genfrac\{\}\{\}\{0pt\}\{\}(.*)", content)):
        return rf"\binom{binomial[1]}", end + 1
    if opening == "(" and content.startswith(_MOD):
        return rf"\pmod{braced(content[len(_MOD) :].strip())}", end + 1
    if not _TALL.search(content):
        return None
    left, right = text_characters(opening), text_characters(_CLOSING[opening])
    return joined([rf"\left{left}", content, rf"\right{right}"]), end + 1


def _unwrapped(nodes: list[Node]) -> list[Node]:
    """Look through rows and styles that hold a single element, and past empty operators."""
    nodes = [node for node in nodes if tag_of(node) != "mspace" and (elements_of(node) or text_characters(text_of(node)).strip())]
    while len(nodes) == 1 and tag_of(nodes[0]) in ("mrow", "mstyle", "mpadded"):
        nodes = elements_of(nodes[0])
    return nodes


def _children(node: Node, count: int, depth: int) -> list[str]:
    converted = [_convert(child, depth) for child in elements_of(node)[:count]]
    return converted + [""] * (count - len(converted))


def _base(text: str) -> str:
    """Group a base of several tokens, so that a script belongs to all of it."""
    if not text or _GROUPED.fullmatch(text) or _BIG.search(text) or re.fullmatch(r"\\[A-Za-z]+\{[^{}]*\}", text):
        return text or "{}"
    return text if re.fullmatch(r"\\left.*\\right\S+|\d+|\([^()]*\)", text) else braced(text)


def _fraction(node: Node, depth: int) -> str:
    above, below = _children(node, 2, depth)
    thickness = (node.get_attribute("linethickness") or "").strip()
    if re.fullmatch(r"0(?:\.0*)?[a-z%]*", thickness):
        return rf"\genfrac{{}}{{}}{{0pt}}{{}}{braced(above)}{braced(below)}"
    return rf"\frac{braced(above)}{braced(below)}"


def _subscript(node: Node, depth: int) -> str:
    base, below = _children(node, 2, depth)
    return f"{_base(base)}_{braced(below)}"


def _superscript(node: Node, depth: int) -> str:
    base, above = _children(node, 2, depth)
    primes = re.fullmatch(r"(?:\\prime)+", above)
    return _base(base) + ("'" * above.count("prime") if primes else f"^{braced(above)}")


def _both_scripts(node: Node, depth: int) -> str:
    base, below, above = _children(node, 3, depth)
    return f"{_base(base)}_{braced(below)}^{braced(above)}"


def _under(node: Node, depth: int) -> str:
    base, below = _children(node, 2, depth)
    accent = UNDER_ACCENTS.get(_mark(node, 1))
    if accent:
        return rf"\{accent}{braced(base)}"
    return f"{_base(base)}_{braced(below)}" if _takes_limits(base) else rf"\underset{braced(below)}{braced(base)}"


def _over(node: Node, depth: int) -> str:
    base, above = _children(node, 2, depth)
    accent = ACCENTS.get(_mark(node, 1))
    if accent:
        wide = {"hat": "widehat", "tilde": "widetilde", "bar": "overline", "vec": "overrightarrow"}
        return rf"\{accent if _GROUPED.fullmatch(base) else wide.get(accent, accent)}{braced(base)}"
    return f"{_base(base)}^{braced(above)}" if _takes_limits(base) else rf"\overset{braced(above)}{braced(base)}"


def _under_and_over(node: Node, depth: int) -> str:
    base, below, above = _children(node, 3, depth)
    if _takes_limits(base):
        return f"{_base(base)}_{braced(below)}^{braced(above)}"
    return rf"\underset{braced(below)}{{\overset{braced(above)}{braced(base)}}}"


def _takes_limits(base: str) -> bool:
    return _BIG.search(base) is not None or base.startswith((r"\underbrace", r"\overbrace"))


def _mark(node: Node, index: int) -> str:
    """Return the character of an accent, "" when the child is more than one."""
    children = elements_of(node)
    child = children[index] if index < len(children) else None
    while child is not None and tag_of(child) in ("mrow", "mstyle") and len(elements_of(child)) == 1:
        child = elements_of(child)[0]
    return text_of(child) if child is not None and tag_of(child) in ("mo", "mi", "mtext") else ""


def _root(node: Node, depth: int) -> str:
    base, index = _children(node, 2, depth)
    return rf"\sqrt[{index}]{braced(base)}"


def _square_root(node: Node, depth: int) -> str:
    return rf"\sqrt{braced(_row(elements_of(node), depth))}"


def _fenced(node: Node, depth: int) -> str:
    opening, closing = node.get_attribute("open"), node.get_attribute("close")
    opening, closing = "(" if opening is None else opening, ")" if closing is None else closing
    children = elements_of(node)
    inside = _unwrapped(children)
    if len(inside) == 1 and tag_of(inside[0]) == "mtable" and opening in _FENCES and closing == _CLOSING[opening]:
        return _table(inside[0], depth, _FENCES[opening])
    separators = (node.get_attribute("separators") if node.has_attribute("separators") else ",").replace(" ", "")
    parts = []
    for index, child in enumerate(children):
        if index and separators:
            parts.append(separators[min(index, len(separators)) - 1])
        parts.append(_convert(child, depth))
    content = joined(parts)
    left, right = text_characters(opening.strip()), text_characters(closing.strip())
    return rf"\left{left or '.'}{content}\right{right or '.'}" if _TALL.search(content) else f"{left}{content}{right}"


def _table(node: Node, depth: int, environment: str = "matrix") -> str:
    rows = []
    for row in elements_of(node):
        cells = [cell for cell in elements_of(row) if tag_of(cell) == "mtd"]
        if tag_of(row) == "mlabeledtr":
            cells = cells[1:]
        rows.append(" & ".join(_row(elements_of(cell), depth) for cell in cells) if cells else _convert(row, depth))
    aligned = environment == "matrix" and "right left" in (node.get_attribute("columnalign") or "")
    environment = "aligned" if aligned else environment
    return rf"\begin{{{environment}}}" + r" \\ ".join(rows) + rf"\end{{{environment}}}"


def _multiscripts(node: Node, depth: int) -> str:
    children = elements_of(node)
    names = [tag_of(child) for child in children]
    cut = names.index("mprescripts") if "mprescripts" in names else len(children)
    base = _convert(children[0], depth) if children else ""
    return _script_pairs(children[cut + 1 :], depth, "{}") + _script_pairs(children[1:cut], depth, _base(base), base=True)


def _script_pairs(nodes: list[Node], depth: int, start: str, base: bool = False) -> str:
    pairs = [_convert(node, depth) for node in nodes if tag_of(node) != "mprescripts"]
    text = start if nodes or base else ""
    for index in range(0, len(pairs), 2):
        below, above = pairs[index], pairs[index + 1] if index + 1 < len(pairs) else ""
        text += (f"_{braced(below)}" if below else "") + (f"^{braced(above)}" if above else "")
    return text


def _enclosed(node: Node, depth: int) -> str:
    content = _row(elements_of(node), depth)
    notation = node.get_attribute("notation") or ""
    for word, command in (("box", "boxed"), ("top", "overline"), ("bottom", "underline"), ("strike", "cancel")):
        if word in notation:
            return rf"\{command}{braced(content)}"
    return content


def _style(node: Node, depth: int) -> str:
    content = _row(elements_of(node), depth)
    return in_font(node, content) or content


def _semantics(node: Node, depth: int) -> str:
    children = elements_of(node)
    return _convert(children[0], depth) if children else ""


def _action(node: Node, depth: int) -> str:
    """Return what an element that changes when it is clicked on shows first."""
    children = elements_of(node)
    selected = node.get_attribute("selection") or "1"
    index = int(selected) - 1 if selected.isdecimal() and 0 < int(selected) <= len(children) else 0
    return _convert(children[index], depth) if children else ""


def _nothing(node: Node, depth: int) -> str:
    return ""


_HANDLERS: dict[str, Callable[[Node, int], str]] = {
    "mfrac": _fraction,
    "msub": _subscript,
    "msup": _superscript,
    "msubsup": _both_scripts,
    "munder": _under,
    "mover": _over,
    "munderover": _under_and_over,
    "msqrt": _square_root,
    "mroot": _root,
    "mfenced": _fenced,
    "mtable": _table,
    "mmultiscripts": _multiscripts,
    "menclose": _enclosed,
    "mstyle": _style,
    "semantics": _semantics,
    "maction": _action,
    "annotation": _nothing,
    "annotation-xml": _nothing,
    "mphantom": _nothing,
    "none": _nothing,
    "mprescripts": _nothing,
    "maligngroup": _nothing,
    "malignmark": _nothing,
}
