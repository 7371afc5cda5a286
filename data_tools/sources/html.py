"""Trees of saved web pages, with their formulas as LaTeX.

Decides: a file is a document (``web_page.py``).
Does not: read archives of many pages (``warc.py``).
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from data_tools.arguments import add_inputs
from data_tools.document import Document, Dropped
from data_tools.sources.web_page import MAX_BYTES, read_page
from data_tools.sources.whole_files import SourceFile, WholeFiles

NAME = "html"
SUFFIXES = (".html", ".htm", ".xhtml", ".shtml")


@dataclass(frozen=True, slots=True)
class HtmlReader:
    """Reads one saved page."""

    max_bytes: int = MAX_BYTES

    def read(self, file: SourceFile) -> Iterator[Document | Dropped]:
        """Yield the page's document. Raises ValueError for what is no page."""
        page = read_page(Path(file.path).read_bytes())
        provenance = {"source": NAME, "file": file.name, **page.origin}
        yield Document(file.name, page.text, {**page.metadata, "provenance": provenance})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add INPUT."""
    add_inputs(parser, f"{', '.join(SUFFIXES)} files or folders of them")


def from_options(options: argparse.Namespace) -> WholeFiles:
    """Make the source."""
    return WholeFiles(NAME, options.inputs, SUFFIXES, HtmlReader(), {}, frozenset())
