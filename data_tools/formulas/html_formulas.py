r"""Takes the formulas out of a web page before its text is extracted, and puts them back as LaTeX afterwards.

Decides: where pages keep formulas: MathML (with the TeX beside it, or converted), MathJax scripts and what MathJax 2 and 3
drew, KaTeX, MediaWiki and LaTeXML markup, images whose ``alt`` or address is LaTeX, superscripts and subscripts of HTML. Each
becomes one mark in the page, so that no clean-up can touch it; a table that LaTeXML made of an alignment becomes one formula
again.
Does not: find the page's text (``sources/web_page.py``), or change formulas that are written in the text between dollars or
``\(…\)``; those only get dollars.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from resiliparse.parse.html import HTMLTree

from data_tools.formulas.asciimath import asciimath_to_latex
from data_tools.formulas.delimiters import clean_latex
from data_tools.formulas.find import Formula, find_formulas
from data_tools.formulas.image_formulas import image_formulas
from data_tools.formulas.mathml import given_latex, is_display, presentation_to_latex
from data_tools.formulas.nodes import Node, tag_of, text_of
from data_tools.formulas.raw_formulas import raw_formulas, uses_asciimath

Tree = Any

_MARK = "\ue000{}\ue001"
_MARKED = re.compile("\ue000(\\d+)\ue001")
_LONE_MARK = re.compile("^[ \t]*(\ue000\\d+\ue001)[ \t]*([.,;:]?)[ \t]*(\\(\\d[\\w.]*\\))?[ \t]*$", re.MULTILINE)

_DRAWN_CLASSES = (
    *("MathJax_Preview", "MathJax", "MathJax_Display", "MathJax_CHTML", "MathJax_SVG", "MathJax_SVG_Display"),
    *("mjx-chtml", "katex"),
)
_DRAWN = ", ".join(f".{name}" for name in _DRAWN_CLASSES) + ", mjx-container"
_EDX = re.compile(r"\[mathjax(inline)?\]([^$\[\]]{1,8000})\[/mathjax(?:inline)?\]")
"""How edX's courses write formulas in their text."""
_BACKTICKS = re.compile(r"`([^`\n]{1,500})`")
_ORDINAL = re.compile(r"(?:st|nd|rd|th|\[?\d*\]?[*†‡§]?|TM|®|©|e|er|re|o|a)\Z", re.IGNORECASE)
_SCRIPT = re.compile(r"[\w+\-−=(),./ *′'∞]{1,24}\Z")


