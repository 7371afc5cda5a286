"""Finds where in texts a passage may stand, with words changed in it or not: the places that are then compared letter by letter.

Decides: two kinds of anchors, windows of letters that text and passage must share. *Winnowed* ones, of every passage: a text that
shares ``WINNOW_LETTERS`` letters in a row shares one. *Word* ones, of passages up to ``SHORT_LETTERS``: two words or more with
``WORDS_LETTERS`` letters together, since a short passage may have no unbroken run of that length once a word in it is changed.
Does not: compare (``cover.py``), or find passages too short or too common for anchors (``exact_search.py``).

The anchors of the 14,768 items of eleven benchmarks and their tables take about 70 MB.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from data_tools.decontamination.hash_table import HashTable, Numbers
from data_tools.decontamination.passages import STRICT_LETTERS, Passage
from data_tools.letters import MAX_LETTERS, Hashes, Places, hashes_at, running_sum, window_hashes, winnowed

ANCHOR_LETTERS = 16
WINNOW_WIDTH = 8
WINNOW_LETTERS = ANCHOR_LETTERS + WINNOW_WIDTH - 1

WORDS_LETTERS = 8
SHORT_LETTERS = 96

MAX_SHARING = 32
"""An anchor that more passages share is a phrase of the trade (``which of the following``); it is looked for only in passages
that have few others."""
MIN_RARE_ANCHORS, MIN_RARE_WORDS = 4, 2
MIN_TOGETHER, ANCHOR_SHARE = 2, 0.2
"""Anchors of a passage, and the share of all it has, that must be close together before its letters are compared. Few: comparing
is what decides."""

WINNOWED_BITS, WORD_BITS = 24, 22

Anchors = tuple[Hashes, Numbers, Places]
"""Hash, number of the passage, place in it."""


class AnchorIndex:
    """An index over those of ``passages`` that may be found anywhere and have an anchor."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._lengths = np.array([len(passage.letters) for passage in passages], dtype=np.int64)
        blocks = list(_blocks(passages))
        winnowed_anchors = _rare(_joined([_winnowed_anchors(passages, block) for block in blocks]), MIN_RARE_ANCHORS)
        word_anchors = _rare(_joined([_word_anchors(passages, block) for block in blocks]), MIN_RARE_WORDS)
        self._winnowed = _table(winnowed_anchors, WINNOWED_BITS)
        self._words = _table(word_anchors, WORD_BITS)
        counts = sum(np.bincount(anchors[1], minlength=len(passages)) for anchors in (winnowed_anchors, word_anchors))
        self._needed = np.maximum(np.minimum(counts, MIN_TOGETHER), ANCHOR_SHARE * counts)

    def candidates(self, sums: Hashes, words: Places, text_begins: Places) -> Iterator[tuple[int, int, int]]:
        """Yield (first letter, last letter, passage) where enough anchors of a passage come together within one text.

        ``sums``: those of the texts' letters; ``words``: where words begin; ``text_begins``: where each text does, and the last
        one's end.
        """
        hashes = window_hashes(sums, ANCHOR_LETTERS)
        chosen = winnowed(hashes, WINNOW_WIDTH)
        which, values = self._winnowed.find(hashes[chosen])
        begins, ends = _some_words(words, len(sums) - 1)
        which_word, word_values = self._words.find(hashes_at(sums, begins, ends))
        where = np.concatenate((chosen[which], begins[which_word]))
        if len(where):
            yield from self._together(where, np.concatenate((values, word_values)), text_begins)

    def _together(self, where: Places, values: Numbers, text_begins: Places) -> Iterator[tuple[int, int, int]]:
        passage, offset = values >> 32, values & 0xFFFFFFFF
        text = np.searchsorted(text_begins, where, side="right") - 1
        groups = passage * len(text_begins) + text
        order = np.lexsort((where, groups))
        edges = np.flatnonzero(np.diff(groups[order], prepend=-1, append=-1))
        needed = self._needed[passage[order[edges[:-1]]]]
        for index in np.flatnonzero(np.diff(edges) >= needed):
            members = order[edges[index] : edges[index + 1]]
            number, first = int(passage[members[0]]), int(text[members[0]])
            length = int(self._lengths[number])
            slack = 32 + length // 4
            begin, together = _densest(where[members] - offset[members], slack)
            if together >= needed[index]:
                end = begin + length + 2 * slack
                yield max(begin - slack, int(text_begins[first])), min(end, int(text_begins[first + 1])), number


