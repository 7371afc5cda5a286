"""Writes Megatron's indexed dataset, ``PREFIX.bin`` and ``PREFIX.idx``, without torch and in bounded memory.

Decides: one sequence per document; the integer type; how the slices' ids and lengths become the two files.
Does not: tokenize, or read a dataset back (megatron-core's ``IndexedDataset`` does).

``PREFIX.bin`` is the token ids of all documents one after the other, little-endian, nothing between them.

``PREFIX.idx``, little-endian, as ``megatron/core/datasets/indexed_dataset.py`` (0.16.1) reads it; n sequences:

=========  ===============  ============================================================
offset     type             content
=========  ===============  ============================================================
0          9 bytes          ``MMIDIDX\\0\\0``
9          uint64           version, 1
17         uint8            type of the ids: 4 int32, 8 uint16
18         uint64           n
26         uint64           entries of the document index, n + 1
34         n × int32        tokens of each sequence
34 + 4n    n × int64        byte offset of each sequence in ``.bin``
34 + 12n   (n + 1) × int64  document index: document i is sequences [d[i], d[i+1])
=========  ===============  ============================================================
"""

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data_tools.parts import COPY_BYTES, atomic_file, blocks

MAGIC = b"MMIDIDX\x00\x00"
VERSION = 1
DTYPE_CODES = {"int32": 4, "uint16": 8}
ITEM_BYTES = {"int32": 4, "uint16": 2}


def dtype_name(vocab_size: int) -> str:
    """Return the type Megatron chooses for a vocabulary (``DType.optimal_dtype``): uint16 below 65,500 ids, else int32."""
    return "uint16" if vocab_size < 65_500 else "int32"


def idx_bytes(documents: int) -> int:
    """Return the size of a ``.idx`` file with this many documents."""
    return 34 + 12 * documents + 8 * (documents + 1)


def merge_idx(path: Path, slices: Sequence[Path], documents: int, dtype: str) -> None:
    """Write ``path`` from the slices' lengths. Reads them twice instead of holding them, so memory does not grow with n."""
    with atomic_file(path) as stream:
        stream.write(MAGIC + struct.pack("<QBQQ", VERSION, DTYPE_CODES[dtype], documents, documents + 1))
        for part in slices:
            for block in blocks(part):
                stream.write(block)
        offset = 0
        for part in slices:
            for block in blocks(part):
                ends = offset + np.cumsum(np.frombuffer(block, dtype="<i4"), dtype="<i8") * ITEM_BYTES[dtype]
                stream.write(np.concatenate((np.array([offset], dtype="<i8"), ends[:-1])).tobytes())
                offset = int(ends[-1])
        for begin in range(0, documents + 1, COPY_BYTES // 8):
            stream.write(np.arange(begin, min(begin + COPY_BYTES // 8, documents + 1), dtype="<i8").tobytes())
