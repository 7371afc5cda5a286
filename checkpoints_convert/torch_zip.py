"""Files written by ``torch.save``: where each tensor's bytes lie in them.

Decides: how a tensor inside the zip becomes a file offset. ``torch.save`` stores its members uncompressed, so a contiguous
tensor is one byte range of the file. Does not: read those bytes, or accept anything a restricted unpickler does not.

Format: pytorch ``caffe2/serialize/inline_container.cc``; members ``<root>/data.pkl``, ``<root>/byteorder``, ``<root>/data/N``.
"""

import io
import struct
import zipfile
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from checkpoints_convert import restricted_pickle
from checkpoints_convert.dtypes import DTYPES, FROM_STORAGE_NAME
from megatron_mathcoder.config.errors import CheckpointError

LOCAL_HEADER = struct.Struct("<26xHH")


class TensorRange(NamedTuple):
    """A contiguous tensor: ``shape`` elements of ``dtype`` from byte ``offset`` of the file."""

    dtype: str
    shape: tuple[int, ...]
    offset: int


class FileSlice(io.RawIOBase):
    """Bytes ``[start, start + length)`` of an open file as a file of its own."""

    def __init__(self, file: BinaryIO, start: int, length: int) -> None:
        """Borrow ``file``; closing this leaves it open."""
        self._file, self._start, self._length, self._position = file, start, length, 0

    def seekable(self) -> bool:
        """Always."""
        return True

    def readable(self) -> bool:
        """Always."""
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move; returns the new position."""
        self._position = offset + (0, self._position, self._length)[whence]
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Fill ``buffer``; returns the bytes read."""
        self._file.seek(self._start + self._position)
        data = self._file.read(max(0, min(len(buffer), self._length - self._position)))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


def read_torch_zip(
    file: BinaryIO, path: Path, start: int, length: int, names: Mapping[tuple[str, str], object]
) -> tuple[Any, dict[int, TensorRange]]:
    """Read what ``torch.save`` wrote at ``[start, start + length)`` of ``file``.

    Returns the object, in which tensors are ``restricted_pickle.Tensor``s, and for each of them, by ``id``, its byte range.
    Raises ``CheckpointError`` when the zip is torn, compressed or big-endian, or a tensor is not contiguous.
    """
    try:
        archive = zipfile.ZipFile(FileSlice(file, start, length))
        members = {name.partition("/")[2]: info for name, info in archive.NameToInfo.items()}
        pickled = archive.read(members["data.pkl"])
        byte_order = archive.read(members["byteorder"]) if "byteorder" in members else b"little"
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, KeyError, ValueError, EOFError, OSError) as error:
        raise CheckpointError(f"{path}: torn at byte {start} ({error}); the file is cut or damaged, get it again") from None
    if byte_order != b"little" or any(info.compress_type for info in members.values()):
        raise CheckpointError(f"{path}: compressed or big-endian; save it again with torch.save on a little-endian machine")

    found = restricted_pickle.load(pickled, path, names, storage=lambda pid: pid)
    ranges: dict[int, TensorRange] = {}
    for tensor in _tensors(found):
        try:
            place = _place(tensor, members, file, path, start)
        except (TypeError, ValueError, KeyError, struct.error) as error:
            raise CheckpointError(f"{path}: damaged at byte {start} ({str(error)[:200]}); get the file again") from error
        if place is not None:
            ranges[id(tensor)] = place
    return found, ranges


def _place(
    tensor: restricted_pickle.Tensor, members: dict[str, zipfile.ZipInfo], file: BinaryIO, path: Path, start: int
) -> TensorRange | None:
    """The byte range of one tensor; None when its dtype is none we carry."""
    (_, storage_name, key, _, _), element, shape, stride = tensor.arguments[:4]
    dtype = FROM_STORAGE_NAME.get(storage_name)
    if dtype is None:
        return None
    info, size = members[f"data/{key}"], DTYPES[dtype].item_bytes
    file.seek(start + info.header_offset)
    name_length, extra_length = LOCAL_HEADER.unpack(file.read(LOCAL_HEADER.size))
    data = start + info.header_offset + LOCAL_HEADER.size + name_length + extra_length
    contiguous = all(stride[axis] == prod(shape[axis + 1 :]) for axis in range(len(shape)) if shape[axis] != 1)
    if not contiguous or (element + prod(shape)) * size > info.file_size:
        raise CheckpointError(f"{path}: a tensor of shape {shape} is not contiguous; save it again after .contiguous()")
    return TensorRange(dtype, tuple(shape), data + element * size)


def _tensors(found: Any) -> list[restricted_pickle.Tensor]:
    """All tensors in nested dictionaries and lists."""
    if isinstance(found, restricted_pickle.Tensor):
        return [found]
    values = found.values() if isinstance(found, dict) else found if isinstance(found, (list, tuple)) else ()
    return [tensor for value in values for tensor in _tensors(value)]