def _densest(begins: Places, slack: int) -> tuple[int, int]:
    """Return where the passage would begin by most of its anchors, and how many those are: they agree up to ``slack`` letters."""
    if len(begins) == 1:
        return int(begins[0]), 1
    begins = np.sort(begins)
    together = np.searchsorted(begins, begins + slack, side="right") - np.arange(len(begins))
    most = int(np.argmax(together))
    return int(begins[most]), int(together[most])


def _table(anchors: Anchors, bits: int) -> HashTable:
    hashes, numbers, places = anchors
    return HashTable(hashes, numbers << 32 | places, bits)


def _rare(anchors: Anchors, at_least: int) -> Anchors:
    """Leave out the anchors that too many passages share, but keep each passage's rarest ``at_least``."""
    hashes, numbers, places = anchors
    _, inverse, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    shared = counts[inverse]
    order = np.lexsort((shared, numbers))
    rank = np.arange(len(order)) - np.searchsorted(numbers[order], numbers[order], side="left")
    kept = order[(shared[order] <= MAX_SHARING) | (rank < at_least)]
    return hashes[kept], numbers[kept], places[kept]


def _joined(parts: Sequence[Anchors]) -> Anchors:
    hashes, numbers, places = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return hashes, numbers, places


def _blocks(passages: Sequence[Passage]) -> Iterator[list[int]]:
    """Yield the numbers of the passages that have anchors, as many at a time as may be hashed at once."""
    block: list[int] = []
    size = 0
    for number, passage in enumerate(passages):
        length = min(len(passage.letters), MAX_LETTERS)
        if passage.where != "anywhere" or length < STRICT_LETTERS:
            continue
        if size + length > MAX_LETTERS:
            yield block
            block, size = [], 0
        block.append(number)
        size += length
    yield block


def _begins(passages: Sequence[Passage], block: Sequence[int]) -> tuple[Hashes, Places]:
    """Return the running sum over the letters of a block, and where each of its passages begins (and the last's end)."""
    letters = [passages[number].letters[:MAX_LETTERS] for number in block]
    return running_sum(np.frombuffer(b"".join(letters), dtype=np.uint8)), np.cumsum([0, *map(len, letters)])


def _winnowed_anchors(passages: Sequence[Passage], block: Sequence[int]) -> Anchors:
    sums, begins = _begins(passages, block)
    hashes = window_hashes(sums, ANCHOR_LETTERS)
    places = winnowed(hashes, WINNOW_WIDTH)
    owner = np.searchsorted(begins, places, side="right") - 1
    inside = places + ANCHOR_LETTERS <= begins[owner + 1]
    places, owner = places[inside], owner[inside]
    return hashes[places], np.array(block, dtype=np.int64)[owner], places - begins[owner]


def _word_anchors(passages: Sequence[Passage], block: Sequence[int]) -> Anchors:
    sums, begins = _begins(passages, block)
    found: list[NDArray[np.int64]] = [np.zeros((3, 0), dtype=np.int64)]
    for index, number in enumerate(block):
        letters, words = passages[number].letters, passages[number].wording.words
        if len(letters) <= SHORT_LETTERS:
            first, after = _some_words(words, len(letters))
            found.append(np.stack((np.full(len(first), index), first, after)))
    owner, first, after = np.concatenate(found, axis=1)
    return hashes_at(sums, first + begins[owner], after + begins[owner]), np.array(block, dtype=np.int64)[owner], first


def _some_words(words: Places, length: int) -> tuple[Places, Places]:
    """Return where each word begins, and where the words from it on end that have ``WORDS_LETTERS`` letters and are two or more.

    Of ``length`` letters in all; words too near the end for that are left out.
    """
    edges = np.append(words, length)
    after = np.maximum(np.searchsorted(edges, words + WORDS_LETTERS), np.arange(len(words)) + 2)
    count = int(np.searchsorted(after, len(edges)))
    return words[:count], edges[after[:count]]
