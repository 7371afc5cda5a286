"""Textbooks and papers as PDF files: a file is a document.

Decides: what is dropped: a protected or damaged file, a scan without text, a text under ``--min-characters`` (the published
limit). Repetitions are skipped, never the rest of a book. Title, author, date and a Creative Commons or GNU licence named on
the first pages are kept.
Does not: find the characters' places (``pdf_text.py``).
"""

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_tools.arguments import add_inputs, add_min_characters
from data_tools.document import Document, Dropped
from data_tools.sources.licences import licence_in
from data_tools.sources.pdf_text import open_pdf, pages_text
from data_tools.sources.repetition import skip_repetitions
from data_tools.sources.whole_files import SourceFile, WholeFiles

NAME = "pdf"
SUFFIXES = (".pdf",)
TOO_SHORT = "too short"
NO_TEXT = "image-only PDF"

_DATE = re.compile(r"D:(\d{4})(\d\d)?(\d\d)?")


@dataclass(frozen=True, slots=True)
class PdfReader:
    """Reads one PDF."""

    min_characters: int
    max_bytes: int = 512 * 2**20

    def read(self, file: SourceFile) -> Iterator[Document | Dropped]:
        """Yield the file's document, or why it is dropped. Raises ValueError for a damaged or protected file."""
        document = open_pdf(Path(file.path).read_bytes())
        try:
            text, empty, damaged = pages_text(document)
            pages, info = len(document), document.get_metadata_dict()
        finally:
            document.close()
        text = text.replace("\0", "")
        if not text.strip():
            yield Dropped(file.name, f"{NO_TEXT}: {pages} pages without text", file.name, 0)
        elif len(text.strip()) < self.min_characters:
            yield Dropped(file.name, f"{TOO_SHORT}: {len(text.strip())} characters", file.name, 0)
        else:
            counts = {"pages": pages, "pages_without_text": empty, "pages_unreadable": damaged}
            yield _document(file, text, counts, info)


def _document(file: SourceFile, text: str, counts: dict[str, int], info: dict[str, str]) -> Document:
    text, skipped = skip_repetitions(text)
    provenance: dict[str, Any] = {"source": NAME, "file": file.name}
    if date := _DATE.match(info.get("CreationDate", "")):
        provenance["date"] = "-".join(filter(None, date.groups()))
    if licence := licence_in(text):
        provenance["licence"] = licence
    about = {key.lower(): info[key].strip() for key in ("Title", "Author") if info.get(key, "").strip()}
    counts = counts | {"repeated_characters_skipped": skipped}
    metadata = {"kind": "textbook", **about, **{key: value for key, value in counts.items() if value}}
    return Document(file.name, text.rstrip() + "\n", metadata | {"provenance": provenance})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add INPUT and ``--min-characters``."""
    add_inputs(parser, ".pdf files or folders of them")
    add_min_characters(parser)


def from_options(options: argparse.Namespace) -> WholeFiles:
    """Make the source."""
    settings = {"min_characters": options.min_characters}
    return WholeFiles(
        NAME, options.inputs, SUFFIXES, PdfReader(options.min_characters), settings, frozenset({TOO_SHORT, NO_TEXT})
    )
