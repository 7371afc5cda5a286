"""Parts on disk: their names, their size, and how one appears whole or not at all.

Decides: a file is written beside its final name, synced and renamed; documents are zstd-compressed JSONL, dropped rows plain
JSONL (they are few, and a person opens them with ``less``); a part of documents holds at most ``MAX_PART_BYTES`` of rows.
Does not: know what a row means, or which parts are finished (``partial_folder.py``).
"""

import errno
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import orjson
import zstandard

MAX_PART_BYTES = 256 * 2**20
"""Bytes of uncompressed rows after which a new part is begun."""

COPY_BYTES = 2**18
"""What fits a core's cache: a file is copied in half the time that blocks of 8 MB take."""

ZSTD_LEVEL = 1
"""430 MB/s per core, to 28 % of the size of source code and LaTeX; level 3 makes 25 % of it, at 200 MB/s."""


def part_name(slice_index: int, piece: int, suffix: str) -> str:
    """Return ``part-00012-000.jsonl.zst``: input slice 12, its first piece. Names sort in reading order up to 100,000 slices."""
    return f"part-{slice_index:05d}-{piece:03d}{suffix}"


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` durable; without it a rename can be lost by a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a binary file that gets its name only after its bytes are on disk; on an exception nothing is left.

    The temporary name carries the process id, so that a survivor of a killed run cannot write into a new run's file.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb", buffering=2**20) as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT) and error.filename is None:
            # A full disk is noticed by write and fsync, which do not know the name that a person needs.
            error.filename = str(path)
        raise
    sync_folder(path.parent)


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write ``value`` atomically as indented JSON, so that a person can read it."""
    with atomic_file(path) as stream:
        stream.write(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def blocks(path: Path) -> Iterator[bytes]:
    """Yield a file's bytes in blocks of ``COPY_BYTES``."""
    with path.open("rb") as stream:
        while block := stream.read(COPY_BYTES):
            yield block


def concatenate(path: Path, pieces: Sequence[Path]) -> None:
    """Write ``path`` atomically as its pieces one after the other."""
    with atomic_file(path) as stream:
        for piece in pieces:
            with piece.open("rb") as source:
                shutil.copyfileobj(source, stream, COPY_BYTES)


def remove_temporary_files(folder: Path) -> None:
    """Remove what ``kill -9`` left of unfinished files below ``folder``; only when nobody writes there any more."""
    for path in folder.rglob(".*.tmp"):
        path.unlink(missing_ok=True)


class PartWriter:
    """Writes the JSON lines of one input slice to ``folder/part-SLICE-PIECE`` + ``suffix``; begins a new piece when one is full.

    A slice of plain JSONL fits one piece; a compressed file, which cannot be cut before it is read, may need several. A slice
    without rows leaves no part. ``parts`` lists what was written: name, rows, row_bytes (uncompressed). A suffix that ends in
    ``.zst`` compresses.
    """

    def __init__(self, folder: Path, slice_index: int, suffix: str) -> None:
        self._folder, self._slice_index, self._suffix = folder, slice_index, suffix
        self._piece = ExitStack()
        self._sink: Any = None
        self.parts: list[dict[str, Any]] = []

    def write(self, json_line: bytes) -> None:
        """Append one row: JSON that ends with a newline."""
        if self._sink is None or self.parts[-1]["row_bytes"] + len(json_line) > MAX_PART_BYTES:
            self._begin_piece()
        self._sink.write(json_line)
        self.parts[-1]["rows"] += 1
        self.parts[-1]["row_bytes"] += len(json_line)

    @property
    def rows(self) -> int:
        """Rows written so far, over all pieces."""
        return sum(part["rows"] for part in self.parts)

    def _begin_piece(self) -> None:
        self._piece.close()
        name = part_name(self._slice_index, len(self.parts), self._suffix)
        self._sink = self._piece.enter_context(atomic_file(self._folder / name))
        if self._suffix.endswith(".zst"):
            compressor = zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_checksum=True)
            self._sink = self._piece.enter_context(compressor.stream_writer(self._sink, closefd=False))
        self.parts.append({"name": name, "rows": 0, "row_bytes": 0})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._piece.__exit__(kind, error, traceback)
