r"""Textbooks as LaTeX sources: a document is a main file with all that it inputs, in order.

Decides: a file with ``\documentclass`` (other than ``subfiles``) is a main file; what it reads by ``\input``, ``\include``,
``\subfile``, ``\import`` and their like stands in its place; a file that no main file reads is a document of its own.
Preambles and comments go, mathematics and markup stay. A copied tree whose folders became ``__`` in file names is read too.
The commands that the sources define and the text uses are in ``metadata.commands``, for whoever reads its mathematics.
Does not: expand commands or run TeX. A file that is not there is named in ``metadata.missing_inputs``.
"""

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from data_tools.arguments import add_inputs, add_min_characters
from data_tools.document import Document, Dropped
from data_tools.formulas.find import count_formulas
from data_tools.formulas.latex_source import declared_encoding, decoded, without_comments
from data_tools.formulas.own_commands import Command, defined_commands, group_at, used_commands
from data_tools.inputs import find_files
from data_tools.reading_limit import ReadingStopped, reading_limit
from data_tools.sources.licences import licence_in
from data_tools.sources.repetition import skip_repetitions
from data_tools.sources.whole_files import SourceFile, WholeFiles

NAME = "latex"
SUFFIXES = (".tex", ".ltx")
TOO_SHORT = "too short"
READ_BY_ANOTHER = "part of a main file"
MAX_DEPTH = 20
MAX_FILES = 10_000
MAX_CHARACTERS = 64 * 2**20

_INPUT = re.compile(
    r"\\(?P<command>input|include|subfile|subfileinclude|import|subimport|inputfrom|includefrom|subinputfrom|subincludefrom|olimport)"
    r"\*?\s*(?:\[(?P<optional>[^\]]*)\])?\s*(?:\{(?P<first>[^{}]*)\}(?:\s*\{(?P<second>[^{}]*)\})?|(?P<bare>[\w./-]+))"
)
_TWO_ARGUMENTS = frozenset(["import", "subimport", "inputfrom", "includefrom", "subinputfrom", "subincludefrom"])
_MAIN = re.compile(r"^[^%\n]*\\documentclass\s*(?:\[[^\]]*\])?\s*\{(?!subfiles)", re.MULTILINE)
_BEGIN, _END = re.compile(r"\\begin\{document\}"), re.compile(r"\\end\{document\}")
_BLANK_LINES = re.compile(r"\n[ \t]*\n(?:[ \t]*\n)+")
_TITLE = re.compile(r"\\title\s*(?:\[[^\]]*\]\s*)?(?=\{)")


@dataclass(slots=True)
class _Book:
    """One main file being put together."""

    missing: list[str] = field(default_factory=list)
    read: list[str] = field(default_factory=list)
    commands: dict[str, Command] = field(default_factory=dict)
    characters: int = 0
    encoding: str = ""

    def body(self, path: Path, macros: dict[str, str], depth: int = 0) -> str:
        """Return the text of a file with its inputs in place. Raises ValueError for input without end."""
        raw = path.read_bytes()
        self.encoding = self.encoding or declared_encoding(raw)
        source = without_comments(decoded(raw, self.encoding))
        self.read.append(path.as_posix())
        self.characters += len(source)
        if depth > MAX_DEPTH or len(self.read) > MAX_FILES or self.characters > MAX_CHARACTERS:
            raise ValueError(f"input of over {MAX_FILES} files, {MAX_DEPTH} levels or {MAX_CHARACTERS} characters")
        defined = defined_commands(source)
        self.commands |= defined
        macros = macros | {name: command.text for name, command in defined.items() if not command.arguments}
        begin, end = _BEGIN.search(source), _END.search(source)
        text = source[begin.end() if begin else 0 : end.start() if end else len(source)]
        return _INPUT.sub(lambda match: self._input(match, path, macros, depth), text)

    def _input(self, match: re.Match[str], path: Path, macros: dict[str, str], depth: int) -> str:
        folder, name = match["optional"] or "", match["first"] or match["bare"] or ""
        if match["command"] in _TWO_ARGUMENTS:
            folder, name = match["first"] or "", match["second"] or ""
        for macro, text in macros.items():
            folder, name = folder.replace(macro, text), name.replace(macro, text)
        found = _resolve(path, folder.strip(), name.strip(), self.read[0])
        if found is None:
            self.missing.append(f"{folder}/{name}".strip("/")[:200])
            return ""
        if found.as_posix() in self.read[:1]:
            return ""
        return f"\n{self.body(found, macros, depth + 1)}\n"


