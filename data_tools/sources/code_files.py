"""Loose program files: trees of ``.py`` and ``.ipynb`` that import packages of mathematics.

Decides: a Python file is a document as it is, a notebook as its cells in order (``program_text/notebooks.py``); both only when
they are chosen (``program_text/choice.py``). A file that is a copy of nothing else here may still be one elsewhere:
``mathcoder dedup``.
Does not: read a project's licence file; what the file itself says in an SPDX line is kept.
"""

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from data_tools.arguments import add_inputs
from data_tools.document import Document, Dropped
from data_tools.program_text import choice
from data_tools.program_text.choice import CHOICES, ProgramChoice
from data_tools.program_text.notebooks import read_notebook
from data_tools.program_text.source_text import python_text
from data_tools.sources.whole_files import EMPTY_FILE, SourceFile, WholeFiles

NAME = "code_files"
SUFFIXES = (".py", ".ipynb")
OTHER_LANGUAGE = "not Python"

_SPDX = re.compile(r"SPDX-License-Identifier:\s*([\w.+-]+(?: (?:AND|OR|WITH) [\w.+-]+)*)")


@dataclass(frozen=True, slots=True)
class CodeReader:
    """Reads one ``.py`` or ``.ipynb`` file."""

    wanted: ProgramChoice
    max_bytes: int = 16 * 2**20

    def read(self, file: SourceFile) -> Iterator[Document | Dropped]:
        """Yield the file's document, or why it is dropped. Raises ValueError for what cannot be read."""
        raw = Path(file.path).read_bytes()
        if file.path.lower().endswith(".ipynb"):
            notebook = read_notebook(raw)
            if notebook.language not in ("python", "ipython", "sage"):
                yield Dropped(file.name, f"{OTHER_LANGUAGE}: {notebook.language}", file.name, 0)
                return
            text, code, kind = notebook.text, notebook.code, "notebook"
        else:
            text, kind = python_text(raw), "code"
            code = text
        if "\0" in text or not text.strip():
            yield Dropped(file.name, "NUL character in text" if "\0" in text else "empty text", file.name, 0)
            return
        judged = self.wanted.judge(code)
        if isinstance(judged, str):
            yield Dropped(file.name, judged, file.name, 0)
            return
        licence = _SPDX.search(text, 0, 4000)
        provenance = {"source": NAME, "file": file.name} | ({"licence": licence[1]} if licence else {})
        yield Document(file.name, text, {"kind": kind, **judged, "provenance": provenance})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add INPUT and the options of the choice."""
    add_inputs(parser, f"{', '.join(SUFFIXES)} files or folders of them")
    choice.add_arguments(parser)


def from_options(options: argparse.Namespace) -> WholeFiles:
    """Make the source."""
    wanted = choice.from_options(options)
    # A package's tree is full of empty __init__.py.
    choices = CHOICES | {OTHER_LANGUAGE, EMPTY_FILE}
    return WholeFiles(NAME, options.inputs, SUFFIXES, CodeReader(wanted), wanted.settings(), choices)
