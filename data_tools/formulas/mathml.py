r"""MathML to LaTeX.

Decides: the LaTeX that the page itself carries (an ``annotation`` in TeX, or ``alttext``) is taken first, since somebody wrote
it; otherwise presentation MathML is read element by element. A matrix in parentheses becomes ``pmatrix``, a table after an
open brace ``cases``, an accent over a letter ``\hat``; fences grow (``\left``) only around what is tall.
Does not: read content MathML, whose text alone is kept, or reproduce spacing and colour.

Elements: MathML Core and MathML 3, chapter 3 (W3C). Nodes are those of ``resiliparse.parse.html``.
"""

import re
from collections.abc import Callable
from typing import Any

from data_tools.formulas.symbols import ACCENTS, FUNCTIONS, UNDER_ACCENTS, VARIANTS, joined, text_characters

Node = Any
"""A ``resiliparse.parse.html.DOMNode``."""

MAX_DEPTH = 150
"""Deeper nesting is no formula; its text is kept as it is."""

_TEX_ENCODING = re.compile(r"^(?:application/x-)?(?:la)?tex\b", re.IGNORECASE)
_SPOKEN = re.compile(r"(?=.* )(?=.*[A-Za-z]{3})[A-Za-z0-9 ,.'()-]*\Z")
"""Text for readers aloud: ``x squared plus one``."""
_FENCES = {"(": "pmatrix", "[": "bmatrix", "|": "vmatrix", "‖": "Vmatrix", "{": "Bmatrix"}
_CLOSING = {"(": ")", "[": "]", "|": "|", "‖": "‖", "{": "}", "⟨": "⟩", "⌊": "⌋", "⌈": "⌉"}
_TALL = re.compile(r"\\(?:frac|binom|sum|prod|int|bigcup|bigcap|sqrt|begin|over|under)")
_TEXT_SPECIAL = re.compile(r"([%#&_{}$])")
_MOD = r"\bmod"
_ESCAPED = r"\\\1"
_GROUPED = re.compile(r"\\?[A-Za-z]|.|\\[A-Za-z]+")
_BIG = re.compile(
    r"\\(?:sum|prod|coprod|i*int|oint|big[a-z]+|lim|limsup|liminf|max|min|sup|inf|gcd|det|Pr|operatorname\*?\{[^{}]*\})\Z"
)


def tag_of(node: Node) -> str:
    """Return an element's name without a namespace prefix, in lower case."""
    return str(node.tag or "").rpartition(":")[2].lower()


def given_latex(math: Node) -> str | None:
    """Return the LaTeX that a ``math`` element carries, or None."""
    for annotation in math.get_elements_by_tag_name("annotation")[:]:
        if _TEX_ENCODING.match((annotation.get_attribute("encoding") or "").strip()):
            text: str = (annotation.text or "").strip()
            if text:
                return text
    alternative = (math.get_attribute("alttext") or "").strip()
    return None if _SPOKEN.match(alternative) and _elements(math) else alternative or None


def is_display(math: Node) -> bool:
    """Say whether a ``math`` element stands on lines of its own."""
    return math.get_attribute("display") == "block" or math.get_attribute("mode") == "display"


def presentation_to_latex(math: Node) -> str:
    """Return the LaTeX of a ``math`` element, from its presentation elements alone. Empty for an empty one."""
    return _row(_elements(math), 0).strip()


def _elements(node: Node) -> list[Node]:
    return [child for child in node.child_nodes if child.type == 1]


def _convert(node: Node, depth: int) -> str:
    if depth > MAX_DEPTH:
        return _text_of(node)
    handler = _HANDLERS.get(tag_of(node))
    if handler is not None:
        return handler(node, depth + 1)
    children = _elements(node)
    return _row(children, depth + 1) if children else text_characters(_text_of(node))


def _text_of(node: Node) -> str:
    return " ".join((node.text or "").split())


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
    return _text_of(node) if tag_of(node) == "mo" else ""


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
        return rf"\pmod{_braced(content[len(_MOD) :].strip())}", end + 1
    if not _TALL.search(content):
        return None
    left, right = text_characters(opening), text_characters(_CLOSING[opening])
    return joined([rf"\left{left}", content, rf"\right{right}"]), end + 1


def _unwrapped(nodes: list[Node]) -> list[Node]:
    """Look through rows and styles that hold a single element, and past empty operators."""
    nodes = [node for node in nodes if tag_of(node) != "mspace" and (_elements(node) or text_characters(_text_of(node)).strip())]
    while len(nodes) == 1 and tag_of(nodes[0]) in ("mrow", "mstyle", "mpadded"):
        nodes = _elements(nodes[0])
    return nodes


