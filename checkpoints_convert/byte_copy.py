"""Carry out byte copies, in either direction, as fast as the file system copies files and with constant memory.

Decides: how bytes move: ``copy_file_range`` where rows are whole on both sides, scattered reads and gathered writes where the
Megatron side is split by columns. Does not: decide what goes where (``copy_plan``), or create files.
"""

import errno
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import xxhash

from checkpoints_convert.copy_plan import Copy
from checkpoints_convert.nonfinite import FiniteCheck
from megatron_mathcoder.config.errors import CheckpointError

BUFFER_BYTES = 1 << 18
"""Of one read or write; small enough to stay in a core's own cache."""
CALL_BYTES = 1 << 27
"""Of one ``copy_file_range`` call; an interrupt waits no longer than this takes."""
MOST_PIECES = 512
"""Buffers in one scattered read; Linux allows 1024."""
NO_KERNEL_COPY = (errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


class OpenFiles:
    """File descriptors by path: sources read-only, targets (which must exist) read and write."""

    def __init__(self, targets: Sequence[Path] = ()) -> None:
        """Files not in ``targets`` are opened read-only."""
        self._targets = frozenset(targets)
        self._descriptors: dict[Path, int] = {}

    def __enter__(self) -> Self:
        """Nothing is open yet."""
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        """Close all."""
        for descriptor in self._descriptors.values():
            os.close(descriptor)

    def descriptor(self, path: Path) -> int:
        """Open on first use."""
        if path not in self._descriptors:
            self._descriptors[path] = os.open(path, os.O_RDWR if path in self._targets else os.O_RDONLY)
        return self._descriptors[path]


def carry(copy: Copy, files: OpenFiles, *, to_hf: bool) -> None:
    """Carry out one copy. Raises ``CheckpointError`` when a source ends early."""
    hf = files.descriptor(copy.hf_path)
    parts = [(files.descriptor(path), offset, width) for path, offset, width in copy.parts]
    if len(parts) == 1:
        (megatron, offset, width) = parts[0]
        source, target = (megatron, hf) if to_hf else (hf, megatron)
        starts = (offset, copy.hf_offset) if to_hf else (copy.hf_offset, offset)
        copy_range(source, starts[0], target, starts[1], width * copy.rows)
    elif to_hf:
        _join_columns(copy, hf, parts)
    else:
        _split_columns(copy, hf, parts)


def copy_range(source: int, source_offset: int, target: int, target_offset: int, count: int) -> None:
    """Copy ``count`` bytes between descriptors, inside the kernel where the file system can."""
    done, in_kernel = 0, hasattr(os, "copy_file_range")
    while done < count:
        here, there = source_offset + done, target_offset + done
        try:
            if in_kernel:
                moved = os.copy_file_range(source, target, min(count - done, CALL_BYTES), here, there)
            else:
                moved = _write_all(target, [memoryview(os.pread(source, min(count - done, BUFFER_BYTES), here))], there)
        except OSError as error:
            if not in_kernel or error.errno not in NO_KERNEL_COPY:
                raise
            in_kernel = False
            continue
        if moved == 0:
            raise CheckpointError(f"a source file ended {count - done} bytes early; it is cut or was changed, get it again")
        done += moved


def _band(rows: int, parts: Sequence[tuple[int, int, int]], row_bytes: int) -> int:
    """Rows handled at once when rows are split into ``parts``."""
    return max(1, min(rows, BUFFER_BYTES // row_bytes, MOST_PIECES // len(parts)))


def _interleaved(buffers: list[memoryview], widths: list[int], rows: int) -> list[memoryview]:
    """The buffers' rows in turn: row 0 of each, row 1 of each, …"""
    return [buffer[row * width : (row + 1) * width] for row in range(rows) for buffer, width in zip(buffers, widths, strict=True)]


def _split_columns(copy: Copy, hf: int, parts: list[tuple[int, int, int]]) -> None:
    """Whole rows of the Hugging Face file go to one dense block for each part."""
    widths = [width for *_, width in parts]
    band = _band(copy.rows, parts, sum(widths))
    buffers = [memoryview(bytearray(band * width)) for width in widths]
    views = _interleaved(buffers, widths, band)
    for row in range(0, copy.rows, band):
        rows = min(band, copy.rows - row)
        _read_all(hf, views[: rows * len(parts)], copy.hf_offset + row * sum(widths))
        for (descriptor, offset, width), buffer in zip(parts, buffers, strict=True):
            _write_all(descriptor, [buffer[: rows * width]], offset + row * width)


def _join_columns(copy: Copy, hf: int, parts: list[tuple[int, int, int]]) -> None:
    """The inverse of ``_split_columns``."""
    offset = copy.hf_offset
    for views in _joined_rows(copy, parts):
        offset += _write_all(hf, views, offset)


def _joined_rows(copy: Copy, parts: list[tuple[int, int, int]]) -> Iterator[list[memoryview]]:
    """The whole rows of a matrix stored in column blocks, band by band; a band's views are overwritten by the next."""
    widths = [width for *_, width in parts]
    band = _band(copy.rows, parts, sum(widths))
    buffers = [memoryview(bytearray(band * width)) for width in widths]
    views = _interleaved(buffers, widths, band)
    for row in range(0, copy.rows, band):
        rows = min(band, copy.rows - row)
        for (descriptor, offset, width), buffer in zip(parts, buffers, strict=True):
            _read_all(descriptor, [buffer[: rows * width]], offset + row * width)
        yield views[: rows * len(parts)]


def _read_all(descriptor: int, views: list[memoryview], offset: int) -> None:
    """Fill all views from ``offset`` on."""
    wanted = sum(map(len, views))
    got = os.preadv(descriptor, views, offset)
    while got < wanted:
        rest = _after(views, got)
        more = os.preadv(descriptor, rest, offset + got)
        if more == 0:
            raise CheckpointError(f"a source file ended {wanted - got} bytes early; it is cut or was changed, get it again")
        got += more


def _write_all(descriptor: int, views: list[memoryview], offset: int) -> int:
    """Write all views from ``offset`` on; returns their bytes."""
    wanted = sum(map(len, views))
    put = os.pwritev(descriptor, views, offset)
    while put < wanted:
        put += os.pwritev(descriptor, _after(views, put), offset + put)
    return wanted


def _after(views: list[memoryview], count: int) -> list[memoryview]:
    """What is left of the views after their first ``count`` bytes."""
    rest = []
    for view in views:
        if count < len(view):
            rest.append(view[count:])
        count = max(0, count - len(view))
    return rest


def digest_range(path: Path, offset: int, count: int, check: FiniteCheck | None = None) -> str:
    """xxh3-128 of a byte range, hexadecimal; ``check`` sees the bytes too.

    Raises ``CheckpointError`` when the file ends early or the check fails.
    """
    digest = xxhash.xxh3_128()
    with OpenFiles() as files:
        _feed(digest, files.descriptor(path), offset, count, check)
    return digest.hexdigest()


def digest_gathered(copies: Sequence[Copy]) -> str:
    """xxh3-128 of a tensor's bytes in Hugging Face order, read from the Megatron side of its copies."""
    digest = xxhash.xxh3_128()
    with OpenFiles() as files:
        for copy in copies:
            parts = [(files.descriptor(path), offset, width) for path, offset, width in copy.parts]
            if len(parts) == 1:
                (descriptor, offset, width) = parts[0]
                _feed(digest, descriptor, offset, copy.rows * width)
                continue
            for views in _joined_rows(copy, parts):
                for view in views:
                    digest.update(view)
    return digest.hexdigest()


def _feed(digest: xxhash.xxh3_128, descriptor: int, offset: int, count: int, check: FiniteCheck | None = None) -> None:
    buffer = memoryview(bytearray(min(count, BUFFER_BYTES)))
    for done in range(0, count, BUFFER_BYTES):
        view = buffer[: min(len(buffer), count - done)]
        _read_all(descriptor, [view], offset + done)
        digest.update(view)
        if check is not None:
            check.feed(view)
