"""What a worker has in hand, so that a document which ends its process is known, and left out the next time.

Decides: a name is kept as 64 bits of its hash in memory that the pool shares with its workers, where it outlives the worker; a
document that ended its process when it was read by itself raises ``SetAside`` instead of being read again.
Does not: notice a death, or decide to read again (``pool.py``); say what becomes of the document (whoever reads it drops it).

In a process that is no worker of a pool nothing is noted and nothing is set aside.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import xxhash

from data_tools.reading_limit import ReadingStopped

NOTHING = 0
ENDED = "ended its process twice"

_shared: Any = None
_slot = 0
_endings: Mapping[int, str] = {}


class SetAside(ReadingStopped):
    """The document ended the process that read it, twice."""


def share(memory: Any, slot: int, endings: Mapping[int, str]) -> None:
    """Note what is in hand in ``memory[slot]``; ``endings`` says of each key that is set aside how its process ended."""
    global _shared, _slot, _endings
    _shared, _slot, _endings = memory, slot, endings
    put_down()


def key_of(name: str) -> int:
    """Return the key of a document's name: its place, the same in every process."""
    return xxhash.xxh3_64_intdigest(name.encode("utf-8", "surrogatepass")) or 1


def ending_of(key: int) -> str | None:
    """Return how this document ended its process when it was read alone; None when it did not, which is the rule."""
    return _endings.get(key)


def take(key: int) -> None:
    """Note that this document is in hand. Costs a tenth of a microsecond, for those who read a million of them."""
    if _shared is not None:
        _shared[_slot] = key


def put_down() -> None:
    """Note that no document is in hand: an end of the process is no document's doing."""
    if _shared is not None:
        _shared[_slot] = NOTHING


@contextmanager
def in_hand(name: str) -> Iterator[None]:
    """Have the document ``name`` in hand. Raises SetAside when it ended its process before."""
    key = key_of(name)
    if ending := ending_of(key):
        raise SetAside(f"{ENDED} ({ending})")
    take(key)
    try:
        yield
    finally:
        put_down()
