"""Carry out byte copies, in either direction, as fast as the file system copies files and with constant memory.

Decides: how bytes move: through one small buffer, its writes ending on multiples of its size, so that the page cache is filled
in whole pages wherever a tensor begins. (``copy_file_range`` takes 1.5 times as long once offsets are not multiples of a page;
see DECISIONS.md.) While a tensor's bytes are in that buffer they are digested and looked at, so that they are read once.
Where the Megatron side is split by columns, rows are put together or apart in a second buffer.
Does not: decide what goes where (``copy_plan``), or create files.
"""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import xxhash

from checkpoints_convert.copy_plan import Copy
from checkpoints_convert.nonfinite import FiniteCheck
from megatron_mathcoder.config.errors import CheckpointError

if TYPE_CHECKING:
    import numpy

BUFFER_BYTES = 1 << 17
"""Of one read or write; small enough to stay in a core's own cache."""
BAND_BYTES = 1 << 20
"""Of whole rows put together or apart at once, so that each of 8 column blocks still gets ``BUFFER_BYTES``."""

See = Callable[[memoryview], None]


class OpenFiles:
    """File descriptors by path, for several threads: sources read-only, targets (which must exist) read and write."""

    def __init__(self, targets: Sequence[Path] = ()) -> None:
        """Files not in ``targets`` are opened read-only."""
        self._targets = frozenset(targets)
        self._descriptors: dict[Path, int] = {}
        self._opening = threading.Lock()

    def __enter__(self) -> Self:
        """Nothing is open yet."""
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        """Close all."""
        for descriptor in self._descriptors.values():
            os.close(descriptor)

    def descriptor(self, path: Path) -> int:
        """Open on first use."""
        with self._opening:
            if path not in self._descriptors:
                self._descriptors[path] = os.open(path, os.O_RDWR if path in self._targets else os.O_RDONLY)
            return self._descriptors[path]


class PassingBytes:
    """What is noticed of a tensor's bytes on their way, in the order of the Hugging Face side: their digest, and NaN."""

    def __init__(self, start: int, check: FiniteCheck | None) -> None:
        """``start`` is where the tensor begins in the Hugging Face file."""
        self.position, self._check, self._digest = start, check, xxhash.xxh3_128()

    def feed(self, view: memoryview) -> None:
        """See the next bytes. Raises ``CheckpointError`` when the check fails."""
        self._digest.update(view)
        if self._check is not None:
            self._check.feed(view)
        self.position += len(view)

    def digest(self) -> str:
        """xxh3-128 of what was seen, hexadecimal."""
        return self._digest.hexdigest()


def carry(copies: Sequence[Copy], files: OpenFiles, *, to_hf: bool, check: FiniteCheck | None = None) -> str:
    """Carry out the copies that make up one tensor, in the order of its rows. Returns the xxh3-128 of its bytes, hexadecimal.

    Where ranks store the same tensor, the copies of the second follow those of the first, and the digest is that of the first.
    Raises ``CheckpointError`` when a source ends early or ``check``, which sees the bytes in order, fails.
    """
    passing = PassingBytes(copies[0].hf_offset, check)
    for copy in copies:
        _carry_rows(copy, files, to_hf, passing.feed if copy.hf_offset == passing.position else _unseen)
    return passing.digest()


def _unseen(view: memoryview) -> None:
    """These bytes passed before, on their way to another rank."""


def _carry_rows(copy: Copy, files: OpenFiles, to_hf: bool, see: See) -> None:
    hf = files.descriptor(copy.hf_path)
    parts = [(files.descriptor(path), offset, width) for path, offset, width in copy.parts]
    if len(parts) == 1:
        (megatron, offset, width) = parts[0]
        source, target = (megatron, hf) if to_hf else (hf, megatron)
        starts = (offset, copy.hf_offset) if to_hf else (copy.hf_offset, offset)
        copy_range(source, starts[0], target, starts[1], width * copy.rows, see)
    elif to_hf:
        offset = copy.hf_offset
        for whole in _joined_rows(copy.rows, parts):
            see(whole)
            offset += _write_all(hf, whole, offset)
    else:
        _split_columns(copy, hf, parts, see)


