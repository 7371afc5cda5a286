"""One web page as a document: its main text with every formula as LaTeX, and what the page says of itself.

Decides: the encoding (declared, else detected); the main text without menus and footers, unless that would lose formulas, then
all text; title, address, date, licence and language from the page's own markup; ``metadata.formulas`` (in the page) and
``metadata.formulas_kept`` (in the text), whose ratio is the page's formula recall.
Does not: follow links or run scripts.

A page nested deeper than ``MAX_DEPTH`` is no page: extraction takes time quadratic in the depth (browsers stop at 512 too).
"""

import re
from dataclasses import dataclass
from typing import Any

from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.encoding import detect_encoding, map_encoding_to_html5
from resiliparse.parse.html import HTMLTree

from data_tools.formulas.find import count_formulas
from data_tools.formulas.html_formulas import PageFormulas
from data_tools.sources.licences import licence_at

MAX_DEPTH = 512
MAX_TAGS = 200_000
"""Three times the tags of a very long manual page; extraction takes about 15 seconds for each million."""
MAX_BYTES = 16 * 2**20
FEW_DAMAGED = 10
"""One damaged character in so many that are not ASCII leaves a page UTF-8."""
ALL_TEXT_BELOW = 0.98
"""When the main text has fewer of the page's formulas than this share, all text is taken."""

_TAG = re.compile(r"<(/?)([a-zA-Z][\w:-]*)")
_CLOSED_BY_ITSELF = frozenset([
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr",
    "p", "li", "td", "th", "tr", "dt", "dd", "option",
])  # fmt: skip
"""Elements without an end tag, and those whose end tag HTML does without."""
_BLANK_LINES = re.compile(r"\n(?:[ \t]*\n){2,}")
_TRAILING = re.compile(r"[ \t]+$", re.MULTILINE)
MENU_LINK_SHARE = 0.5
"""Of a list's characters in links, from which on it is a menu."""
_CLUTTER = "a.headerlink, .mw-editsection, .nav-panel, .ltx_tag, div.header"
"""Paragraph marks beside headings, links to edit, Texinfo's links to other nodes, bullets that the list already has."""
_NOTES = ", ".join(
    f"aside{kind}" for kind in (".footnote-list", ".footnote", ".topic:not(.contents)", ".admonition", "[role='note']")
)
"""Asides that belong to the text, as Sphinx writes them; others are left out."""
_NODE_LINKS = re.compile(r"(?:Next|Previous|Up):")
_NOT_TEXT = ["script", "style", "noscript", "template", "nav", "header", "footer", "aside", "form", "iframe", "svg"]


@dataclass(frozen=True, slots=True)
class WebPage:
    """A page's text, and what to store with it: ``metadata`` and the page's part of the provenance."""

    text: str
    metadata: dict[str, Any]
    origin: dict[str, str]


def read_page(raw: bytes, declared_encoding: str | None = None) -> WebPage:
    """Read a page. Raises ValueError: no HTML, nested too deeply, or without text."""
    if len(raw) > MAX_BYTES:
        raise ValueError(f"page too large: over {MAX_BYTES} bytes")
    html = _decode(raw, declared_encoding)
    if "<" not in html:
        raise ValueError("no HTML: no tag in it")
    if html.count("<") > MAX_TAGS:
        raise ValueError(f"page too large: over {MAX_TAGS} tags")
    if _may_be_deep(html):
        raise ValueError(f"page nested too deeply: over {MAX_DEPTH} elements")
    tree = HTMLTree.parse(html)
    if tree.body is None:
        raise ValueError("no HTML: no body in it")
    origin, about = _origin(tree), _about(tree)
    for node in _document(tree).query_selector_all(_CLUTTER)[:]:
        text = (node.text or "").strip()
        if ("ltx_tag" not in node.class_list or text in "•–∗*") and ("header" not in node.class_list or _NODE_LINKS.match(text)):
            node.decompose()
    _keep_notes(tree)
    _deepen_lists(tree)
    formulas = PageFormulas(tree)
    formulas.mark()
    text, in_page, kept = _extract(tree, formulas)
    if not text.strip():
        raise ValueError("page without text")
    return WebPage(text, about | {"formulas": in_page, "formulas_kept": kept}, origin)


def _keep_notes(tree: HTMLTree) -> None:
    """Make plain blocks of footnotes and topics, since the extraction takes every aside for something beside the text."""
    for node in _document(tree).query_selector_all(_NOTES)[:]:
        block: Any = tree.create_element("div")
        node.parent.replace_child(block, node)
        for child in list(node.child_nodes):
            block.append_child(child)


def _deepen_lists(tree: HTMLTree) -> None:
    """Put lists of prose three elements deeper: the extraction takes every list near the root for a menu."""
    for node in [each for each in _document(tree).query_selector_all("ul")[:] if _is_near_root(each)]:
        text = len(node.text or "")
        linked = sum(len(link.text or "") for link in node.query_selector_all("a")[:])
        parent = node.parent
        if parent is None or not text or linked > MENU_LINK_SHARE * text:
            continue
        outer: Any = tree.create_element("div")
        inner = outer
        for _ in range(2):
            inner = inner.append_child(tree.create_element("div"))
        parent.replace_child(outer, node)
        inner.append_child(node)