def _braced(text: str) -> str:
    return f"{{{text}}}"


def _children(node: Node, count: int, depth: int) -> list[str]:
    converted = [_convert(child, depth) for child in _elements(node)[:count]]
    return converted + [""] * (count - len(converted))


def _base(text: str) -> str:
    """Group a base of several tokens, so that a script belongs to all of it."""
    if not text or _GROUPED.fullmatch(text) or _BIG.search(text) or re.fullmatch(r"\\[A-Za-z]+\{[^{}]*\}", text):
        return text or "{}"
    return text if re.fullmatch(r"\\left.*\\right\S+|\d+|\([^()]*\)", text) else _braced(text)


def _identifier(node: Node, depth: int) -> str:
    raw = _text_of(node)
    font = VARIANTS.get(node.get_attribute("mathvariant") or "")
    if raw in FUNCTIONS:
        return rf"\{raw}"
    text = text_characters(raw)
    if font:
        return rf"\{font}{_braced(text)}"
    if len(raw) > 1 and raw.isascii() and raw.isalpha():
        return rf"\operatorname{_braced(text)}"
    upright = node.get_attribute("mathvariant") == "normal" and raw.isascii() and raw.isalpha()
    return rf"\mathrm{_braced(text)}" if upright else text


def _number(node: Node, depth: int) -> str:
    font = VARIANTS.get(node.get_attribute("mathvariant") or "")
    text = text_characters(_text_of(node))
    return rf"\{font}{_braced(text)}" if font else text


def _operator(node: Node, depth: int) -> str:
    raw = _text_of(node)
    if raw in FUNCTIONS:
        return rf"\{raw}"
    if len(raw) > 1 and raw.isascii() and raw.replace(" ", "").isalpha():
        known = raw.replace(" ", "")
        return rf"\{known}" if known in FUNCTIONS else {"mod": r"\bmod "}.get(raw, rf"\operatorname{_braced(raw)}")
    return text_characters(raw)


def _written_text(node: Node, depth: int) -> str:
    # The text of an element is collapsed by _text_of; the spaces at its ends part words from formulas.
    raw = str(node.text or "").replace("\u00a0", " ")
    if not raw.strip():
        return r"\ " if raw else ""
    spaced = re.sub(r"[ \t\n]+", " ", raw)
    return rf"\text{_braced(_TEXT_SPECIAL.sub(_ESCAPED, spaced))}"


def _fraction(node: Node, depth: int) -> str:
    above, below = _children(node, 2, depth)
    thickness = (node.get_attribute("linethickness") or "").strip()
    if re.fullmatch(r"0(?:\.0*)?[a-z%]*", thickness):
        return rf"\genfrac{{}}{{}}{{0pt}}{{}}{_braced(above)}{_braced(below)}"
    return rf"\frac{_braced(above)}{_braced(below)}"


def _subscript(node: Node, depth: int) -> str:
    base, below = _children(node, 2, depth)
    return f"{_base(base)}_{_braced(below)}"


def _superscript(node: Node, depth: int) -> str:
    base, above = _children(node, 2, depth)
    primes = re.fullmatch(r"(?:\\prime)+", above)
    return _base(base) + ("'" * above.count("prime") if primes else f"^{_braced(above)}")


def _both_scripts(node: Node, depth: int) -> str:
    base, below, above = _children(node, 3, depth)
    return f"{_base(base)}_{_braced(below)}^{_braced(above)}"


def _under(node: Node, depth: int) -> str:
    base, below = _children(node, 2, depth)
    accent = UNDER_ACCENTS.get(_mark(node, 1))
    if accent:
        return rf"\{accent}{_braced(base)}"
    return f"{_base(base)}_{_braced(below)}" if _takes_limits(base) else rf"\underset{_braced(below)}{_braced(base)}"


def _over(node: Node, depth: int) -> str:
    base, above = _children(node, 2, depth)
    accent = ACCENTS.get(_mark(node, 1))
    if accent:
        wide = {"hat": "widehat", "tilde": "widetilde", "bar": "overline", "vec": "overrightarrow"}
        return rf"\{accent if _GROUPED.fullmatch(base) else wide.get(accent, accent)}{_braced(base)}"
    return f"{_base(base)}^{_braced(above)}" if _takes_limits(base) else rf"\overset{_braced(above)}{_braced(base)}"