def copy_range(source: int, source_offset: int, target: int, target_offset: int, count: int, see: See = _unseen) -> None:
    """Copy ``count`` bytes between descriptors; ``see`` is given them in order, before they are written."""
    buffer, done = memoryview(bytearray(min(count, BUFFER_BYTES))), 0
    while done < count:
        to_boundary = BUFFER_BYTES - (target_offset + done) % BUFFER_BYTES
        view = buffer[: min(to_boundary, count - done)]
        _read_all(source, view, source_offset + done)
        see(view)
        done += _write_all(target, view, target_offset + done)


def _bands(rows: int, row_bytes: int) -> Iterator[tuple[int, int]]:
    """(first row, rows) of what is handled at once."""
    band = max(1, min(rows, BAND_BYTES // row_bytes))
    for row in range(0, rows, band):
        yield row, min(band, rows - row)


def _split_columns(copy: Copy, hf: int, parts: Sequence[tuple[int, int, int]], see: See) -> None:
    """Whole rows of the Hugging Face file go to one dense block for each part."""
    row_bytes = sum(width for *_, width in parts)
    for row, rows in _bands(copy.rows, row_bytes):
        whole = _matrix(rows, row_bytes)
        _read_all(hf, whole.data.cast("B"), copy.hf_offset + row * row_bytes)
        see(whole.data.cast("B"))
        column = 0
        for descriptor, offset, width in parts:
            block = _matrix(rows, width)
            block[:] = whole[:, column : column + width]
            _write_all(descriptor, block.data.cast("B"), offset + row * width)
            column += width


def _joined_rows(all_rows: int, parts: Sequence[tuple[int, int, int]]) -> Iterator[memoryview]:
    """The whole rows of a matrix stored in column blocks, band by band."""
    row_bytes = sum(width for *_, width in parts)
    for row, rows in _bands(all_rows, row_bytes):
        whole, column = _matrix(rows, row_bytes), 0
        for descriptor, offset, width in parts:
            block = _matrix(rows, width)
            _read_all(descriptor, block.data.cast("B"), offset + row * width)
            whole[:, column : column + width] = block
            column += width
        yield whole.data.cast("B")


def _matrix(rows: int, row_bytes: int) -> "numpy.ndarray":
    """Rows of bytes, not set."""
    # 20 MB and 0.1 s that --help and small errors need not spend.
    import numpy

    return numpy.empty((rows, row_bytes), numpy.uint8)


def _read_all(descriptor: int, view: memoryview, offset: int) -> None:
    """Fill the view from ``offset`` on."""
    got = 0
    while got < len(view):
        more = os.preadv(descriptor, [view[got:]], offset + got)
        if more == 0:
            raise CheckpointError(f"a source file ended {len(view) - got} bytes early; it is cut or was changed, get it again")
        got += more


def _write_all(descriptor: int, view: memoryview, offset: int) -> int:
    """Write the view from ``offset`` on; returns its bytes."""
    put = 0
    while put < len(view):
        put += os.pwrite(descriptor, view[put:], offset + put)
    return put


def digest_range(path: Path, offset: int, count: int) -> str:
    """xxh3-128 of a byte range, hexadecimal. Raises ``CheckpointError`` when the file ends early."""
    digest = xxhash.xxh3_128()
    with OpenFiles() as files:
        _digest(digest, files.descriptor(path), offset, count)
    return digest.hexdigest()


def digest_gathered(copies: Sequence[Copy]) -> str:
    """xxh3-128 of a tensor's bytes in Hugging Face order, read from the Megatron side of its copies."""
    digest = xxhash.xxh3_128()
    with OpenFiles() as files:
        for copy in copies:
            parts = [(files.descriptor(path), offset, width) for path, offset, width in copy.parts]
            if len(parts) == 1:
                (descriptor, offset, width) = parts[0]
                _digest(digest, descriptor, offset, copy.rows * width)
                continue
            for whole in _joined_rows(copy.rows, parts):
                digest.update(whole)
    return digest.hexdigest()


def _digest(digest: xxhash.xxh3_128, descriptor: int, offset: int, count: int) -> None:
    buffer = memoryview(bytearray(min(count, BUFFER_BYTES)))
    for done in range(0, count, BUFFER_BYTES):
        view = buffer[: min(len(buffer), count - done)]
        _read_all(descriptor, view, offset + done)
        digest.update(view)
