"""Texts as numbers that stay the same when a text is copied carelessly: letters, and rolling hashes over them.

Decides: only letters and digits count. Case, spaces, line breaks and punctuation do not, so a text that was lower-cased,
re-spaced or re-punctuated has the letters it had. Digits do count: a matrix is told from another by its numbers.
Does not: say what two texts with the same hashes are to each other (``decontamination/``, ``dedup/``).

Letters are bytes of UTF-8: ``0-9``, ``a-z`` (``A-Z`` become them) and all bytes from 128. A window's hash is a polynomial over
its letters modulo 2**32, read off a running sum, so the cost does not depend on the window's length.
"""

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Hashes = NDArray[np.uint32]
Places = NDArray[np.int64]

MAX_LETTERS = 2**20
"""Letters that are hashed at once: the tables of powers and the work of each step then stay in the processor's cache."""

_BASE = 0x9E3779B1


def _letter_table() -> bytes:
    ascii_letters = (ord(chr(byte).lower()) if chr(byte).isalnum() else 0 for byte in range(128))
    return bytes(ascii_letters) + bytes(range(128, 256))


def _powers(base: int) -> Hashes:
    powers = np.full(MAX_LETTERS + 1, base, dtype=np.uint32)
    powers[0] = 1
    return np.multiply.accumulate(powers, dtype=np.uint32)


_LETTER = _letter_table()
_VALUE: Hashes = np.random.default_rng(2410_08196).integers(1, 2**32, 256, dtype=np.uint32)
_POWERS = _powers(_BASE)
_INVERSE_POWERS = _powers(pow(_BASE, -1, 2**32))


def letters_of(raw: bytes) -> tuple[Bytes, Places]:
    """Return the letters of UTF-8 text and the byte offset of each."""
    classes = np.frombuffer(raw.translate(_LETTER), dtype=np.uint8)
    # flatnonzero of booleans and take is three times as fast as indexing with the mask.
    places = np.flatnonzero(classes != 0)
    return classes.take(places), places


def word_begins(places: Places, kind: NDArray[np.bool_] | None = None) -> Places:
    """Return which letters begin a word: those that do not stand right behind another, or not behind one of their ``kind``.

    ``places`` are those of ``letters_of``.
    """
    begins = np.diff(places, prepend=-2) > 1
    if kind is not None:
        begins[1:] |= kind[1:] != kind[:-1]
    return np.flatnonzero(begins)


def running_sum(letters: Bytes) -> Hashes:
    """Return n + 1 sums from which the hash of any window of ``letters`` (at most ``MAX_LETTERS``) can be read."""
    sums = np.zeros(len(letters) + 1, dtype=np.uint32)
    np.cumsum(_VALUE[letters] * _POWERS[: len(letters)], dtype=np.uint32, out=sums[1:])
    return sums


def window_hashes(sums: Hashes, size: int) -> Hashes:
    """Return the hash of every window of ``size`` letters, by where it begins."""
    count = max(len(sums) - size, 0)
    return _mixed((sums[size:] - sums[:count]) * _INVERSE_POWERS[:count])


def hashes_at(sums: Hashes, begins: Places, ends: Places) -> Hashes:
    """Return the hash of the letters from each of ``begins`` up to the one of ``ends``."""
    return _mixed((sums[ends] - sums[begins]) * _INVERSE_POWERS[begins])


def _mixed(hashes: Hashes) -> Hashes:
    """Spread the differences over all bits; without it the low bits of a sum depend on the low bits of the letters alone."""
    hashes ^= hashes >> np.uint32(16)
    hashes *= np.uint32(0x7FEB352D)
    hashes ^= hashes >> np.uint32(15)
    hashes *= np.uint32(0x846CA68B)
    hashes ^= hashes >> np.uint32(16)
    return hashes


def winnowed(hashes: Hashes, width: int) -> Places:
    """Return the places whose hash is the least of some ``width`` neighbours, ``width`` a power of two.

    Two texts that share ``width`` windows in a row share one of these places (Schleimer, Wilkerson, Aiken: Winnowing, 2003).
    """
    if len(hashes) <= width:
        return np.flatnonzero(hashes == hashes.min()) if len(hashes) else np.zeros(0, dtype=np.int64)
    least = _sliding(np.minimum, hashes, width)
    edge = np.zeros(width - 1, dtype=np.uint32)
    reached = _sliding(np.maximum, np.concatenate((edge, least, edge)), width)
    return np.flatnonzero(hashes == reached)


def _sliding(choose: np.ufunc, values: Hashes, width: int) -> Hashes:
    span = 1
    while span < width:
        values = choose(values[:-span], values[span:])
        span *= 2
    return values