class PageFormulas:
    """The formulas of one page. ``mark`` replaces them in the tree by marks; ``restore`` writes LaTeX into the extracted text."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._latex: list[tuple[str, bool]] = []
        self._asciimath = False
        self.lost = 0
        """Formulas of which the page keeps nothing but glyphs at their places."""

    def mark(self) -> None:
        """Replace every formula in the page by a mark."""
        body = self._tree.body
        self._asciimath = uses_asciimath(self._tree)
        for find in (_katex, _mediawiki, _latexml_tables, _scripts, _mathjax, _mathml, raw_formulas, image_formulas):
            # All of a kind first: a collection is live, and would skip what stands after a replaced element. As a slice it is
            # a list; to iterate over it would ask the whole page again for every element (34 s for 4,000 formulas).
            for node, latex, display in list(find(body)):
                self._replace(node, latex, display)
        for node in body.query_selector_all(_DRAWN)[:]:
            if node.parent is not None and not _MARKED.search(node.text or ""):
                self.lost += _is_lost(node)
                node.decompose()
        for node in body.query_selector_all("sup, sub")[:]:
            self._mark_script(node)

    @property
    def count(self) -> int:
        """Formulas that were replaced by marks (superscripts and subscripts of HTML not counted)."""
        return len(self._latex)

    def restore(self, text: str) -> tuple[str, int]:
        """Return ``text`` with LaTeX for marks and dollars around formulas, and how many marks it had."""
        found = set(_MARKED.findall(text))
        text = _EDX.sub(lambda match: f"${match[2]}$" if match[1] else f"$${match[2]}$$", text)
        text = _dollars(_BACKTICKS.sub(self._written_asciimath, text) if self._asciimath else text)
        text = _LONE_MARK.sub(self._written_alone, text)
        return _MARKED.sub(lambda match: self._written(match[0]), text), len(found)

    def _written(self, mark: str) -> str:
        latex, display = self._latex[int(mark[1:-1])]
        return f"$${latex}$$" if display else f"${latex}$"

    def _written_alone(self, match: re.Match[str]) -> str:
        """Write a formula that has a line for itself, with its number as a tag."""
        latex, display = self._latex[int(match[1][1:-1])]
        number = match[3]
        if display and number:
            return rf"$${latex} \tag{{{number[1:-1]}}}$${match[2]}"
        return self._written(match[1]) + match[2] + (f" {number}" if number else "")

    @staticmethod
    def _written_asciimath(match: re.Match[str]) -> str:
        return f"${asciimath_to_latex(match[1])}$"

    def _replace(self, node: Node, latex: str, display: bool) -> None:
        latex, forced = clean_latex(latex)
        parent = node.parent
        if parent is None:
            return
        if not latex:
            node.decompose()
            return
        if tag_of(parent) == "noscript":
            # What is for readers without scripts is left out of the text, and the formula must not be.
            node, parent = parent, parent.parent
        mark = _MARK.format(len(self._latex))
        self._latex.append((latex, display or forced))
        new = self._tree.create_text_node(mark)
        if (display or forced) and tag_of(parent) not in ("td", "th"):
            block = self._tree.create_element("td" if tag_of(parent) == "tr" else "div")
            block.append_child(new)
            new = block
        parent.replace_child(new, node)

    def _mark_script(self, node: Node) -> None:
        """Write ``x<sup>2</sup>`` as ``x^2``: without the mark it would read ``x2``."""
        text = text_of(node)
        parent = node.parent
        if parent is None or not text or not _SCRIPT.match(text) or (_ORDINAL.match(text) and not text.isdigit()):
            return
        before = _text_before(node)
        if not before or not (before[-1].isalnum() or before[-1] in ")]}′'") or node.query_selector("a") is not None:
            return
        if text.isdigit() and _inside(node, ("a",)):
            return
        if tag_of(node) == "sup" and text.isdigit() and _ends_in_word(before):
            return
        sign = "^" if tag_of(node) == "sup" else "_"
        parent.replace_child(self._tree.create_text_node(f"{sign}{text if len(text) == 1 else '{' + text + '}'}"), node)


Found = Iterator[tuple[Node, str, bool]]


def _katex(body: Node) -> Found:
    for node in body.query_selector_all(".katex-display, .katex")[:]:
        if _inside(node, (), ("katex-display", "katex")):
            continue
        math = node.query_selector("math")
        if math is not None:
            yield node, _latex_of(math), "katex-display" in node.class_list or is_display(math)


def _mediawiki(body: Node) -> Found:
    for node in body.query_selector_all(".mwe-math-element")[:]:
        math, image = node.query_selector("math"), node.query_selector("img")
        latex = _latex_of(math) if math is not None else (image.get_attribute("alt") or "") if image is not None else ""
        shown = image is not None and "mwe-math-fallback-image-display" in image.class_list
        if latex:
            yield node, latex, shown or (math is not None and is_display(math))


def _latexml_tables(body: Node) -> Found:
    """Yield each row of LaTeXML's equation tables that has several cells of mathematics, as one formula."""
    for row in body.query_selector_all("tr.ltx_eqn_row, tr.ltx_equation")[:]:
        maths = row.query_selector_all("td.ltx_eqn_cell > math, td.ltx_eqn_cell > span > math")[:]
        if len(maths) < 2:
            continue
        pieces = [clean_latex(_latex_of(math))[0] for math in maths]
        for math in maths[1:]:
            math.decompose()
        yield maths[0], " ".join(filter(None, pieces)), True


