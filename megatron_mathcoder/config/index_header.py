"""The head of a Megatron ``.idx`` file, read without megatron-core.

Decides: whether a file is a whole index: its first bytes, and a length of at least what its own counts need.
Does not: read the arrays after it (``dataset/token_stream.py``), or write one (``data_tools/tokens/indexed_writer.py``, which has
the byte layout).
"""

import struct
from pathlib import Path
from typing import NamedTuple

_HEADER = struct.Struct("<9sQBQQ")
_MAGIC, _VERSION = b"MMIDIDX\x00\x00", 1
TOKEN_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 8: 2}
"""Bytes of a token by megatron-core's code of its integer types."""
SEQUENCE_BYTES, DOCUMENT_BYTES = 4 + 8, 8
"""Of the index for each sequence, its length and place, and for each document, its first sequence."""


class IndexHeader(NamedTuple):
    """What the head says; ``document_entries`` is one more than there are documents."""

    token_bytes: int
    sequences: int
    document_entries: int


def read_index_header(path: Path) -> IndexHeader | None:
    """Return the head of the index at ``path``, None when it is no index or is torn."""
    with path.open("rb") as file:
        head = file.read(_HEADER.size)
    if len(head) < _HEADER.size:
        return None
    magic, version, code, sequences, entries = _HEADER.unpack(head)
    if (magic, version) != (_MAGIC, _VERSION) or code not in TOKEN_BYTES:
        return None
    whole = _HEADER.size + sequences * SEQUENCE_BYTES + entries * DOCUMENT_BYTES
    return IndexHeader(TOKEN_BYTES[code], sequences, entries) if path.stat().st_size >= whole else None