def _under_and_over(node: Node, depth: int) -> str:
    base, below, above = _children(node, 3, depth)
    if _takes_limits(base):
        return f"{_base(base)}_{_braced(below)}^{_braced(above)}"
    return rf"\underset{_braced(below)}{{\overset{_braced(above)}{_braced(base)}}}"


def _takes_limits(base: str) -> bool:
    return _BIG.search(base) is not None or base.startswith((r"\underbrace", r"\overbrace"))


def _mark(node: Node, index: int) -> str:
    """Return the character of an accent, "" when the child is more than one."""
    children = _elements(node)
    child = children[index] if index < len(children) else None
    while child is not None and tag_of(child) in ("mrow", "mstyle") and len(_elements(child)) == 1:
        child = _elements(child)[0]
    return _text_of(child) if child is not None and tag_of(child) in ("mo", "mi", "mtext") else ""


def _root(node: Node, depth: int) -> str:
    base, index = _children(node, 2, depth)
    return rf"\sqrt[{index}]{_braced(base)}"


def _square_root(node: Node, depth: int) -> str:
    return rf"\sqrt{_braced(_row(_elements(node), depth))}"


def _fenced(node: Node, depth: int) -> str:
    opening, closing = node.get_attribute("open"), node.get_attribute("close")
    opening, closing = "(" if opening is None else opening, ")" if closing is None else closing
    children = _elements(node)
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
    for row in _elements(node):
        cells = [cell for cell in _elements(row) if tag_of(cell) == "mtd"]
        if tag_of(row) == "mlabeledtr":
            cells = cells[1:]
        rows.append(" & ".join(_row(_elements(cell), depth) for cell in cells) if cells else _convert(row, depth))
    aligned = environment == "matrix" and "right left" in (node.get_attribute("columnalign") or "")
    environment = "aligned" if aligned else environment
    return rf"\begin{{{environment}}}" + r" \\ ".join(rows) + rf"\end{{{environment}}}"


def _multiscripts(node: Node, depth: int) -> str:
    children = _elements(node)
    names = [tag_of(child) for child in children]
    cut = names.index("mprescripts") if "mprescripts" in names else len(children)
    base = _convert(children[0], depth) if children else ""
    return _script_pairs(children[cut + 1 :], depth, "{}") + _script_pairs(children[1:cut], depth, _base(base), base=True)


def _script_pairs(nodes: list[Node], depth: int, start: str, base: bool = False) -> str:
    pairs = [_convert(node, depth) for node in nodes if tag_of(node) != "mprescripts"]
    text = start if nodes or base else ""
    for index in range(0, len(pairs), 2):
        below, above = pairs[index], pairs[index + 1] if index + 1 < len(pairs) else ""
        text += (f"_{_braced(below)}" if below else "") + (f"^{_braced(above)}" if above else "")
    return text


def _enclosed(node: Node, depth: int) -> str:
    content = _row(_elements(node), depth)
    notation = node.get_attribute("notation") or ""
    for word, command in (("box", "boxed"), ("top", "overline"), ("bottom", "underline"), ("strike", "cancel")):
        if word in notation:
            return rf"\{command}{_braced(content)}"
    return content


def _style(node: Node, depth: int) -> str:
    content = _row(_elements(node), depth)
    font = VARIANTS.get(node.get_attribute("mathvariant") or "")
    return rf"\{font}{_braced(content)}" if font else content


def _semantics(node: Node, depth: int) -> str:
    children = _elements(node)
    return _convert(children[0], depth) if children else ""


def _action(node: Node, depth: int) -> str:
    """Return what an element that changes when it is clicked on shows first."""
    children = _elements(node)
    selected = node.get_attribute("selection") or "1"
    index = int(selected) - 1 if selected.isdecimal() and 0 < int(selected) <= len(children) else 0
    return _convert(children[index], depth) if children else ""


def _nothing(node: Node, depth: int) -> str:
    return ""


def _space(node: Node, depth: int) -> str:
    width = (node.get_attribute("width") or "").strip()
    wide = re.fullmatch(r"(\d*\.?\d+)em", width)
    return "" if wide is None or float(wide[1]) < 0.9 else r"\quad " if float(wide[1]) < 1.9 else r"\qquad "


def _string(node: Node, depth: int) -> str:
    return rf"\text{_braced(_text_of(node))}"


_HANDLERS: dict[str, Callable[[Node, int], str]] = {
    "mi": _identifier,
    "mn": _number,
    "mo": _operator,
    "mtext": _written_text,
    "ms": _string,
    "mspace": _space,
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
