"""Reads a slice row by row and survives what it finds: a bad row becomes a ``BadRow`` with its reason, and reading goes on.

Decides: what a readable row is (a JSON object or parquet row), how long and how deep it may be, and what is said of one that is
not readable. Blank lines hold nothing and are passed over; the ``NaN`` that Python writes is null.
Does not: know a row's text (``row_fields.py``), or decide what happens to bad rows; whoever reads counts them and writes them
down.

When a file itself ends badly (truncated gzip or zstd, broken parquet), the rows before are kept, one ``BadRow`` of kind
``unreadable file`` marks the place, and the rest of that file is given up.
"""

import gzip
import json
import os
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from data_tools.in_hand import SetAside, in_hand
from data_tools.inputs import CHUNK_BYTES, InputSlice, suffix_of
from megatron_mathcoder.config.errors import one_line

MAX_LINE_BYTES = 16 * 2**20
"""A longer line is no document but a damaged or mis-joined file. A tokenizer needs about 50 bytes per byte of one text, so this
also bounds a worker's memory, below 1 GB."""

MAX_NESTING = 200
"""Levels of a row. orjson writes 254, and a document's row is put into others."""

UNREADABLE_FILE = "unreadable file"
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

    ``columns`` are names of fields, and let parquet skip the other columns; JSONL always gives whole rows. ``bytes_read`` is how
    far the reader is in the slice's bytes on disk, for progress.
    """

    def __init__(self, piece: InputSlice, columns: list[str] | None = None) -> None:
        self.bytes_read = 0
        self._piece, self._columns = piece, columns

    def __iter__(self) -> Iterator[Row | BadRow]:
        rows = self._parquet_rows() if suffix_of(self._piece.path) == ".parquet" else self._json_rows()
        line_number = self._piece.first_line - 1
        try:
            for row in rows:
                line_number = row.line
                yield row
        except (EOFError, OSError, ValueError, zlib.error, SetAside) as error:
            # An OSError with a number is the machine's (disk, permission), not the file's content.
            if isinstance(error, OSError) and error.errno is not None:
                raise
            yield BadRow(line_number + 1, f"{UNREADABLE_FILE}: {one_line(error)}")
        self.bytes_read = self._piece.bytes

    def _json_rows(self) -> Iterator[Row | BadRow]:
        for line_number, line in enumerate(_lines(self._chunks()), start=self._piece.first_line):
            if line is None:
                yield BadRow(line_number, f"line too long: over {MAX_LINE_BYTES} bytes")
            elif line and not line.isspace():
                yield _parse(line, line_number)

    def _chunks(self) -> Iterator[bytes]:
        path, start, suffix = self._piece.path, self._piece.start, suffix_of(self._piece.path)
        with Path(path).open("rb") as file:
            read: Callable[[int], bytes]
            if suffix == ".gz":
                read = gzip.GzipFile(fileobj=file).read1
            elif suffix == ".zst":
                read = _zstd_read(file)
            else:
                file.seek(start)
                read = file.read
            left = self._piece.end - start if suffix == ".jsonl" else sys.maxsize
            while left > 0 and (chunk := read(min(CHUNK_BYTES, left))):
                left -= len(chunk)
                self.bytes_read = file.tell() - start
                yield chunk

    def _parquet_rows(self) -> Iterator[Row | BadRow]:
        import pyarrow.parquet as pq

        line_number = self._piece.first_line - 1
        with pq.ParquetFile(self._piece.path) as file:
            names = file.schema_arrow.names
            wanted = [each for name in self._columns or () for each in (name, name.split(".")[0])]
            present = None if self._columns is None else [name for name in dict.fromkeys(wanted) if name in names]
            groups = list(range(self._piece.start, self._piece.end))
            rows = sum(file.metadata.row_group(group).num_rows for group in groups)
            batches = file.iter_batches(PARQUET_BATCH_ROWS, row_groups=groups, columns=present)
            while True:
                with in_hand(f"{self._piece.path}: rows after {line_number}"):
                    batch = next(batches, None)
                if batch is None:
                    return
                for value in _batch_values(_in_microseconds(batch)):
                    line_number += 1
                    yield Row(line_number, value) if isinstance(value, dict) else BadRow(line_number, value)
                self.bytes_read = self._piece.bytes * (line_number + 1 - self._piece.first_line) // rows


def _parse(line: bytes, line_number: int) -> Row | BadRow:
    if line_number == 1:
        line = line.removeprefix(b"\xef\xbb\xbf")
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        value = _written_by_python(line)
        if value is None:
            return BadRow(line_number, _why_no_json(line, error))
    if not isinstance(value, dict):
        return BadRow(line_number, f"not a JSON object: {type(value).__name__}")
    if _is_deeper(value, MAX_NESTING):
        return BadRow(line_number, f"nested too deeply: over {MAX_NESTING} levels")
    return Row(line_number, value)


def _written_by_python(line: bytes) -> Any:
    """Return a line that is JSON but for the ``NaN`` and ``Infinity`` that Python writes, these as null; None for another."""
    if b"NaN" not in line and b"Infinity" not in line:
        return None
    try:
        return orjson.loads(orjson.dumps(json.loads(line)))
    except (ValueError, TypeError, RecursionError):
        return None


def _why_no_json(line: bytes, error: orjson.JSONDecodeError) -> str:
    if b"\0" in line:
        return "NUL byte in line"
    try:
        line.decode()
    except UnicodeDecodeError as decode_error:
        return f"invalid UTF-8: byte {decode_error.start + 1} of the line"
    return f"malformed JSON: {one_line(error)}"


def _is_deeper(value: Any, levels: int) -> bool:
    """Say whether a row's objects and lists are nested over more than ``levels``; its strings, however long, cost nothing."""
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(each, levels - 1) for each in inner)


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


def _in_microseconds(batch: Any) -> Any:
    """Return a batch without nanoseconds: they become pandas' objects, which look otherwise, or errors where it is missing."""
    import pyarrow as pa

    for place, field in enumerate(batch.schema):
        if pa.types.is_timestamp(field.type) and field.type.unit == "ns":
            times = batch.column(place).cast(pa.timestamp("us", field.type.tz), safe=False)
            batch = batch.set_column(place, field.name, times)
        elif pa.types.is_duration(field.type) and field.type.unit == "ns":
            batch = batch.set_column(place, field.name, batch.column(place).cast(pa.duration("us"), safe=False))
    return batch


def _batch_values(batch: Any) -> Iterator[dict[str, Any] | str]:
    try:
        yield from batch.to_pylist()
    except (ValueError, OverflowError):
        for index in range(batch.num_rows):
            try:
                yield {name: _python_value(batch.column(place)[index]) for place, name in enumerate(batch.schema.names)}
            except UnicodeDecodeError as error:
                yield f"invalid UTF-8: byte {error.start + 1} of a column"


def _python_value(scalar: Any) -> Any:
    try:
        return scalar.as_py()
    except OverflowError:
        # A time beyond the year 9999, which Python has no date for: the number that the file holds.
        return scalar.value
