"""Reads a slice row by row and survives what it finds: a bad row becomes a ``BadRow`` with its reason, and reading goes on.

Decides: what a readable row is (a JSON object or parquet row with a non-empty string under the text field), how long a line
may be, and what is said of one that is not readable. Blank lines hold nothing and are passed over.
Does not: decide what happens to bad rows; whoever reads counts them and writes them down.

When a file itself ends badly (truncated gzip or zstd, broken parquet), the rows before are kept, one ``BadRow`` of kind
``unreadable file`` marks the place, and the rest of that file is given up.
"""

import gzip
import itertools
import os
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from data_tools.document import reason_kind
from data_tools.in_hand import SetAside, in_hand
from data_tools.inputs import CHUNK_BYTES, InputSlice
from megatron_mathcoder.config.errors import DataError

MAX_LINE_BYTES = 16 * 2**20
"""A longer line is no document but a damaged or mis-joined file. A tokenizer needs about 50 bytes per byte of one text, so this
also bounds a worker's memory, below 1 GB."""

FIRST_ROWS = 100
"""Rows in which the text field must be found at least once."""

UNREADABLE_FILE = "unreadable file"
MISSING_FIELD = "missing field"
NOT_A_STRING = "text is not a string"
PARQUET_BATCH_ROWS = 512


@dataclass(frozen=True, slots=True)
class Row:
    """A readable row. ``line`` is 1-based; ``value`` is the parsed object."""

    line: int
    value: dict[str, Any]


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be read, or whose text cannot be used, and why."""

    line: int
    reason: str

    def to_json_line(self, file: str) -> bytes:
        """Return the row of a ``.rejected.jsonl`` file."""
        row = {"file": file, "line": self.line, "reason": self.reason}
        return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)


class RowReader:
    """Iterates over the rows of a slice in order.

    ``columns`` lets parquet skip the other columns; JSONL always gives whole rows. ``bytes_read`` is how far the reader is in
    the slice's bytes on disk, for progress.
    """

    def __init__(self, piece: InputSlice, columns: list[str] | None = None) -> None:
        self.bytes_read = 0
        self._piece, self._columns = piece, columns

    def __iter__(self) -> Iterator[Row | BadRow]:
        rows = self._parquet_rows() if self._piece.path.endswith(".parquet") else self._json_rows()
        line_number = self._piece.first_line - 1
        try:
            for row in rows:
                line_number = row.line
                yield row
        except (EOFError, OSError, ValueError, zlib.error, SetAside) as error:
            # An OSError with a number is the machine's (disk, permission), not the file's content.
            if isinstance(error, OSError) and error.errno is not None:
                raise
            yield BadRow(line_number + 1, f"{UNREADABLE_FILE}: {_one_line(error)}")
        self.bytes_read = self._piece.bytes

    def _json_rows(self) -> Iterator[Row | BadRow]:
        for line_number, line in enumerate(_lines(self._chunks()), start=self._piece.first_line):
            if line is None:
                yield BadRow(line_number, f"line too long: over {MAX_LINE_BYTES} bytes")
            elif line and not line.isspace():
                yield _parse(line, line_number)

    def _chunks(self) -> Iterator[bytes]:
        path, start = self._piece.path, self._piece.start
        with Path(path).open("rb") as file:
            read: Callable[[int], bytes]
            if path.endswith(".gz"):
                read = gzip.GzipFile(fileobj=file).read1
            elif path.endswith(".zst"):
                read = _zstd_read(file)
            else:
                file.seek(start)
                read = file.read
            left = self._piece.end - start if path.endswith(".jsonl") else sys.maxsize
            while left > 0 and (chunk := read(min(CHUNK_BYTES, left))):
                left -= len(chunk)
                self.bytes_read = file.tell() - start
                yield chunk

    def _parquet_rows(self) -> Iterator[Row | BadRow]:
        import pyarrow.parquet as pq

        line_number = self._piece.first_line - 1
        with pq.ParquetFile(self._piece.path) as file:
            names = file.schema_arrow.names
            present = None if self._columns is None else [name for name in self._columns if name in names]
            groups = list(range(self._piece.start, self._piece.end))
            rows = sum(file.metadata.row_group(group).num_rows for group in groups)
            batches = file.iter_batches(PARQUET_BATCH_ROWS, row_groups=groups, columns=present)
            while True:
                with in_hand(f"{self._piece.path}: rows after {line_number}"):
                    batch = next(batches, None)
                if batch is None:
                    return
                for value in _batch_values(batch):
                    line_number += 1
                    yield Row(line_number, value) if isinstance(value, dict) else BadRow(line_number, value)
                self.bytes_read = self._piece.bytes * (line_number + 1 - self._piece.first_line) // rows


def text_of(row: Row, text_field: str) -> str | BadRow:
    """Return the row's text, found by a name with dots for nested fields, or a ``BadRow`` that says what was there instead."""
    value: Any = row.value
    for key in text_field.split("."):
        if not isinstance(value, dict) or key not in value:
            return BadRow(row.line, f"{MISSING_FIELD}: no {text_field!r} among {_field_names(row.value)}")
        value = value[key]
    if not isinstance(value, str):
        return BadRow(row.line, f"{NOT_A_STRING}: {text_field!r} is {type(value).__name__}")
    if not value or value.isspace():
        return BadRow(row.line, "empty text")
    if "\0" in value:
        # Tools that end strings at NUL would drop the rest of the document without a word.
        return BadRow(row.line, "NUL character in text")
    return value


