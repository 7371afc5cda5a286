"""How much of a passage a stretch of text covers.

Decides: letters count as covered where ``COVER_LETTERS`` in a row are equal, in the order of the passage; so a changed, added or
left out word costs its own letters and no more. A letter weighs by how rare its surroundings are among all passages: ``find the
value of`` is worth little, ``1.75 gallons of milk`` much.
Does not: search for the stretch, or decide what a share means.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data_tools.letters import running_sum, window_hashes

COVER_LETTERS = 8
MAX_PLACES = 8
"""Places of one gram in the stretch that are tried; repetitive text has more, and gains nothing by them."""

_BUCKET_BITS = 22


@dataclass(frozen=True, slots=True)
class Cover:
    """``share`` of the passage's weight and ``digits`` of its digits (1 if it has none) are in letters ``begin`` to ``end``."""

    share: float
    digits: float
    begin: int
    end: int


class LetterWeights:
    """Weighs the letters of passages: log(passages / passages with the same eight letters), from a table of counts by hash."""

    def __init__(self, passages: Sequence[bytes]) -> None:
        seen = np.zeros(2**_BUCKET_BITS, dtype=np.uint32)
        for passage in passages:
            seen[np.unique(_buckets(passage))] += 1
        self._weights = np.log((len(passages) + 1) / np.maximum(seen, 1)).astype(np.float32)

    def of(self, passage: bytes) -> NDArray[np.float32]:
        """Return one weight per letter: that of the gram that begins there, at the end that of the last gram."""
        weights = self._weights[_buckets(passage)] if len(passage) >= COVER_LETTERS else np.zeros(1, dtype=np.float32)
        return weights[np.minimum(np.arange(len(passage)), len(weights) - 1)] + np.float32(1e-3)


def _buckets(passage: bytes) -> NDArray[np.uint32]:
    hashes = window_hashes(running_sum(np.frombuffer(passage, dtype=np.uint8)), COVER_LETTERS)
    return hashes >> np.uint32(32 - _BUCKET_BITS)


def cover(passage: bytes, text: bytes, weights: NDArray[np.float32]) -> Cover | None:
    """Return how ``text`` covers ``passage``, or None where it does not at all."""
    pairs = _in_order(_equal_grams(passage, text))
    if not pairs:
        return None
    covered = np.zeros(len(passage), dtype=bool)
    starts = np.array([place for place, _ in pairs])
    for offset in range(COVER_LETTERS):
        covered[starts + offset] = True
    letters = np.frombuffer(passage, dtype=np.uint8)
    digits = (letters >= ord("0")) & (letters <= ord("9"))
    share_of_digits = float(covered[digits].mean()) if digits.any() else 1.0
    share = float(weights[covered].sum() / weights.sum())
    return Cover(share, share_of_digits, pairs[0][1], pairs[-1][1] + COVER_LETTERS)


def _equal_grams(passage: bytes, text: bytes) -> list[tuple[int, int]]:
    places: defaultdict[bytes, list[int]] = defaultdict(list)
    for at in range(len(text) - COVER_LETTERS + 1):
        places[text[at : at + COVER_LETTERS]].append(at)
    return [
        (place, at)
        for place in range(len(passage) - COVER_LETTERS + 1)
        for at in reversed(places.get(passage[place : place + COVER_LETTERS], ())[:MAX_PLACES])
    ]


def _in_order(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the longest run of pairs that go up on both sides, by patience sorting.

    Pairs with the same first side must come with falling second sides, so that only one of them is taken.
    """
    ends: list[int] = []
    at_end: list[int] = []
    before: list[int] = []
    for number, (_, at) in enumerate(pairs):
        rank = bisect_left(ends, at)
        before.append(at_end[rank - 1] if rank else -1)
        ends[rank : rank + 1] = [at]
        at_end[rank : rank + 1] = [number]
    chain = []
    number = at_end[-1] if at_end else -1
    while number >= 0:
        chain.append(pairs[number])
        number = before[number]
    return chain[::-1]
