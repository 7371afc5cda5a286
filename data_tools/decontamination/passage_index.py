"""Finds where passages occur in texts, exactly or with some words changed, at tens of megabytes a second.

Decides: where the anchors of a passage come together, the share of its letters that the text covers is measured; passages without
anchors are found to the letter.
Does not: know benchmarks, or decide what a covered share means (``contamination_filter.py``).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from data_tools.decontamination.anchors import AnchorIndex
from data_tools.decontamination.cover import Cover, Wording, cover
from data_tools.decontamination.exact_search import ExactSearch
from data_tools.decontamination.passages import Passage
from data_tools.letters import Places, letters_of, running_sum, word_begins


@dataclass(frozen=True, slots=True)
class Find:
    """A stretch of a text that holds passage number ``passage``, by ``cover``; its ``begin`` and ``end`` are byte offsets."""

    passage: int
    cover: Cover


class PassageIndex:
    """An index over ``passages``; those that may only stand alone are left out."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._passages = passages
        self._anchors = AnchorIndex(passages)
        self._exact = ExactSearch(passages)

    def finds(self, raw: bytes, bounds: Places) -> Iterator[tuple[int, Find]]:
        """Yield (text, find) for the texts in ``raw``: text i is bytes ``bounds[i]`` to ``bounds[i + 1]``.

        At most ``MAX_LETTERS`` letters at a time. A find's offsets are those in ``raw``. One passage may come several times.
        """
        letters, places = letters_of(raw)
        if not len(letters):
            return
        sums, words = running_sum(letters), word_begins(places)
        text = Wording(letters.tobytes(), words)
        for begin, end, passage in self._anchors.candidates(sums, words, np.searchsorted(places, bounds)):
            owner = int(np.searchsorted(bounds, places[begin], side="right")) - 1
            if (find := self._covered(text, places, begin, end, passage)) is not None:
                yield owner, find
        for passage, first, after in self._exact.finds(raw, text.letters, places, words, sums):
            yield int(np.searchsorted(bounds, first, side="right")) - 1, Find(passage, Cover(1.0, 1.0, False, 1.0, first, after))

    def _covered(self, text: Wording, places: Places, begin: int, end: int, number: int) -> Find | None:
        sought = self._passages[number]
        found = cover(sought.wording, text.part(begin, end), sought.weights)
        if found is None:
            return None
        first, last = int(places[begin + found.begin]), int(places[begin + found.end - 1]) + 1
        return Find(number, replace(found, begin=first, end=last))