def _resolve(path: Path, folder: str, name: str, main: str) -> Path | None:
    """Find an input below the file that names it, below the main file, or under a flattened name (``a__b.tex``)."""
    if not name or "\0" in name:
        return None
    wanted = PurePosixPath(folder) / name
    roots = (path.parent, Path(main).parent)
    stem = path.name.rpartition("__")[0]
    flat = str(wanted).replace("./", "").replace("/", "__")
    flattened = [f"{stem}__{flat}" if stem else flat, flat]
    for root in roots:
        for one in (str(wanted), *flattened):
            for suffix in ("", ".tex"):
                candidate = root / f"{one}{suffix}"
                if candidate.suffix.lower() in SUFFIXES and candidate.is_file():
                    return candidate
    return None


@dataclass(frozen=True, slots=True)
class LatexReader:
    """Reads one main file, or one that no main file reads. ``parts`` are the paths that a main file has read."""

    min_characters: int
    parts: frozenset[str]
    max_bytes: int = 64 * 2**20

    def read(self, file: SourceFile) -> Iterator[Document | Dropped]:
        """Yield the file's document, or why it is dropped. Raises ValueError for input without end."""
        if file.path in self.parts:
            yield Dropped(file.name, READ_BY_ANOTHER, file.name, 0)
            return
        source = decoded(Path(file.path).read_bytes())
        book = _Book()
        text, skipped = skip_repetitions(_BLANK_LINES.sub("\n\n", book.body(Path(file.path), {})).strip())
        if "\0" in text or len(text) < self.min_characters:
            reason = "NUL character in text" if "\0" in text else f"{TOO_SHORT}: {len(text)} characters"
            yield Dropped(file.name, reason, file.name, 0)
            return
        title = _TITLE.search(source)
        about = {
            "title": " ".join((group_at(source, title.end())[0] or "").split())[:300] if title else "",
            "inputs": len(book.read) - 1,
            "missing_inputs": book.missing[:100],
            "repeated_characters_skipped": skipped,
            "commands": used_commands(text, book.commands),
        }
        licence = licence_in(source + text)
        provenance = {"source": NAME, "file": file.name} | ({"licence": licence} if licence else {})
        metadata = {"kind": "textbook", "formulas": count_formulas(text), **{key: value for key, value in about.items() if value}}
        yield Document(file.name, text + "\n", metadata | {"provenance": provenance})


def files_read_by_main_files(paths: list[str]) -> frozenset[str]:
    """Return those of ``paths`` that a main file among them reads."""
    read: set[str] = set()
    for path in paths:
        book = _Book()
        try:
            with reading_limit():
                if _MAIN.search(decoded(Path(path).read_bytes())):
                    book.body(Path(path), {})
        except (OSError, ValueError, ReadingStopped):
            # Reading it as a document will end the same way, and then it is dropped with its reason.
            continue
        read |= {Path(name).resolve().as_posix() for name in book.read[1:]}
    return frozenset(path for path in paths if Path(path).resolve().as_posix() in read)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add INPUT and ``--min-characters``."""
    add_inputs(parser, f"{', '.join(SUFFIXES)} files or folders of them")
    add_min_characters(parser)


def from_options(options: argparse.Namespace) -> WholeFiles:
    """Make the source."""
    parts = files_read_by_main_files(find_files(options.inputs, SUFFIXES))
    reader = LatexReader(options.min_characters, parts)
    settings = {"min_characters": options.min_characters}
    return WholeFiles(NAME, options.inputs, SUFFIXES, reader, settings, frozenset({TOO_SHORT, READ_BY_ANOTHER}))
