"""Sources whose documents are whole files: a page, a notebook, a book.

Decides: the order (arguments as given, a folder's files by path), which files a worker reads together, and that a file which is
empty, too large or unreadable is dropped with its reason while the run goes on.
Does not: know a format. A ``FileReader`` turns one file into documents.

A folder may hold a million files, so the manifest has one entry per INPUT: number of files, bytes, and a hash over all names and
contents.
"""

import errno
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from data_tools.document import Document, Dropped
from data_tools.in_hand import in_hand
from data_tools.inputs import files_by_input, grouped, shown
from data_tools.parts import blocks
from data_tools.progress import Progress
from data_tools.reading_limit import ReadingStopped, reading_limit
from megatron_mathcoder.config.errors import one_line

EMPTY_FILE = "empty file"
MIN_SLICE_BYTES = 2 * 2**20
MAX_SLICE_BYTES = 64 * 2**20
UNREADABLE = (errno.EACCES, errno.EPERM, errno.ENOENT, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG)
"""What the system says of one file; another error is the machine's, and ends the run."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file, under the path by which it was found."""

    path: str
    bytes: int

    @property
    def name(self) -> str:
        """The path as text: its document's id, also where the file system's names are no UTF-8."""
        return shown(self.path)


class FileReader(Protocol):
    """Turns a file into documents; picklable."""

    @property
    def max_bytes(self) -> int:
        """A larger file is dropped unread."""

    def read(self, file: SourceFile) -> Iterator[Document | Dropped]:
        """Yield what is in the file. What it raises about the content (ValueError and the like) drops the rest of the file."""


@dataclass(frozen=True, slots=True)
class FileSlice:
    """Some files, read one after the other."""

    files: tuple[SourceFile, ...]
    reader: FileReader

    @property
    def bytes(self) -> int:
        """Total size of the files."""
        return sum(file.bytes for file in self.files)

    def documents(self, report_bytes: Callable[[int], None]) -> Iterator[Document | Dropped]:
        """Yield what the files hold; each file yields at least one item."""
        done = 0
        for file in self.files:
            yield from self._documents_of(file)
            done += file.bytes
            report_bytes(done)

    def _documents_of(self, file: SourceFile) -> Iterator[Document | Dropped]:
        name = file.name
        if file.bytes == 0:
            yield Dropped(name, EMPTY_FILE, name, 0)
        elif file.bytes > self.reader.max_bytes:
            yield Dropped(name, f"file too large: over {self.reader.max_bytes} bytes", name, 0)
        else:
            try:
                with reading_limit(), in_hand(file.path):
                    items = list(self.reader.read(file))
            except OSError as error:
                if error.errno not in UNREADABLE and error.errno is not None:
                    raise
                yield Dropped(name, f"unreadable file: {error.strerror or error}", name, 0)
            except ReadingStopped as stopped:
                yield Dropped(name, f"reading stopped: {stopped}", name, 0)
            except (ValueError, LookupError, ArithmeticError, RecursionError, MemoryError) as error:
                yield Dropped(name, f"unreadable content: {type(error).__name__}: {one_line(error)}", name, 0)
            else:
                yield from items or [Dropped(name, "no documents in file", name, 0)]


class WholeFiles:
    """Source of the files with one of ``suffixes`` that ``inputs`` name, each read by ``reader``.

    ``settings`` are the reader's, for the manifest. Raises DataError when an input cannot be found (see ``files_by_input``).
    """

    def __init__(
        self,
        name: str,
        inputs: Sequence[str],
        suffixes: Sequence[str],
        reader: FileReader,
        settings: dict[str, Any],
        choices: frozenset[str],
    ) -> None:
        found = files_by_input(inputs, suffixes)
        groups = [[SourceFile(path, Path(path).stat().st_size) for path in paths] for paths in found]
        self.settings: dict[str, Any] = {"source": name, **settings}
        self.inputs = _manifest_entries(inputs, groups)
        self.slices = group_files([file for group in groups for file in group], reader)
        self.choices = choices


def group_files(files: Sequence[SourceFile], reader: FileReader) -> list[FileSlice]:
    """Cut a list of files into slices of about a thousandth of the whole, within limits that fit a few seconds of work."""
    slice_bytes = min(max(sum(file.bytes for file in files) // 1000, MIN_SLICE_BYTES), MAX_SLICE_BYTES)
    return [FileSlice(group, reader) for group in grouped(files, lambda file: file.bytes, slice_bytes)]


def _manifest_entries(inputs: Sequence[str], groups: list[list[SourceFile]]) -> list[dict[str, Any]]:
    total = sum(file.bytes for group in groups for file in group)
    entries: list[dict[str, Any]] = []
    done = count = 0
    with Progress("reading inputs", total, "files") as progress:
        for name, group in zip(inputs, groups, strict=True):
            digest = hashlib.sha256()
            for file in group:
                digest.update(os.fsencode(file.path) + b"\0" + _content_hash(file.path))
                done, count = done + file.bytes, count + 1
                progress.show(done, count)
            size = sum(file.bytes for file in group)
            entries.append({"path": shown(name), "files": len(group), "bytes": size, "sha256": digest.hexdigest()})
    return entries


def _content_hash(path: str) -> bytes:
    digest = hashlib.sha256()
    try:
        for block in blocks(Path(path)):
            digest.update(block)
    except OSError as error:
        if error.errno not in UNREADABLE:
            raise
        # Reading it as a document will fail the same way, and then it is dropped with its reason.
        return b"unreadable"
    return digest.digest()