def _scripts(body: Node) -> Found:
    for node in body.query_selector_all("script")[:]:
        kind = (node.get_attribute("type") or "").lower().replace(" ", "")
        if kind.startswith("math/asciimath"):
            yield node, asciimath_to_latex(node.text or ""), False
        elif kind.startswith("math/tex"):
            yield node, node.text or "", "mode=display" in kind
        elif kind.startswith("math/mml") and (math := _parsed_math(node.text or "")) is not None:
            yield node, _latex_of(math), is_display(math)


def _mathjax(body: Node) -> Found:
    """Yield what MathJax 3 and 4 drew: MathML for readers aloud, or (since 4) the TeX in an attribute."""
    for node in body.query_selector_all("mjx-container")[:]:
        math, drawn = node.query_selector("mjx-assistive-mml math"), node.query_selector("[data-latex]")
        display = node.get_attribute("display") == "true"
        if math is not None:
            yield node, _latex_of(math), display or is_display(math)
        elif drawn is not None:
            yield node, drawn.get_attribute("data-latex"), display


def _mathml(body: Node) -> Found:
    yield from _drawn_by_mathjax2(body)
    for math in body.get_elements_by_tag_name("math")[:] + body.query_selector_all(r"m\:math, mml\:math")[:]:
        if math.parent is not None and not _inside(math, ("math",)):
            # LaTeXML calls the cells of an equation inline, since it lines them up itself.
            yield math, _latex_of(math), is_display(math) or _inside(math, (), ("ltx_eqn_cell",))


def _drawn_by_mathjax2(body: Node) -> Found:
    """Yield what MathJax 2 drew where its script is gone: the MathML is in an attribute."""
    for node in body.query_selector_all("[data-mathml]")[:]:
        beside = node.next_element_sibling
        if node.parent is None or (beside is not None and tag_of(beside) == "script") or _MARKED.search(node.parent.text or ""):
            continue
        if (math := _parsed_math(node.get_attribute("data-mathml") or "")) is not None:
            yield node, _latex_of(math), is_display(math)


def _parsed_math(markup: str) -> Node | None:
    body = HTMLTree.parse(markup).body
    return None if body is None else body.query_selector("math")


def _is_lost(node: Node) -> bool:
    """Say whether what was drawn was a formula of its own: no preview, no part of one, none whose source stands behind it."""
    if "MathJax_Preview" in node.class_list or _inside(node, (), _DRAWN_CLASSES):
        return False
    after = node.next_sibling
    return after is None or not (after.text or "").lstrip().startswith(_MARK[0])


def _latex_of(math: Node) -> str:
    return given_latex(math) or presentation_to_latex(math)


def _inside(node: Node, tags: tuple[str, ...], classes: tuple[str, ...] = ()) -> bool:
    parent = node.parent
    for _ in range(12):
        if parent is None or parent.type != 1:
            return False
        if tag_of(parent) in tags or any(name in parent.class_list for name in classes):
            return True
        parent = parent.parent
    return False


def _text_before(node: Node) -> str:
    before = node.prev_sibling if hasattr(node, "prev_sibling") else node.prev
    return (before.text or "") if before is not None else ""


def _ends_in_word(text: str) -> bool:
    """Say whether a word stands before a raised number: then it is a note's number, not an exponent."""
    return re.search(r"[A-Za-z]{3,}[.,]?\Z", text) is not None


def _dollars(text: str) -> str:
    r"""Write formulas in the text with dollars: ``\(x\)`` as ``$x$``."""
    return _rewritten(text, find_formulas(text), lambda formula: _with_dollars(text, formula))


def _rewritten(text: str, formulas: Iterator[Formula], write: Callable[[Formula], str]) -> str:
    parts, position = [], 0
    for formula in formulas:
        parts += [text[position : formula.start], write(formula)]
        position = formula.end
    return "".join([*parts, text[position:]])


def _with_dollars(text: str, formula: Formula) -> str:
    whole = text[formula.start : formula.end]
    if not whole.startswith((r"\(", r"\[")) or "$" in formula.latex:
        return whole
    return f"$${formula.latex}$$" if formula.display else f"${formula.latex}$"