def check_text_field(piece: InputSlice, text_field: str) -> None:
    """Raise DataError when none of the first rows has the field: a mistyped name should not cost a whole run."""
    found = [text_of(row, text_field) for row in itertools.islice(RowReader(piece), FIRST_ROWS) if isinstance(row, Row)]
    wrong = [text for text in found if isinstance(text, BadRow) and reason_kind(text.reason) in (MISSING_FIELD, NOT_A_STRING)]
    if wrong and len(wrong) == len(found):
        raise DataError(
            f"none of the first {len(found)} rows of {piece.path} has a text ({wrong[0].reason}); name it with --text-field"
        )


def _field_names(value: dict[str, Any]) -> str:
    names = sorted(value)
    return ", ".join(name[:40] for name in names[:8]) + (", …" if len(names) > 8 else "") if names else "no fields"


def _parse(line: bytes, line_number: int) -> Row | BadRow:
    if line_number == 1:
        line = line.removeprefix(b"\xef\xbb\xbf")
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        if b"\0" in line:
            return BadRow(line_number, "NUL byte in line")
        try:
            line.decode()
        except UnicodeDecodeError as decode_error:
            return BadRow(line_number, f"invalid UTF-8: byte {decode_error.start + 1} of the line")
        return BadRow(line_number, f"malformed JSON: {_one_line(error)}")
    if not isinstance(value, dict):
        return BadRow(line_number, f"not a JSON object: {type(value).__name__}")
    return Row(line_number, value)


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes | None]:
    """Cut chunks at newlines; ``None`` stands for a line over the limit, whose bytes are let go as they come."""
    pending: list[bytes] = []
    size = 0
    for chunk in chunks:
        *whole, rest = chunk.split(b"\n")
        for piece in whole:
            pending.append(piece)
            size += len(piece)
            yield b"".join(pending) if size <= MAX_LINE_BYTES else None
            pending, size = [], 0
        size += len(rest)
        if size <= MAX_LINE_BYTES:
            pending.append(rest)
        else:
            pending = []
    if size:
        yield b"".join(pending) if size <= MAX_LINE_BYTES else None


def _zstd_read(file: BinaryIO) -> Callable[[int], bytes]:
    # pyarrow, because zstandard's stream_reader takes a truncated frame for the end of the file, without an error.
    import pyarrow as pa

    if file.seek(0, os.SEEK_END) == 0:
        return lambda size: b""
    file.seek(0)
    return pa.CompressedInputStream(pa.PythonFile(file, "rb"), "zstd").read


def _batch_values(batch: Any) -> Iterator[dict[str, Any] | str]:
    try:
        yield from batch.to_pylist()
    except UnicodeDecodeError:
        for index in range(batch.num_rows):
            try:
                yield batch.slice(index, 1).to_pylist()[0]
            except UnicodeDecodeError as error:
                yield f"invalid UTF-8: byte {error.start + 1} of a column"


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
