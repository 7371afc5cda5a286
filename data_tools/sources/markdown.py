"""Trees of Markdown files: notes, manuals and lecture text with LaTeX between dollars.

Decides: the text is kept as written; a block of metadata at the top (YAML between ``---``) becomes the document's title,
licence and date, and HTML comments go.
Does not: render anything: models read Markdown.
"""

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_tools.arguments import add_inputs
from data_tools.document import Document, Dropped
from data_tools.formulas.find import count_formulas
from data_tools.sources.whole_files import SourceFile, WholeFiles

NAME = "markdown"
SUFFIXES = (".md", ".markdown", ".mkd", ".rmd", ".qmd")

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?\n)(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_FIELD = re.compile(r"^(title|author|date|licen[cs]e|url|lang)[ \t]*:[ \t]*(.+?)[ \t]*$", re.MULTILINE | re.IGNORECASE)
_COMMENT = re.compile(r"<!--(?:(?!-->).){0,20000}-->\n?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class MarkdownReader:
    """Reads one Markdown file."""

    max_bytes: int = 16 * 2**20

    def read(self, file: SourceFile) -> Iterator[Document | Dropped]:
        """Yield the file's document. Raises ValueError for what is not UTF-8."""
        text = Path(file.path).read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
        provenance: dict[str, Any] = {"source": NAME, "file": file.name}
        metadata: dict[str, Any] = {"kind": "markdown"}
        if front := _FRONT_MATTER.match(text):
            text = text[front.end() :]
            fields = {key.lower().replace("license", "licence"): value.strip("\"'") for key, value in _FIELD.findall(front[1])}
            provenance |= {key: fields[key] for key in ("url", "date", "licence") if key in fields}
            metadata |= {key: fields[key] for key in ("title", "author") if key in fields}
        text = _COMMENT.sub("", text).strip() + "\n"
        if "\0" in text or not text.strip():
            yield Dropped(file.name, "NUL character in text" if "\0" in text else "empty text", file.name, 0)
            return
        yield Document(file.name, text, metadata | {"formulas": count_formulas(text), "provenance": provenance})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add INPUT."""
    add_inputs(parser, f"{', '.join(SUFFIXES)} files or folders of them")


def from_options(options: argparse.Namespace) -> WholeFiles:
    """Make the source."""
    return WholeFiles(NAME, options.inputs, SUFFIXES, MarkdownReader(), {}, frozenset())
