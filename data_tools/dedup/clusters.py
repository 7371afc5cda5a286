"""Which documents are copies of one another: the only step of the data tools that sees all documents at once.

Decides: documents with the same text are copies. Documents that agree in all rows of a band of their signatures are compared:
they are copies when their signatures say ``MIN_SIMILARITY`` or more and their numbers are the same (``same_problem``). Pairs that
share a document make one cluster (union-find), and its first document in the order of the input is the one that is kept.
Does not: compute signatures (``signatures.py``) or read documents.

Memory for n documents: 4 bytes each in the union-find and 4 of word counts; 16 of hashes and 8 of a sorted copy while equal
texts are looked for, less for each band after that; with a fifth of copies 48 n were measured. Signatures (500 bytes a
document) stay on disk, mapped.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data_tools.dedup.signatures import BANDS, SHORT_WORDS, Signatures, band_hashes

MIN_SIMILARITY = 0.65
"""Of the sets of word runs. A document of 300 words with 1 % of them changed has 0.92, one of 40 words with one changed 0.80."""
MIN_SHORT_SIMILARITY = 0.72
"""Of the shorter runs of a text of fewer than ``SHORT_WORDS``: with one of 20 words changed it has 0.81, a problem of a few lines
with another question at its end about 0.6."""
LEAST_WORDS = 20
"""Of the longer of two. Of shorter texts only equal ones are copies: ``arrange the letters of the word ELEVEN`` is not the
problem with ``CEASE``."""
MIN_SHARED_NUMBERS = 0.5
FEW_NUMBERS = 0.02

NOT_A_COPY, EXACT, NEAR = 0, 1, 2
BLOCK = 2**20


@dataclass(frozen=True, slots=True)
class Copies:
    """Of n documents in the order of the input: ``kept`` (n,) which stays for each, ``kind`` (n,) why it goes, or 0."""

    kept: NDArray[np.int32]
    kind: NDArray[np.uint8]


class _Forest:
    """Union-find in which the smallest number of a cluster is its root."""

    def __init__(self, size: int) -> None:
        self.parent = np.arange(size, dtype=np.int32)

    def root(self, number: int) -> int:
        parent = self.parent
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = int(parent[number])
        return number

    def roots(self) -> NDArray[np.int32]:
        """Return the root of every number."""
        roots = self.parent.copy()
        while (roots != (above := roots[roots])).any():
            roots = above
        return roots

    def join(self, one: int, other: int) -> None:
        first, second = sorted((self.root(one), self.root(other)))
        self.parent[second] = first


def find_copies(slices: Sequence[Signatures]) -> Copies:
    """Return the copies among the documents of all ``slices``, numbered through."""
    lookup = _Lookup(slices)
    if not lookup.size:
        return Copies(np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.uint8))
    forest = _Forest(lookup.size)
    exact = np.concatenate([part.exact for part in slices])
    members = _sharing(exact[:, 0], np.ones(lookup.size, dtype=bool))
    members = members[np.lexsort((exact[members, 1], exact[members, 0]))]
    equal = (exact[members[1:]] == exact[members[:-1]]).all(axis=1)
    for one, other in zip(_each(members[:-1][equal]), _each(members[1:][equal]), strict=True):
        forest.join(one, other)
    del exact
    by_text = forest.roots()
    compared = lookup.words >= LEAST_WORDS // 2
    for band in range(BANDS):
        for one, other in _pairs(lookup.bands(band), compared):
            roots = forest.root(one), forest.root(other)
            # The roots too, since what is dropped must be a copy of what is kept, and not of a copy of a copy of it.
            if roots[0] != roots[1] and lookup.are_copies(one, other) and (roots == (one, other) or lookup.are_copies(*roots)):
                forest.join(one, other)
    kept = forest.roots()
    numbers = np.arange(lookup.size, dtype=np.int32)
    kind = np.where(by_text != numbers, np.uint8(EXACT), np.uint8(NEAR))
    kind[kept == numbers] = NOT_A_COPY
    return Copies(kept, kind)


def _sharing(hashes: NDArray[np.uint64], compared: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the numbers of the compared documents whose hash another has too. Takes 8 bytes a document while it works."""
    ordered = hashes[compared]
    ordered.sort()
    repeated = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    del ordered
    blocks = [np.zeros(0, dtype=np.int64)]
    for begin in range(0, len(hashes), BLOCK) if len(repeated) else ():
        block = hashes[begin : begin + BLOCK]
        nearest = repeated[np.minimum(np.searchsorted(repeated, block), len(repeated) - 1)]
        blocks.append(begin + np.flatnonzero((nearest == block) & compared[begin : begin + BLOCK]))
    return np.concatenate(blocks)


