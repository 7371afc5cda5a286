"""Finds where passages occur in texts, exactly or with some words changed, at tens of megabytes a second.

Decides: two searches. A passage of ``ANCHORED_LETTERS`` or more leaves *anchors*: windows of ``ANCHOR_LETTERS`` letters, chosen
by winnowing, so that a text sharing ``ANCHORED_LETTERS`` letters in a row shares one. Texts' anchors are looked up, and where
enough of one passage's come close together, the share of its letters that the text covers is measured. A shorter passage must
stand there letter for letter, from a word's beginning to a word's end; a very short one with its operators too.
Does not: know benchmarks, or decide what a covered share means (``contamination_filter.py``).

The index of the 14,768 items of eleven benchmarks holds 750,000 anchors; with its tables it takes about 60 MB.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data_tools.decontamination.cover import cover
from data_tools.decontamination.passages import Passage
from data_tools.letters import MAX_LETTERS, Hashes, Places, hashes_at, letters_of, running_sum, window_hashes, winnowed

ANCHOR_LETTERS = 16
WINNOW_WIDTH = 8
ANCHORED_LETTERS = ANCHOR_LETTERS + WINNOW_WIDTH - 1

MAX_SHARING = 32
"""An anchor that more passages share is a phrase of the trade (``which of the following``); it is looked for only in passages
that have few others."""
MIN_RARE_ANCHORS = 4
ANCHOR_SHARE = 0.2
"""Share of a passage's anchors that must be close together before its letters are compared. Low: comparing is what decides."""

SHORT_STARTS = (12, 6)
"""Letters at a short passage's beginning that are looked up at each word's beginning: the longer start that it has."""
STRICT_LETTERS = 10
"""Below this many letters, operators count: ``2 + 2`` is not ``2 / 2``."""

BLOOM_BITS = 24
_NOT_STRICT = re.compile(r"[\s.,;:!?'\"$\\{}]+")


@dataclass(frozen=True, slots=True)
class Find:
    """Passage number ``passage`` covers ``covered`` (0 to 1) of its letters in ``begin`` to ``end``, byte offsets of the text."""

    passage: int
    covered: float
    digits: float
    begin: int
    end: int


class _Table:
    """Hash → numbers, for many lookups at once: a bit table in the processor's cache answers most, a sorted array the rest."""

    def __init__(self, hashes: Hashes, values: NDArray[np.int64], bits: int) -> None:
        order = np.argsort(hashes, kind="stable")
        self._hashes, self._values = hashes[order], values[order]
        self._shift = np.uint32(32 - bits)
        self._bloom = np.zeros(2**bits, dtype=bool)
        self._bloom[hashes >> self._shift] = True

    def find(self, hashes: Hashes) -> tuple[Places, NDArray[np.int64]]:
        """Return (which of ``hashes``, value) for every value of every hash that is known."""
        maybe = np.flatnonzero(self._bloom.take(hashes >> self._shift))
        begin = np.searchsorted(self._hashes, hashes[maybe], side="left")
        counts = np.searchsorted(self._hashes, hashes[maybe], side="right") - begin
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return np.repeat(maybe, counts), self._values[np.repeat(begin, counts) + within]


