"""Hash → numbers, for many lookups at once.

Decides: a bit table that stays in the processor's cache answers most lookups with no, a sorted array the rest.
Does not: hash, or know what the numbers are.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_tools.letters import Hashes, Places

Numbers = NDArray[np.int64]


class HashTable:
    """Holds any number of values for a hash. ``bits`` sets the size of the bit table: 2**bits bytes."""

    def __init__(self, hashes: Hashes, values: Numbers, bits: int) -> None:
        order: NDArray[Any] = np.argsort(hashes, kind="stable")
        self._hashes, self._values = hashes[order], values[order]
        self._shift = np.uint32(32 - bits)
        self._maybe = np.zeros(2**bits, dtype=bool)
        self._maybe[hashes >> self._shift] = True

    def find(self, hashes: Hashes) -> tuple[Places, Numbers]:
        """Return (which of ``hashes``, value) for every value of every hash that is known."""
        maybe = np.flatnonzero(self._maybe.take(hashes >> self._shift))
        begin = np.searchsorted(self._hashes, hashes[maybe], side="left")
        counts = np.searchsorted(self._hashes, hashes[maybe], side="right") - begin
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return np.repeat(maybe, counts), self._values[np.repeat(begin, counts) + within]
