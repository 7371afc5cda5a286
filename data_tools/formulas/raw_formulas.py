r"""Formulas that a page holds as they were typed, for a script that is not run here: LaTeX in an attribute or an element,
AsciiMath.

Decides: which attributes and classes mean LaTeX without delimiters, and whether a page has its backticks read as AsciiMath.
Does not: touch LaTeX between dollars or ``\(…\)``, which stays where it is.
"""

import re
from collections.abc import Iterator
from typing import Any

import orjson

from data_tools.formulas.asciimath import asciimath_to_latex
from data_tools.formulas.nodes import Node, tag_of

Tree = Any

_ATTRIBUTES = ("data-latex", "data-tex", "data-math", "data-formula", "data-equation", "data-expr")
_OBJECT = "data-attrs"
"""An attribute with a JSON object in which a formula is ``persistentExpression`` (Substack)."""
_ELEMENTS = (
    ".mathquill-embedded-latex, .mathquill-editable, .js-render-math, .mq-math-mode, .render_latex, .math-tex, .tex, .latex, "
    "span.math, div.math, em.math, .math-inline, .math-display, .language-math, .reqn, [data-math-style], .katex-source, "
    f".tex2jax_process, .asciimath, .am-math, .AMath, .latex-rendered[{_OBJECT}]"
)
_DISPLAY_CLASSES = frozenset(["display", "math-display", "displaymath"])
_ASCIIMATH_CLASSES = frozenset(["asciimath", "am-math", "AMath"])
_MEANS_LATEX = re.compile(r"\\[A-Za-z]|[\^_]")
_DELIMITED = re.compile(r"\$|\\[(\[]|\ue000|`")
_ASCIIMATH_SCRIPT = re.compile(r"asciimath|[?&]config=(?:AM|TeX-MML-AM|TeX-AMS-MML)_|AM_HTMLorMML|AM_CHTML", re.IGNORECASE)
_LONGEST = 8000


def raw_formulas(body: Node) -> Iterator[tuple[Node, str, bool]]:
    """Yield each element that is a formula for a script, its LaTeX, and whether it is displayed."""
    for node in body.query_selector_all(f"{', '.join(f'[{name}]' for name in _ATTRIBUTES)}, {_ELEMENTS}")[:]:
        if node.parent is not None and tag_of(node) not in ("img", "script", "svg", "g") and (latex := _latex_of(node)):
            yield node, latex, _is_display(node)


def uses_asciimath(tree: Tree) -> bool:
    """Say whether the page loads a script that reads its backticks as AsciiMath alone."""
    scripts = tree.document.query_selector_all("script")[:]
    texts = [f"{node.get_attribute('src') or ''} {(node.text or '')[:2000]}" for node in scripts]
    return any(re.search(r"asciimath", text, re.IGNORECASE) or _ASCIIMATH_SCRIPT.search(text) for text in texts)


def _latex_of(node: Node) -> str:
    text = (node.text or "").strip()
    if described := node.get_attribute(_OBJECT):
        return _expression_in(described)
    if len(text) > _LONGEST or _DELIMITED.search(text):
        return ""
    if _ASCIIMATH_CLASSES.intersection(node.class_list):
        return asciimath_to_latex(text)
    for name in _ATTRIBUTES:
        value = (node.get_attribute(name) or "").strip()
        # ``data-math="true"`` and the like say that there is a formula, not which.
        if value and (name in ("data-latex", "data-tex") or _MEANS_LATEX.search(value) or value == text):
            return str(value)
    by_class = node.query_selector("*") is None and _MEANS_LATEX.search(text)
    return text if by_class else ""


def _expression_in(described: str) -> str:
    try:
        found = orjson.loads(described)
    except orjson.JSONDecodeError:
        return ""
    expression = found.get("persistentExpression") if isinstance(found, dict) else None
    return expression if isinstance(expression, str) else ""


def _is_display(node: Node) -> bool:
    style = node.get_attribute("data-math-style") or node.get_attribute("data-display") or ""
    classes = (*node.class_list, *(node.parent.class_list if node.parent is not None else ()))
    by_class = not _DISPLAY_CLASSES.isdisjoint(classes)
    return style in ("display", "block", "true") or by_class or (tag_of(node) == "div" and not style)
