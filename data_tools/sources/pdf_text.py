"""The text of a PDF, with raised and lowered characters as superscripts and subscripts.

Decides: characters are put into lines by their baselines; a smaller character beside a line, above or below its baseline, is a
script of it (``x^{2}``, ``a_{n}``), where PDF text extraction gives it a line of its own; lines of a paragraph are joined;
headers, footers and page numbers that come on many pages are left out.
Does not: read pictures (a scan has no text), or rebuild fractions and matrices; OCR made for mathematics does (``mmd.py``).

Library: pypdfium2 (BSD-3/Apache-2.0).
"""

import ctypes
import itertools
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pypdfium2
import pypdfium2.raw as pdfium

SCRIPT_SIZE = 0.88
"""A character smaller than this share of the line's may be a script."""
BASELINE_SHIFT = 0.12
"""Baselines closer than this share of the size are one."""
SCRIPT_SHIFT = 0.9
SCRIPT_GAP = 0.6
"""How far a script may stand from the end of its line, in sizes of the line."""
PARAGRAPH_GAP = 1.55
"""Distance of baselines, in sizes, from which on a new paragraph begins."""
FULL_LINE = 0.85
"""A line shorter than this share of the widest ends its paragraph."""
RUNNING_SHARE = 0.2
MAX_PAGES = 20_000
_LIGATURES = str.maketrans({"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "\ufffe": "-", "\x02": "-", "\xad": ""})


@dataclass(slots=True)
class Line:
    """Characters on one baseline. Lengths in points; ``text`` has scripts already."""

    baseline: float
    size: float
    left: float
    right: float
    parts: list[str] = field(default_factory=list)
    script: str = ""

    def add(self, char: str, script: str) -> None:
        """Append a character; ``script`` is ``^``, ``_`` or "" for the line itself."""
        if script != self.script:
            self.end_script()
            if script:
                self.parts.append(script + "{")
            self.script = script
        self.parts.append(char)

    def end_script(self) -> None:
        """Close an open script."""
        if self.script:
            space = self.parts[-1] == " "
            self.parts[-1:] = ["}", " "] if space else [self.parts[-1], "}"]
            self.script = ""

    @property
    def text(self) -> str:
        """The line as text."""
        whole = re.sub(r"([\^_])\{(\w)\}", r"\1\2", "".join(self.parts) + ("}" if self.script else ""))
        return re.sub(r"[ \t]+", " ", whole).strip()


def open_pdf(raw: bytes) -> Any:
    """Open a PDF. Raises ValueError: damaged, or protected by a password."""
    try:
        return pypdfium2.PdfDocument(raw)
    except pypdfium2.PdfiumError as error:
        if "assword" in str(error):
            raise ValueError("password-protected PDF") from None
        raise ValueError(f"damaged PDF: {error}") from None


def page_lines(page: Any) -> list[Line]:
    """Return the lines of one page, in the order of its text."""
    textpage = page.get_textpage()
    try:
        return list(_lines(textpage))
    finally:
        textpage.close()


def _lines(textpage: Any) -> Iterator[Line]:
    x, y = ctypes.c_double(), ctypes.c_double()
    left, right, bottom, top = (ctypes.c_double() for _ in range(4))
    line: Line | None = None
    for index in range(textpage.count_chars()):
        code = pdfium.FPDFText_GetUnicode(textpage, index)
        char = chr(code).translate(_LIGATURES) if 0 < code < 0x110000 and not 0xD800 <= code < 0xE000 else ""
        if not char or (char < " " and char != "\t"):
            # Line ends, and large brackets of TeX's fonts, which have no character.
            continue
        if char.isspace():
            if line is not None and line.parts and line.parts[-1] != " ":
                line.parts.append(" ")
            continue
        pdfium.FPDFText_GetCharOrigin(textpage, index, x, y)
        pdfium.FPDFText_GetCharBox(textpage, index, left, right, bottom, top)
        size = float(pdfium.FPDFText_GetFontSize(textpage, index)) or 1.0
        script = None if line is None else _place(line, x.value, y.value, size)
        if line is None or script is None:
            if line is not None:
                yield line
            line = Line(y.value, size, x.value, right.value)
            script = ""
        elif script == "" and size > line.size:
            # The line began with a small character, such as the sign of a footnote.
            line.size = size
        line.add(char, script)
        line.right = max(line.right, right.value)
    if line is not None:
        yield line


def _place(line: Line, x: float, y: float, size: float) -> str | None:
    """Say how a character belongs to a line: "" on it, ``^`` or ``_`` as a script, None not at all."""
    shift = (y - line.baseline) / line.size
    if abs(shift) <= BASELINE_SHIFT and x >= line.left - line.size:
        return ""
    near = -SCRIPT_GAP * line.size <= x - line.right <= 3 * SCRIPT_GAP * line.size
    if near and size <= SCRIPT_SIZE * line.size and abs(shift) <= SCRIPT_SHIFT:
        return "^" if shift > 0 else "_"
    return None


def pages_text(document: Any) -> tuple[str, int, int]:
    """Return the text of all pages, how many of them had none, and how many could not be read.

    Raises ValueError for a document without pages, or without one that can be read.
    """
    count = len(document)
    if not 0 < count <= MAX_PAGES:
        raise ValueError(f"PDF of {count} pages, not 1 to {MAX_PAGES}")
    pages = [lines for index in range(count) if (lines := _lines_of_page(document, index)) is not None]
    if not pages:
        raise ValueError(f"damaged PDF: none of its {count} pages can be read")
    empty = sum(not lines for lines in pages)
    running = _running_lines(pages)
    body = [_without_running(lines, running) for lines in pages]
    return "\n\n".join(filter(None, map(_paragraphs, body))), empty, count - len(pages)


def _lines_of_page(document: Any, index: int) -> list[Line] | None:
    """Return the lines of a page, None when it is damaged."""
    try:
        page = document[index]
        try:
            return page_lines(page)
        finally:
            page.close()
    except pypdfium2.PdfiumError:
        return None


def _key(line: Line) -> str:
    """Return what a header has in common on all pages: its letters."""
    return re.sub(r"[\d\W]+", "", line.text).lower()[:40] if len(line.text) < 120 else line.text


def _running_lines(pages: list[list[Line]]) -> set[str]:
    """Return the keys of first and last lines that come on many pages; "" is a bare page number."""
    counts: Counter[str] = Counter()
    for lines in pages:
        counts.update({_key(line) for line in _edges(lines)})
    least = max(3, RUNNING_SHARE * len(pages) / 10)
    return {key for key, count in counts.items() if count >= least}


def _edges(lines: list[Line]) -> list[Line]:
    return lines[:1] + lines[-1:] if len(lines) > 1 else []


def _without_running(lines: list[Line], running: set[str]) -> list[Line]:
    if lines and len(lines) > 1 and _key(lines[0]) in running:
        lines = lines[1:]
    if lines and len(lines) > 1 and _key(lines[-1]) in running:
        lines = lines[:-1]
    return lines


def _paragraphs(lines: list[Line]) -> str:
    """Join the lines of a page; a gap, or a short line, ends a paragraph or a line."""
    lines = [line for line in lines if line.text]
    if not lines:
        return ""
    width = max(line.right for line in lines) - min(line.left for line in lines)
    text = lines[0].text
    for before, line in itertools.pairwise(lines):
        gap = (before.baseline - line.baseline) / max(before.size, line.size)
        if gap > PARAGRAPH_GAP or gap < -PARAGRAPH_GAP:
            text += "\n\n" + line.text
        elif before.right - before.left < FULL_LINE * width or line.left - before.left > line.size:
            text += "\n" + line.text
        elif text.endswith("-") and line.text[:1].islower():
            text = text[:-1] + line.text
        else:
            text += " " + line.text
    return text
