"""Finds passages that must stand in a text to the letter: short ones, and ones so commonly worded that they are no evidence else.

Decides: such a passage begins where a word begins and ends where one ends. Below ``STRICT_LETTERS`` letters its operators must be
the same too. One that may only be a sentence of its own must begin behind the end of another, at a line's beginning or with a
capital letter, and must end with a sentence or a line: ``using the k-means algorithm.`` is not ``The K-means algorithm:``.
Does not: find passages with words changed (``anchors.py``).
"""

import re
from collections.abc import Iterator, Sequence

import numpy as np

from data_tools.decontamination.hash_table import HashTable
from data_tools.decontamination.passages import STRICT_LETTERS, Passage, strict_form
from data_tools.letters import Hashes, Places, hashes_at, running_sum, window_hashes

EXACT_LETTERS = 23
"""Longer passages are found by their anchors."""
STARTS = (12, 6, 4)
"""Letters at a passage's beginning that are looked up at each word's beginning: the longest of these starts that it has."""

_BEFORE_SENTENCE = re.compile(rb"(?:[.?!:;\r\n)\]]|^)[\"'`(\[{$*#>\- \t]*$")
BEFORE_BYTES = 64
"""How far before a passage the end of another sentence is looked for."""
_SENTENCE_END = re.compile(rb"[\"'`)\]}$*]{0,2}[ \t]*(?:[.?!:;\r\n]|$)")


class ExactSearch:
    """An index over those of ``passages`` that are found to the letter."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._passages = passages
        self._starts = [(size, _start_table(passages, size)) for size in STARTS]

    def finds(self, raw: bytes, letters: bytes, places: Places, words: Places, sums: Hashes) -> Iterator[tuple[int, int, int]]:
        """Yield (passage, first byte, byte after the last) in ``raw``, of which the others are what ``letters.py`` says."""
        for size, table in self._starts:
            inside = words[: np.searchsorted(words, len(places) - size, side="right")]
            which, numbers = table.find(hashes_at(sums, inside, inside + size))
            for at, number in zip(inside[which].tolist(), numbers.tolist(), strict=True):
                sought = self._passages[number]
                after = at + len(sought.letters)
                if letters[at:after] != sought.letters:
                    continue
                begin, end = int(places[at]), int(places[after - 1]) + 1
                if after < len(places) and places[after] == end:
                    continue
                if sought.where == "sentence" and not _is_sentence(raw, begin, end):
                    continue
                if len(sought.letters) >= STRICT_LETTERS or strict_form(raw[begin:end].decode("utf-8", "replace")) == strict_form(
                    sought.text
                ):
                    yield number, begin, end


def _is_sentence(raw: bytes, begin: int, end: int) -> bool:
    begins = raw[begin : begin + 1].isupper() or _BEFORE_SENTENCE.search(raw, max(begin - BEFORE_BYTES, 0), begin)
    return bool(begins and _SENTENCE_END.match(raw, end))


def _start_table(passages: Sequence[Passage], size: int) -> HashTable:
    longer = min((start for start in STARTS if start > size), default=0)

    def belongs(passage: Passage) -> bool:
        length = len(passage.letters)
        exact = passage.where == "sentence" or (passage.where == "anywhere" and length < EXACT_LETTERS)
        return exact and length >= size and (not longer or length < longer)

    found = [number for number, passage in enumerate(passages) if belongs(passage)]
    starts = [np.frombuffer(passages[number].letters[:size], dtype=np.uint8) for number in found]
    hashes = np.concatenate([window_hashes(running_sum(start), size) for start in starts] or [np.zeros(0, np.uint32)])
    return HashTable(hashes, np.array(found, dtype=np.int64), 16)
