"""Where a tensor's bytes lie: a matrix, tiled by dense rectangles of files.

Decides: the one view both sides share. A tensor is a matrix of rows; a layer axis is folded into the rows; a vector is a matrix
with one element a row. What a checkpoint stores of it is a set of ``Block``s.
Does not: know names, families or file formats.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from pathlib import Path

from checkpoints_convert.dtypes import DTYPES
from megatron_mathcoder.config.errors import CheckpointError


@dataclass(frozen=True, slots=True)
class Block:
    """Rows ``[row, row + rows)`` and byte columns ``[column, column + width)`` of a matrix, dense at ``path[offset:]``."""

    row: int
    rows: int
    column: int
    width: int
    path: Path
    offset: int


@dataclass(frozen=True, slots=True)
class Strip:
    """All bytes of some rows: ``parts`` are (file, offset, bytes per row), left to right, each dense over the rows."""

    row: int
    rows: int
    parts: tuple[tuple[Path, int, int], ...]


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor and its place on disk. ``shape`` is the stored shape, layer axis included; ``rows × row_bytes`` its matrix."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    rows: int
    row_bytes: int
    blocks: tuple[Block, ...]

    def strips(self, start: int, stop: int) -> Iterator[Strip]:
        """Cut rows ``[start, stop)`` where the stored blocks begin and end.

        Raises ``CheckpointError`` when some byte of these rows is stored nowhere or twice.
        """
        blocks = [block for block in self.blocks if block.row < stop and block.row + block.rows > start]
        edges = {start, stop} | {edge for block in blocks for edge in (block.row, block.row + block.rows)}
        for low, high in pairwise(sorted(edge for edge in edges if start <= edge <= stop)):
            across = sorted(
                (block for block in blocks if block.row <= low < block.row + block.rows), key=lambda block: block.column
            )
            column = 0
            for block in across:
                if block.column != column:
                    break
                column += block.width
            if column != self.row_bytes or sum(block.width for block in across) != column:
                raise CheckpointError(
                    f"{self.name}: rows {low} to {high} are not stored exactly once; the checkpoint is torn, use another one"
                )
            parts = tuple((block.path, block.offset + (low - block.row) * block.width, block.width) for block in across)
            yield Strip(low, high - low, parts)


def matrix(shape: tuple[int, ...], dtype: str, layers: int) -> tuple[int, int]:
    """(rows, bytes per row) of a stored shape; ``layers`` is the length of a leading layer axis, 0 = there is none."""
    own = shape[1:] if layers else shape
    columns = own[1] if len(own) == 2 else 1
    return prod(shape) // columns if columns else 0, columns * DTYPES[dtype].item_bytes