def _each(numbers: NDArray[np.int64]) -> Iterator[int]:
    """Yield the numbers as Python's, which take four times the memory of NumPy's, a block at a time."""
    for begin in range(0, len(numbers), 2**16):
        yield from numbers[begin : begin + 2**16].tolist()


def _pairs(hashes: NDArray[np.uint64], compared: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Yield pairs of documents with the same hash: each with the one before it, and with the first of all that share it."""
    members = _sharing(hashes, compared)
    order = members[np.argsort(hashes[members], kind="stable")]
    new = np.concatenate(([True], hashes[order[1:]] != hashes[order[:-1]])) if len(order) else np.zeros(0, dtype=bool)
    first = np.maximum.accumulate(np.where(new, np.arange(len(order)), 0))
    for at in _each(np.flatnonzero(~new)):
        yield int(order[at - 1]), int(order[at])
        if first[at] != at - 1:
            yield int(order[first[at]]), int(order[at])


class _Lookup:
    """The signatures of all slices by the number of the document."""

    def __init__(self, slices: Sequence[Signatures]) -> None:
        self._slices = slices
        self._ends = np.cumsum([len(part.wording) for part in slices])
        self.size = int(self._ends[-1]) if len(slices) else 0
        self.words = np.concatenate([part.words for part in slices] or [np.zeros(0, dtype=np.int32)])

    def bands(self, band: int) -> NDArray[np.uint64]:
        hashes = np.empty(self.size, dtype=np.uint64)
        begin = 0
        for part in self._slices:
            hashes[begin : begin + len(part.minhash)] = band_hashes(part.minhash, band)
            begin += len(part.minhash)
        return hashes

    def are_copies(self, one: int, other: int) -> bool:
        (part, i), (other_part, j) = self._place(one), self._place(other)
        words, longer = sorted((int(part.words[i]), int(other_part.words[j])))
        if longer < LEAST_WORDS:
            return False
        least = MIN_SIMILARITY if words >= SHORT_WORDS else MIN_SHORT_SIMILARITY
        if float((part.minhash[i] == other_part.minhash[j]).mean()) < least:
            return False
        if part.wording[i] == other_part.wording[j]:
            # Then the numbers are all that may differ, and with another number it is another problem.
            return bool(part.numbering[i] == other_part.numbering[j])
        return same_problem(_numbers(part, i), _numbers(other_part, j), words)

    def _place(self, number: int) -> tuple[Signatures, int]:
        index = int(np.searchsorted(self._ends, number, side="right"))
        return self._slices[index], number - (int(self._ends[index - 1]) if index else 0)


def _numbers(part: Signatures, index: int) -> NDArray[np.uint32]:
    return part.numbers[int(part.number_ends[index - 1]) if index else 0 : int(part.number_ends[index])]


def same_problem(one: NDArray[np.uint32], other: NDArray[np.uint32], words: int) -> bool:
    """Say whether two similar texts with these numbers, worded a little differently, are copies, and not two problems of a kind.

    A changed number may be one more edit, if half of the numbers agree or those that do not are less than 2 % of the ``words``.
    In a short text one may be missing, but none may stand in another's place.
    """
    shared = _in_both(one, other)
    either = len(one) + len(other) - shared
    if words < SHORT_WORDS and shared < min(len(one), len(other)):
        return False
    return shared >= MIN_SHARED_NUMBERS * either or either - shared < FEW_NUMBERS * words


def _in_both(one: NDArray[np.uint32], other: NDArray[np.uint32]) -> int:
    values, counts = np.unique(one, return_counts=True)
    other_values, other_counts = np.unique(other, return_counts=True)
    _, i, j = np.intersect1d(values, other_values, assume_unique=True, return_indices=True)
    return int(np.minimum(counts[i], other_counts[j]).sum())