def _is_near_root(node: Any) -> bool:
    """Say whether fewer than five elements enclose a list."""
    for _ in range(5):
        node = node.parent
        if node is None or node.type != 1:
            return True
    return False


def _extract(tree: HTMLTree, formulas: PageFormulas) -> tuple[str, int, int]:
    """Return the text, the number of formulas in the page, and the number in the text."""
    everything, marks_in_all = _text(tree, formulas, main=False)
    main, _marks_in_main = _text(tree, formulas, main=True)
    found, kept = count_formulas(everything), count_formulas(main)
    missing = formulas.count - marks_in_all + formulas.lost
    if not main.strip() or kept < ALL_TEXT_BELOW * found:
        return everything, found + missing, found
    return main, max(kept + formulas.lost, found + missing), kept


def _text(tree: HTMLTree, formulas: PageFormulas, main: bool) -> tuple[str, int]:
    skipped = [] if main else _NOT_TEXT
    raw = extract_plain_text(tree, main_content=main, alt_texts=False, list_bullets=True, skip_elements=skipped)
    text, marks = formulas.restore(raw)
    return _BLANK_LINES.sub("\n\n", _TRAILING.sub("", text)).strip() + "\n", marks


def _decode(raw: bytes, declared: str | None) -> str:
    """Decode a page. What is valid UTF-8 is UTF-8, whatever is declared: other encodings hardly ever look like it."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16", errors="replace").replace("\0", "")
    # ISO-2022 is plain ASCII with escapes.
    if b"\x1b" not in raw:
        try:
            return raw.decode("utf-8-sig").replace("\0", "")
        except UnicodeDecodeError:
            pass
    text = raw.decode("utf-8", errors="replace").replace("\0", "")
    damaged = text.count("\ufffd")
    if damaged * FEW_DAMAGED < sum(character > "\x7f" for character in text):
        return text
    # What says that it is UTF-8 and is not at all is in another encoding, whatever it says.
    named = map_encoding_to_html5(declared) if declared else ""
    for encoding in (named, detect_encoding(raw, from_html_meta=True), detect_encoding(raw, from_html_meta=False)):
        if encoding and encoding != "utf-8":
            try:
                return raw.decode(encoding, errors="replace").replace("\0", "")
            except LookupError:
                continue
    return text


def _may_be_deep(html: str) -> bool:
    """Say whether tags are open more than ``MAX_DEPTH`` deep; those that HTML closes by itself do not count."""
    if html.count("<") <= MAX_DEPTH:
        return False
    depth = 0
    for match in _TAG.finditer(html):
        if match[2].lower() in _CLOSED_BY_ITSELF:
            continue
        depth = max(0, depth + (-1 if match[1] else 1))
        if depth > MAX_DEPTH:
            return True
    return False


def _document(tree: HTMLTree) -> Any:
    return tree.document


def _meta(tree: HTMLTree, *names: str) -> str:
    for name in names:
        for attribute in ("name", "property", "itemprop", "http-equiv"):
            node = _document(tree).query_selector(f'meta[{attribute}="{name}" i]')
            if node is not None and (value := (node.get_attribute("content") or "").strip()):
                return str(value)[:500]
    return ""


def _about(tree: HTMLTree) -> dict[str, Any]:
    root = _document(tree).query_selector("html")
    language = ((root.get_attribute("lang") or root.get_attribute("xml:lang") or "") if root is not None else "").strip()
    language = language or _meta(tree, "content-language", "og:locale", "dc.language")
    found = {
        "title": " ".join((tree.title or "").split())[:300],
        "language": language.replace("_", "-").split("-")[0].lower()[:12],
    }
    return {"kind": "web_page", **{key: value for key, value in found.items() if value}}


def _origin(tree: HTMLTree) -> dict[str, str]:
    canonical = _document(tree).query_selector('link[rel="canonical" i]')
    url = (canonical.get_attribute("href") or "").strip() if canonical is not None else ""
    date = _meta(tree, "article:published_time", "date", "dcterms.date", "dc.date", "dcterms.created", "last-modified")
    if not date:
        stamp = _document(tree).query_selector("time[datetime]")
        date = (stamp.get_attribute("datetime") or "").strip() if stamp is not None else ""
    found = {"url": url or _meta(tree, "og:url", "citation_public_url"), "date": date, "licence": _licence(tree)}
    return {key: value for key, value in found.items() if value}


def _licence(tree: HTMLTree) -> str:
    links = _document(tree).query_selector_all('a[rel~="license" i], link[rel~="license" i], a[href*="creativecommons.org/"]')
    for node in links[:]:
        address = node.get_attribute("href") or ""
        if known := licence_at(address):
            return known
        if address and node.get_attribute("rel"):
            return str(address)[:200]
    return _meta(tree, "dcterms.license", "dc.rights", "dcterms.rights", "license")
