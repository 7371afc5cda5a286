"""A shuffled order without a shuffled array.

Decides: in which order numbers ``0 … n-1`` come, as a pure function of a key, in constant memory.
Does not: know what the numbers stand for.
"""

import hashlib

_ROUNDS = 6
_MASK64 = (1 << 64) - 1


def make_key(*parts: object) -> int:
    """Hash ``parts`` (their ``str``) to a 64-bit key."""
    return int.from_bytes(hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest(), "little")


def _mix(value: int) -> int:
    """Finaliser of splitmix64 (Steele, Lea & Flood 2014): every input bit changes about half of the output bits."""
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 & _MASK64
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB & _MASK64
    return value ^ (value >> 31)


class KeyedPermutation:
    """A permutation of ``range(size)``: a balanced Feistel network with cycle walking (Black & Rogaway 2002).

    Looking up one position takes a few microseconds and no memory, whatever the size; another key gives another,
    unrelated order.
    """

    def __init__(self, size: int, key: int) -> None:
        """Permute ``range(size)`` by the 64-bit ``key``.

        Raises:
            ValueError: size < 1.
        """
        if size < 1:
            raise ValueError(f"size = {size}: a permutation needs at least one element")
        self.size = size
        self._half_bits = max(1, ((size - 1).bit_length() + 1) // 2)
        self._half_mask = (1 << self._half_bits) - 1
        self._round_keys = [_mix((key + 0x9E3779B97F4A7C15 * (number + 1)) & _MASK64) for number in range(_ROUNDS)]

    def __getitem__(self, position: int) -> int:
        """Return the number at ``position``.

        Raises:
            IndexError: position is not in ``range(size)``.
        """
        if not 0 <= position < self.size:
            raise IndexError(f"position {position} is outside range({self.size})")
        # The network permutes the next power of four; walking its cycle until it falls below ``size`` permutes range(size).
        value = self._network(position)
        while value >= self.size:
            value = self._network(value)
        return value

    def _network(self, value: int) -> int:
        left, right = value >> self._half_bits, value & self._half_mask
        for key in self._round_keys:
            left, right = right, left ^ (_mix(right ^ key) & self._half_mask)
        return left << self._half_bits | right