class PassageIndex:
    """An index over ``passages``; those that may only stand alone are left out."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._passages = passages
        self._anchors, self._anchor_counts = _anchor_table(passages)
        self._short = [(size, _short_table(passages, size)) for size in SHORT_STARTS]

    def finds(self, raw: bytes, bounds: Places) -> Iterator[tuple[int, Find]]:
        """Yield (text, find) for the texts in ``raw``: text i is bytes ``bounds[i]`` to ``bounds[i + 1]``.

        At most ``MAX_LETTERS`` letters at a time. A find's offsets are those in ``raw``. One passage may come several times.
        """
        letters, places = letters_of(raw)
        if not len(letters):
            return
        sums, joined = running_sum(letters), letters.tobytes()
        for begin, end, passage in self._candidates(sums, np.searchsorted(places, bounds)):
            text = int(np.searchsorted(bounds, places[begin], side="right")) - 1
            if (find := self._covered(joined, places, begin, end, passage)) is not None:
                yield text, find
        for find in self._short_finds(raw, joined, places, sums):
            yield int(np.searchsorted(bounds, find.begin, side="right")) - 1, find

    def _candidates(self, sums: Hashes, text_begins: Places) -> Iterator[tuple[int, int, int]]:
        """Yield (first letter, last letter, passage) where enough anchors of a passage come together within one text."""
        hashes = window_hashes(sums, ANCHOR_LETTERS)
        chosen = winnowed(hashes, WINNOW_WIDTH)
        which, values = self._anchors.find(hashes[chosen])
        if not len(which):
            return
        where, passage, offset = chosen[which], values >> 32, values & 0xFFFFFFFF
        text = np.searchsorted(text_begins, where, side="right") - 1
        groups = passage * len(text_begins) + text
        order = np.lexsort((where, groups))
        edges = np.flatnonzero(np.diff(groups[order], prepend=-1, append=-1))
        needed = np.maximum(1, ANCHOR_SHARE * self._anchor_counts)[passage[order[edges[:-1]]]]
        for index in np.flatnonzero(np.diff(edges) >= needed):
            members = order[edges[index] : edges[index + 1]]
            number, first = int(passage[members[0]]), int(text[members[0]])
            length = len(self._passages[number].letters)
            slack = 32 + length // 4
            begin, together = _densest(where[members] - offset[members], slack)
            if together >= needed[index]:
                end = begin + length + 2 * slack
                yield max(begin - slack, int(text_begins[first])), min(end, int(text_begins[first + 1])), number

    def _covered(self, letters: bytes, places: Places, begin: int, end: int, number: int) -> Find | None:
        sought = self._passages[number]
        found = cover(sought.letters, letters[begin:end], sought.weights)
        if found is None:
            return None
        first, last = int(places[begin + found.begin]), int(places[begin + found.end - 1]) + 1
        return Find(number, found.share, found.digits, first, last)

    def _short_finds(self, raw: bytes, letters: bytes, places: Places, sums: Hashes) -> Iterator[Find]:
        begins = np.flatnonzero(np.diff(places, prepend=-2) > 1)
        for size, table in self._short:
            inside = begins[: np.searchsorted(begins, len(places) - size, side="right")]
            which, numbers = table.find(hashes_at(sums, inside, inside + size))
            for at, number in zip(inside[which].tolist(), numbers.tolist(), strict=True):
                sought = self._passages[number]
                after = at + len(sought.letters)
                whole = letters[at:after] == sought.letters
                if not whole or (after < len(places) and places[after] == places[after - 1] + 1):
                    continue
                begin, end = int(places[at]), int(places[after - 1]) + 1
                if len(sought.letters) >= STRICT_LETTERS or strict_form(raw[begin:end].decode("utf-8", "replace")) in strict_form(
                    sought.text
                ):
                    yield Find(number, 1.0, 1.0, begin, end)


def _densest(begins: Places, slack: int) -> tuple[int, int]:
    """Return where the passage would begin by most of its anchors, and how many those are: they agree up to ``slack`` letters."""
    if len(begins) == 1:
        return int(begins[0]), 1
    begins = np.sort(begins)
    together = np.searchsorted(begins, begins + slack, side="right") - np.arange(len(begins))
    most = int(np.argmax(together))
    return int(begins[most]), int(together[most])


def strict_form(text: str) -> str:
    """Return ``text`` in lower case without spaces and prose punctuation, but with its operators."""
    return _NOT_STRICT.sub("", text.lower())


def _anchor_table(passages: Sequence[Passage]) -> tuple[_Table, NDArray[np.int64]]:
    """Return the table anchor → ``passage << 32 | place``, and how many anchors each passage has in it."""
    found = [_anchors_of(block) for block in _blocks(passages)]
    hashes, numbers, places = (np.concatenate(parts) for parts in zip(*found, strict=True))
    _, inverse, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    shared = counts[inverse]
    # Within each passage from the rarest on, so that the first few are kept however common they are.
    order = np.lexsort((shared, numbers))
    rank = np.arange(len(order)) - np.searchsorted(numbers[order], numbers[order], side="left")
    kept = order[(shared[order] <= MAX_SHARING) | (rank < MIN_RARE_ANCHORS)]
    table = _Table(hashes[kept], numbers[kept] << 32 | places[kept], BLOOM_BITS)
    return table, np.bincount(numbers[kept], minlength=len(passages))


def _blocks(passages: Sequence[Passage]) -> Iterator[list[tuple[int, bytes]]]:
    """Yield the passages that are searched by anchors, with their numbers, as many at a time as may be hashed at once."""
    block: list[tuple[int, bytes]] = []
    size = 0
    for number, passage in enumerate(passages):
        if passage.alone or len(passage.letters) < ANCHORED_LETTERS:
            continue
        letters = passage.letters[:MAX_LETTERS]
        if size + len(letters) > MAX_LETTERS:
            yield block
            block, size = [], 0
        block.append((number, letters))
        size += len(letters)
    yield block


def _anchors_of(block: list[tuple[int, bytes]]) -> tuple[Hashes, NDArray[np.int64], Places]:
    """Return (hash, passage, place in it) of the block's anchors, without the windows that reach into the next passage."""
    lengths = np.array([len(letters) for _, letters in block], dtype=np.int64)
    ends = np.cumsum(lengths)
    hashes = window_hashes(running_sum(np.frombuffer(b"".join(letters for _, letters in block), dtype=np.uint8)), ANCHOR_LETTERS)
    places = winnowed(hashes, WINNOW_WIDTH)
    owner = np.searchsorted(ends, places, side="right")
    inside = places + ANCHOR_LETTERS <= ends[owner]
    places, owner = places[inside], owner[inside]
    numbers = np.array([number for number, _ in block], dtype=np.int64)
    return hashes[places], numbers[owner], places - (ends - lengths)[owner]


def _short_table(passages: Sequence[Passage], size: int) -> _Table:
    longer = min((start for start in SHORT_STARTS if start > size), default=ANCHORED_LETTERS)
    found = [number for number, passage in enumerate(passages) if not passage.alone and size <= len(passage.letters) < longer]
    starts = [np.frombuffer(passages[number].letters[:size], dtype=np.uint8) for number in found]
    hashes = np.concatenate([window_hashes(running_sum(start), size) for start in starts] or [np.zeros(0, np.uint32)])
    return _Table(hashes, np.array(found, dtype=np.int64), 16)
