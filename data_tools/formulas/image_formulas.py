"""Formulas that a page shows as images.

Decides: which images are formulas: an alternative text in delimiters, a class for mathematics (MathWorld's too), an address of
a service that draws LaTeX (also one that a script would load later); and that an image for readers without scripts is not a
second formula.
Does not: look at pictures.
"""

import re
from collections.abc import Iterator
from urllib.parse import parse_qs, unquote, urlsplit

from data_tools.formulas.asciimath import asciimath_to_latex
from data_tools.formulas.delimiters import OUTER
from data_tools.formulas.nodes import Node, tag_of

_LATER = ("data-src", "data-lazy-src", "data-original")
_DISPLAY_CLASSES = frozenset(["mwe-math-fallback-image-display", "ql-img-displayed-equation"])
_CLASSES = frozenset(
    ["latex", "tex", "math", "formula", "mwe-math-fallback-image-inline", "ql-img-inline-formula", *_DISPLAY_CLASSES]
)
_MATHWORLD = {"inlineformula": False, "displayformula": True, "numberedequation": True}
"""Classes of MathWorld's images, whose alternative text is much like AsciiMath; whether they are displayed."""
_NO_LATEX = re.compile(r"(?:|image|picture|math|formula|equation|latex|tex)(?: *\d+)?\Z", re.IGNORECASE)
_SERVICE = re.compile(
    r"latex\.codecogs\.com|/(?:latex|tex)\.php|mimetex|mathtex|s\d\.wp\.com/latex|chart\.(?:googleapis|apis\.google)\.com|"
    r"/(?:equation|math|render)\?(?:tex|latex)=",
    re.IGNORECASE,
)
_STYLES = re.compile(r"\A(?:\s*\\(?:dpi\{\d+\}|bg_\w+|bg\{\w+\}|inline|fn_\w+|large|small|huge|tiny))*\s*", re.IGNORECASE)
"""What a service reads as the size and colour of its picture."""
_SERVICE_LATEX = re.compile(r"codecogs\.com/[^?]*\?(.+)\Z|\.cgi\?(.+)\Z", re.DOTALL)


def image_formulas(body: Node) -> Iterator[tuple[Node, str, bool]]:
    """Yield each image that is a formula, its LaTeX, and whether it is displayed."""
    for node in body.get_elements_by_tag_name("img")[:]:
        alternative = (node.get_attribute("alt") or "").strip()
        from_address = next(filter(None, map(_latex_in_address, _addresses(node))), "")
        in_block = _in_display_block(node)
        by_class = (in_block or bool(_CLASSES.intersection(node.class_list))) and not _NO_LATEX.match(alternative)
        if _repeats_a_lazy_image(node):
            yield node, "", False
        elif (mathworld := _MATHWORLD.keys() & set(node.class_list)) and not OUTER.match(alternative):
            spelled = alternative.rstrip(" ,.;").replace("+/-", "+-")
            yield node, asciimath_to_latex(spelled), _MATHWORLD[mathworld.pop()]
        elif OUTER.match(alternative) or by_class or (from_address and alternative and _looks_like_latex(alternative)):
            yield node, alternative, in_block or not _DISPLAY_CLASSES.isdisjoint(node.class_list)
        elif from_address:
            yield node, from_address, False


def _addresses(node: Node) -> list[str]:
    return [node.get_attribute(name) or "" for name in ("src", *_LATER)]


def _repeats_a_lazy_image(node: Node) -> bool:
    """Say whether an image in ``noscript`` stands behind one that a script loads from the same address."""
    parent = node.parent
    before = parent.previous_element_sibling if parent is not None and tag_of(parent) == "noscript" else None
    return before is not None and tag_of(before) == "img" and (node.get_attribute("src") or "-") in _addresses(before)[1:]


def _in_display_block(node: Node) -> bool:
    """Say whether an image stands alone in a ``div`` for mathematics, as Sphinx writes a displayed formula."""
    parent = node.parent
    for _ in range(2):
        if parent is None or parent.type != 1:
            return False
        if tag_of(parent) == "div":
            return "math" in parent.class_list
        parent = parent.parent
    return False


def _looks_like_latex(text: str) -> bool:
    return bool(text) and (re.search(r"[\\^_{}=<>+]", text) is not None or len(text) <= 3)


def _latex_in_address(source: str) -> str:
    """Return the LaTeX in the address of an image service, or ""."""
    if not _SERVICE.search(source):
        return ""
    try:
        query = parse_qs(urlsplit(source).query, keep_blank_values=True)
    except ValueError:
        return ""
    for key in ("latex", "chl", "tex", "eq"):
        if query.get(key):
            return query[key][0]
    match = _SERVICE_LATEX.search(source)
    if match is None:
        return ""
    latex = unquote(match[1] or match[2]).replace("&space;", " ").replace("&plus;", "+")
    return _STYLES.sub("", latex)
