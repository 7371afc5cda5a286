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
    """Lay out the file of ``content`` (for ``pickle_writer``) whose storages have these sizes.

    Sizes and the file stay below 4 GiB: there is no zip64 record here, the callers cut larger data.
    """
    members: list[tuple[str, bytes | int]] = [("data.pkl", dumps(content)), ("byteorder", b"little")]
    members += [(f"data/{key}", size) for key, size in enumerate(storage_bytes)]
    members.append(("version", b"3\n"))
    frames: list[tuple[int, bytes]] = []
    data: list[int] = []
    directory, position, pending, start = bytearray(), 0, bytearray(), 0
    for name, value in members:
        path, inline = f"{ROOT}/{name}".encode(), value if isinstance(value, bytes) else b""
        size = value if isinstance(value, int) else len(value)
        common = (0, _UTF8_NAMES, 0, 0, 0, zlib.crc32(inline), size, size, len(path))
        extra = -(position + _LOCAL.size + len(path) + 4) % ALIGNMENT  # "FB", its length, then padding
        directory += _CENTRAL.pack(b"PK\x01\x02", 0, *common, 0, 0, 0, 0, 0, position) + path
        padding = struct.pack("<2sH", b"FB", extra) + b"Z" * extra
        pending += _LOCAL.pack(b"PK\x03\x04", *common, len(padding)) + path + padding + inline
        position = start + len(pending)
        if isinstance(value, int):
            frames.append((start, bytes(pending)))
            data.append(position)
            position, pending = position + size, bytearray()
            start = position
    end = _END.pack(b"PK\x05\x06", 0, 0, len(members), len(members), len(directory), position, 0)
    frames.append((start, bytes(pending + directory + end)))
    length = position + len(directory) + len(end)
    if length >= 2**32:
        raise ValueError(f"{length} bytes in one torch file")
    return TorchFile(frames, data, length)
