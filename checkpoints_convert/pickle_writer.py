"""Pickles of torch objects, written without torch.

Decides: how a value becomes pickle opcodes (protocol 2, which every torch reads). Does not: pickle arbitrary objects: only
None, bool, int, float, str, tuple, list, dict and the five marks below, which stand for what only the reader can make.
"""

import pickle
import struct
from typing import Any, NamedTuple


class Global(NamedTuple):
    """``module.name``, to be looked up by the reader."""

    module: str
    name: str


class Call(NamedTuple):
    """``function(*arguments)``."""

    function: Global
    arguments: tuple[Any, ...]


class Instance(NamedTuple):
    """``cls.__new__(cls)`` with ``state`` set as pickle does."""

    cls: Global
    state: Any


class Items(NamedTuple):
    """A dictionary of (key, value) pairs whose keys only the reader can hash."""

    pairs: list[tuple[Any, Any]]


class Persistent(NamedTuple):
    """Something outside the pickle, by its id."""

    pid: Any


def dumps(value: Any) -> bytes:
    """Return the pickle of ``value``."""
    out = bytearray(pickle.PROTO + b"\x02")
    _write(value, out, {})
    return bytes(out + pickle.STOP)


def _write(value: Any, out: bytearray, memo: dict[Global, int]) -> None:
    if isinstance(value, Global):
        _write_global(value, out, memo)
    elif isinstance(value, Call):
        _write(value.function, out, memo)
        _write(value.arguments, out, memo)
        out += pickle.REDUCE
    elif isinstance(value, Instance):
        _write(value.cls, out, memo)
        out += pickle.EMPTY_TUPLE + pickle.NEWOBJ
        _write(value.state, out, memo)
        out += pickle.BUILD
    elif isinstance(value, Persistent):
        _write(value.pid, out, memo)
        out += pickle.BINPERSID
    elif isinstance(value, (dict, Items)):
        items = [part for item in (value.pairs if isinstance(value, Items) else value.items()) for part in item]
        _write_many(pickle.EMPTY_DICT + pickle.MARK, items, pickle.SETITEMS, out, memo)
    elif isinstance(value, list):
        _write_many(pickle.EMPTY_LIST + pickle.MARK, value, pickle.APPENDS, out, memo)
    elif isinstance(value, tuple):
        _write_many(pickle.MARK, value, pickle.TUPLE, out, memo)
    else:
        out += _atom(value)


def _write_many(before: bytes, values: Any, after: bytes, out: bytearray, memo: dict[Global, int]) -> None:
    out += before
    for value in values:
        _write(value, out, memo)
    out += after


def _write_global(value: Global, out: bytearray, memo: dict[Global, int]) -> None:
    """Spell a global out once; refer to it afterwards."""
    if value in memo:
        out += pickle.BINGET + bytes([memo[value]])
        return
    memo[value] = len(memo)
    out += pickle.GLOBAL + f"{value.module}\n{value.name}\n".encode() + pickle.BINPUT + bytes([memo[value]])


def _atom(value: Any) -> bytes:
    if value is None:
        return pickle.NONE
    if isinstance(value, bool):
        return pickle.NEWTRUE if value else pickle.NEWFALSE
    if isinstance(value, int):
        if -(2**31) <= value < 2**31:
            return pickle.BININT + struct.pack("<i", value)
        number = pickle.encode_long(value)
        return pickle.LONG1 + bytes([len(number)]) + number
    if isinstance(value, float):
        return pickle.BINFLOAT + struct.pack(">d", value)
    if isinstance(value, str):
        text = value.encode()
        return pickle.BINUNICODE + struct.pack("<I", len(text)) + text
    raise TypeError(f"no pickle for {type(value).__name__}")
