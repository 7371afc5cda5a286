r"""Books read by OCR into Markdown with LaTeX: ``.mmd`` files, as Nougat writes them.

Decides: the marks of missing pages go; loops and repeated paragraphs, which this kind of OCR falls into, are skipped, and
whatever follows them is kept; ``\(…\)`` and ``\[…\]`` stay as the OCR wrote them.
Does not: run the OCR, which needs a GPU.
"""

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from data_tools.arguments import add_inputs
from data_tools.document import Document, Dropped
from data_tools.formulas.find import count_formulas
from data_tools.sources.repetition import skip_repetitions
from data_tools.sources.whole_files import SourceFile, WholeFiles

NAME = "mmd"
SUFFIXES = (".mmd",)
_MISSING_PAGE = re.compile(r"\[MISSING_PAGE_(?:EMPTY|FAIL|POST)(?::\d+)?\]|\+\+\+ ==WARNING: Truncated because of repetitions==")


@dataclass(frozen=True, slots=True)
class MmdReader:
    """Reads one ``.mmd`` file."""

    max_bytes: int = 64 * 2**20

    def read(self, file: SourceFile) -> Iterator[Document | Dropped]:
        """Yield the file's document. Raises ValueError for what is not UTF-8."""
        raw = Path(file.path).read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
        text, missing = _MISSING_PAGE.subn("", raw)
        text, skipped = skip_repetitions(text.strip())
        if "\0" in text or not text:
            yield Dropped(file.name, "NUL character in text" if text else "empty text", file.name, 0)
            return
        counts = {"missing_pages": missing, "repeated_characters_skipped": skipped}
        metadata = {
            "kind": "textbook",
            "formulas": count_formulas(text),
            **{key: value for key, value in counts.items() if value},
        }
        yield Document(file.name, text + "\n", metadata | {"provenance": {"source": NAME, "file": file.name}})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add INPUT."""
    add_inputs(parser, ".mmd files or folders of them")


def from_options(options: argparse.Namespace) -> WholeFiles:
    """Make the source."""
    return WholeFiles(NAME, options.inputs, SUFFIXES, MmdReader(), {}, frozenset())
