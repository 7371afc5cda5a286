"""The bytes ``torch.save`` would put around a tensor's data.

Decides: a minimal file that every ``torch.load`` reads: one zip, members uncompressed, data at multiples of 64 bytes.
Does not: hold tensor data, or compute its CRC-32, which torch never checks; the field is 0, our manifest has a real digest.

Format: pytorch ``caffe2/serialize/inline_container.cc`` and ``torch/serialization.py`` (``_save``); zip: APPNOTE.TXT 4.3.
"""

import struct
import zlib
from collections.abc import Sequence
from itertools import accumulate
from math import prod
from typing import Any, NamedTuple

from checkpoints_convert.dtypes import DTYPES
from checkpoints_convert.pickle_writer import Call, Global, Persistent, dumps

ALIGNMENT = 64
ROOT = "archive"
_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_UTF8_NAMES = 1 << 11
_ZIP64 = 1
_LIMIT = 0xFFFFFFFF
"""A 32-bit field with this value points to a 64-bit one in a zip64 extra field."""


class TorchFile(NamedTuple):
    """A file around data: ``frames`` are (offset, bytes), ``data`` the offset of each storage, ``length`` the whole."""

    frames: list[tuple[int, bytes]]
    data: list[int]
    length: int


def tensor(key: int, dtype: str, shape: tuple[int, ...]) -> Call:
    """The pickle of a contiguous tensor that is all of storage number ``key``."""
    strides = tuple(accumulate(shape[:0:-1], lambda step, size: step * size, initial=1))[::-1] if shape else ()
    storage = ("storage", Global("torch", DTYPES[dtype].storage_name), str(key), "cpu", prod(shape))
    hooks = Call(Global("collections", "OrderedDict"), ())
    return Call(Global("torch._utils", "_rebuild_tensor_v2"), (Persistent(storage), 0, tuple(shape), strides, False, hooks))


def torch_file(content: Any, storage_bytes: Sequence[int] = ()) -> TorchFile:
    """Lay out the file of ``content`` (for ``pickle_writer``) whose storages have these sizes."""
    members: list[tuple[str, bytes | int]] = [("data.pkl", dumps(content)), ("byteorder", b"little")]
    members += [(f"data/{key}", size) for key, size in enumerate(storage_bytes)]
    members.append(("version", b"3\n"))
    frames: list[tuple[int, bytes]] = []
    data: list[int] = []
    directory, position, pending, start = bytearray(), 0, bytearray(), 0
    for name, value in members:
        path, inline = f"{ROOT}/{name}".encode(), value if isinstance(value, bytes) else b""
        size = value if isinstance(value, int) else len(value)
        directory += _directory_entry(path, inline, size, position)
        pending += _local_header(path, inline, size, position) + inline
        position = start + len(pending)
        if isinstance(value, int):
            frames.append((start, bytes(pending)))
            data.append(position)
            position, pending = position + size, bytearray()
            start = position
    end = _end(len(members), len(directory), position)
    frames.append((start, bytes(pending + directory + end)))
    return TorchFile(frames, data, position + len(directory) + len(end))


def _local_header(path: bytes, inline: bytes, size: int, position: int) -> bytes:
    """The header before a member at ``position``, padded so that its data is aligned."""
    large = struct.pack("<2H2Q", _ZIP64, 16, size, size) if size >= _LIMIT else b""
    small = min(size, _LIMIT)
    filler = -(position + _LOCAL.size + len(path) + len(large) + 4) % ALIGNMENT
    extra = large + struct.pack("<2sH", b"FB", filler) + b"Z" * filler
    fields = (0, _UTF8_NAMES, 0, 0, 0, zlib.crc32(inline), small, small, len(path), len(extra))
    return _LOCAL.pack(b"PK\x03\x04", *fields) + path + extra


def _directory_entry(path: bytes, inline: bytes, size: int, position: int) -> bytes:
    """The entry of the central directory for a member at ``position``."""
    numbers = [number for number in (size, size, position) if number >= _LIMIT]
    large = struct.pack(f"<2H{len(numbers)}Q", _ZIP64, 8 * len(numbers), *numbers) if numbers else b""
    small = min(size, _LIMIT)
    fields = (0, 0, _UTF8_NAMES, 0, 0, 0, zlib.crc32(inline), small, small, len(path), len(large), 0, 0, 0, 0)
    return _CENTRAL.pack(b"PK\x01\x02", *fields, min(position, _LIMIT)) + path + large


def _end(count: int, directory_bytes: int, position: int) -> bytes:
    """The records after the central directory; beyond 4 GiB the larger form precedes the plain one."""
    plain = _END.pack(b"PK\x05\x06", 0, 0, count, count, directory_bytes, min(position, _LIMIT), 0)
    if position < _LIMIT:
        return plain
    record = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, directory_bytes, position)
    return record + struct.pack("<4sIQI", b"PK\x06\x07", 0, position + directory_bytes, 1) + plain
