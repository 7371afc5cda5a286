"""How much of a passage a stretch of text covers.

Decides: letters count as covered where ``COVER_LETTERS`` in a row are equal, or where between such runs a whole word is equal, in
the order of the passage; so a changed, added or left out word costs its own letters and no more, in a formula as in prose. A
letter weighs by how rare its surroundings are among all passages: ``find the value of`` is worth little, ``1.75 gallons of milk``
much.
Does not: search for the stretch, or decide what a share means.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from data_tools.letters import Places, running_sum, window_hashes

COVER_LETTERS = 8
MAX_PLACES = 8
"""Places of one gram in the stretch that are tried; repetitive text has more, and gains nothing by them."""

MIN_SHARE = 0.5
"""Of less, nothing more is asked."""
REACH_LETTERS = 16
"""How far before the first run and after the last one its neighbours are looked for, beside those missing there."""

_BUCKET_BITS = 22


@dataclass(frozen=True, slots=True)
class Cover:
    """How letters ``begin`` to ``end`` of a text cover a passage.

    ``share``: of the passage's weight. ``numbers``: digits of numbers that both have, of those that either has (1 without any).
    ``foreign``: whether the stretch has numbers that the passage has not. ``density``: share of the letters from ``begin`` to
    ``end`` that are the passage's.
    """

    share: float
    numbers: float
    foreign: bool
    density: float
    begin: int
    end: int


class LetterWeights:
    """Weighs the letters of passages: log(passages / passages with the same eight letters), from a table of counts by hash.

    In units of a letter that no other passage has, so 0 to 1 whatever the number of passages.
    """

    def __init__(self, passages: Sequence[bytes]) -> None:
        seen = np.zeros(2**_BUCKET_BITS, dtype=np.uint32)
        for passage in passages:
            seen[np.unique(_buckets(passage))] += 1
        most = np.log(len(passages) + 2)
        self._weights = (np.log((len(passages) + 2) / np.maximum(seen, 1)) / most).astype(np.float32)

    def of(self, passage: bytes) -> NDArray[np.float32]:
        """Return one weight per letter: that of the gram that begins there, at the end that of the last gram."""
        weights = self._weights[_buckets(passage)] if len(passage) >= COVER_LETTERS else np.zeros(1, dtype=np.float32)
        return weights[np.minimum(np.arange(len(passage)), len(weights) - 1)] + np.float32(1e-4)


def _buckets(passage: bytes) -> NDArray[np.uint32]:
    hashes = window_hashes(running_sum(np.frombuffer(passage, dtype=np.uint8)), COVER_LETTERS)
    return hashes >> np.uint32(32 - _BUCKET_BITS)


@dataclass(frozen=True, slots=True)
class Wording:
    """Letters, and where among them words begin."""

    letters: bytes
    words: Places

    def part(self, begin: int, end: int) -> "Wording":
        """Return letters ``begin`` to ``end``; a word that is cut at the beginning is none."""
        first, after = np.searchsorted(self.words, (begin, end))
        return Wording(self.letters[begin:end], self.words[first:after] - begin)


def cover(passage: Wording, text: Wording, weights: NDArray[np.float32]) -> Cover | None:
    """Return how ``text`` covers ``passage``, or None where it covers less than ``MIN_SHARE``."""
    runs = _runs(passage.letters, text.letters)
    pieces = sorted(runs + list(_words_beside(runs, passage, text)))
    covered, used = np.zeros(len(passage.letters), dtype=bool), np.zeros(len(text.letters), dtype=bool)
    for place, at, length in pieces:
        covered[place : place + length] = True
        used[at : at + length] = True
    share = float(weights[covered].sum() / weights.sum())
    if share < MIN_SHARE:
        return None
    begin, end = pieces[0][1], pieces[-1][1] + pieces[-1][2]
    missing_before, missing_after = pieces[0][0], len(passage.letters) - pieces[-1][0] - pieces[-1][2]
    around = slice(max(begin - missing_before, 0), end + missing_after)
    ours, of_ours = _numbers(passage, covered, slice(None))
    theirs, of_theirs = _numbers(text, used, around)
    shared = min(of_ours, of_theirs)
    numbers = shared / (ours + theirs - shared) if ours + theirs else 1.0
    return Cover(share, numbers, theirs > of_theirs, float(used[begin:end].mean()), begin, end)


Piece = tuple[int, int, int]
"""Place in the passage, place in the text, letters."""


def _runs(passage: bytes, text: bytes) -> list[Piece]:
    """Return the longest chain of equal runs of ``COVER_LETTERS``; neighbours overlap."""

    def grams(letters: bytes) -> Iterator[tuple[int, bytes]]:
        return ((at, letters[at : at + COVER_LETTERS]) for at in range(len(letters) - COVER_LETTERS + 1))

    return [(place, at, COVER_LETTERS) for place, at in _in_order(_equal(grams(passage), grams(text)))]


def _words_beside(runs: list[Piece], passage: Wording, text: Wording) -> Iterator[Piece]:
    """Yield the words that are equal and in order before, between and after ``runs``; of all, where there is no run."""
    ours, theirs = _Words(passage), _Words(text)
    place = at = 0
    last = len(passage.letters), len(text.letters), 0
    if runs:
        at = max(runs[0][1] - runs[0][0] - REACH_LETTERS, 0)
        last = last[0], min(runs[-1][1] + last[0] - runs[-1][0] + REACH_LETTERS, last[1]), 0
    for next_place, next_at, size in [*runs, last]:
        if place < next_place and at < next_at:
            words = ours.between(place, next_place)
            lengths = {begin: len(word) for begin, word in words}
            yield from ((begin, found, lengths[begin]) for begin, found in _in_order(_equal(words, theirs.between(at, next_at))))
        place, at = next_place + size, next_at + size


class _Words:
    """The words of a wording by where they begin."""

    def __init__(self, wording: Wording) -> None:
        self._letters = wording.letters
        self._edges = [*wording.words.tolist(), len(wording.letters)]

    def between(self, begin: int, end: int) -> list[tuple[int, bytes]]:
        """Return (where it begins, its letters) for each whole word in letters ``begin`` to ``end``."""
        first, after = bisect_left(self._edges, begin), bisect_right(self._edges, end) - 1
        edges = self._edges[first : after + 1]
        return [(at, self._letters[at:following]) for at, following in pairwise(edges)]


def _numbers(wording: Wording, covered: NDArray[np.bool_], part: slice) -> tuple[int, int]:
    """Return how many digits the numbers in ``part`` have, and those of them that are covered to the last digit."""
    letters = np.frombuffer(wording.letters, dtype=np.uint8)
    digits = (letters >= ord("0")) & (letters <= ord("9"))
    first = digits.copy()
    first[1:] &= ~digits[:-1]
    first[wording.words] |= digits[wording.words]
    number = np.cumsum(first)
    whole = np.bincount(number, weights=digits & ~covered) == 0
    digits, number = digits[part], number[part]
    return int(digits.sum()), int((digits & whole[number]).sum())


def _equal(passage: Iterable[tuple[int, bytes]], text: Iterable[tuple[int, bytes]]) -> list[tuple[int, int]]:
    """Return (place in the passage, place in the text) of equal pieces; of one passage's piece the later place first."""
    places: defaultdict[bytes, list[int]] = defaultdict(list)
    for at, piece in text:
        places[piece].append(at)
    return [(place, at) for place, piece in passage if piece in places for at in reversed(places[piece][:MAX_PLACES])]


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
