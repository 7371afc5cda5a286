"""Drops documents that hold a benchmark item: whole or inside other text, as it is or with some words changed.

Decides: what counts as holding one (``is_leak``): a stretch of the document covers enough of a passage's letters, holds little
else, and has its numbers, since with other numbers it is another problem of its kind. Or all of the document is the question.
Does not: search (``passage_index.py``), measure (``cover.py``), choose the passages (``passages.py``), or read benchmarks.
"""

import functools
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data_tools.benchmarks import read_benchmarks
from data_tools.canonical import canonical
from data_tools.decontamination.cover import Cover
from data_tools.decontamination.passage_index import PassageIndex
from data_tools.decontamination.passages import STRICT_LETTERS, Passage, passages_of, strict_form
from data_tools.document import Document, Dropped
from data_tools.letters import MAX_LETTERS, letters_of

MIN_COVERED, MIN_COVERED_SHORT, LESS_PER_LETTER = 0.72, 0.9, 0.0025
"""The share of a passage that must be covered falls with its letters, from 0.9 to 0.72 at 72."""
MORE_WITHOUT_NUMBERS = 0.04
MIN_DENSITY = 0.6
SAME_NUMBERS = 0.5
"""Of the digits of both, more must be shared."""
NEARLY_ALL_WORDS, NEARLY_ALL = 0.85, 0.9
LONG_LETTERS = 64

BATCH_BYTES = 2**18
OVERLAP_BYTES = 2**15
"""How much of a long document the next piece repeats, so that no passage is cut in two unseen."""
SHOWN_CHARACTERS = 500
VERSION = 3
"""Raised when the decision changes, so that an output of the older one is not taken for this one's."""


@dataclass(frozen=True, slots=True)
class Leak:
    """A benchmark item in a document: ``found`` is the offending passage of the document, its first 500 characters."""

    passage: Passage
    covered: float
    found: str

    def details(self) -> dict[str, Any]:
        """Return the keys of a dropped row."""
        item = {"benchmark": self.passage.benchmark, "item": self.passage.item, "kind": self.passage.kind}
        return item | {"covered": round(self.covered, 3), "passage": self.found, "expected": self.passage.text[:SHOWN_CHARACTERS]}


class LeakSearch:
    """Finds leaks in texts. Holds the index; make one per process."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self.passages = passages
        self._index = PassageIndex(passages)
        self._alone = {passage.letters: passage for passage in reversed(passages) if passage.kind == "question"}
        self._longest_alone = max(map(len, self._alone), default=0)

    def leaks(self, texts: Sequence[str]) -> list[Leak | None]:
        """Return for each text the leak that covers most of its passage, or None."""
        best: list[Leak | None] = [None] * len(texts)
        raws = [canonical(text).encode("utf-8", "replace") for text in texts]
        for owners, raw, bounds in _pieces(raws):
            for piece, find in self._index.finds(raw, bounds):
                known = best[owners[piece]]
                cover, passage = find.cover, self.passages[find.passage]
                if (known is None or cover.share > known.covered) and is_leak(passage, cover):
                    found = raw[cover.begin : cover.end].decode("utf-8", "replace")[:SHOWN_CHARACTERS]
                    best[owners[piece]] = Leak(passage, cover.share, found)
        for number, raw in enumerate(raws):
            if best[number] is None and len(raw) <= 8 * self._longest_alone:
                best[number] = self._whole(raw)
        return best

    def _whole(self, raw: bytes) -> Leak | None:
        passage = self._alone.get(letters_of(raw)[0].tobytes())
        text = raw.decode("utf-8", "replace")
        very_short = passage is not None and len(passage.letters) < STRICT_LETTERS
        if passage is None or (very_short and strict_form(text) != strict_form(passage.text)):
            return None
        return Leak(passage, 1.0, text[:SHOWN_CHARACTERS])


def is_leak(passage: Passage, cover: Cover) -> bool:
    """Say whether a stretch that covers ``passage`` like this holds it.

    Without the same numbers it does when the passage has none and nearly all of it is there, or when a long one lacks a number
    and none stands in its place.
    """
    length, has_numbers = len(passage.letters), any(48 <= letter <= 57 for letter in passage.letters)
    least = MIN_COVERED_SHORT + (0 if has_numbers else MORE_WITHOUT_NUMBERS) - LESS_PER_LETTER * length
    if cover.share < max(MIN_COVERED, least) or cover.density < MIN_DENSITY:
        return False
    if cover.numbers > SAME_NUMBERS:
        return True
    if not has_numbers:
        return cover.share >= NEARLY_ALL_WORDS
    return not cover.foreign and cover.share >= NEARLY_ALL and length >= LONG_LETTERS


def _pieces(raws: Sequence[bytes]) -> Iterator[tuple[list[int], bytes, np.ndarray[Any, np.dtype[np.int64]]]]:
    """Yield (which text each piece is of, the pieces joined, where each begins and the last ends), ``MAX_LETTERS`` at most."""
    step = MAX_LETTERS - OVERLAP_BYTES
    owners: list[int] = []
    joined: list[bytes] = []
    size = 0

    def batch() -> tuple[list[int], bytes, np.ndarray[Any, np.dtype[np.int64]]]:
        return owners, b"\n".join(joined), np.cumsum([0, *(len(piece) + 1 for piece in joined)])

    for number, raw in enumerate(raws):
        for begin in range(0, max(len(raw) - OVERLAP_BYTES, 1), step):
            piece = raw[begin : begin + MAX_LETTERS - 1]
            if joined and size + len(piece) >= MAX_LETTERS:
                yield batch()
                owners, joined, size = [], [], 0
            owners.append(number)
            joined.append(piece)
            size += len(piece) + 1
    if joined:
        yield batch()


@dataclass(frozen=True, slots=True)
class ContaminationFilter:
    """The filter of ``mathcoder decontaminate``: benchmark files by path, their hashes in ``sha256``."""

    benchmarks: tuple[str, ...]
    sha256: tuple[str, ...]

    @classmethod
    def of(cls, files: Sequence[Path]) -> "ContaminationFilter":
        """Make the filter for ``files``."""
        return cls(tuple(map(str, files)), tuple(hashlib.sha256(path.read_bytes()).hexdigest() for path in files))

    @property
    def settings(self) -> dict[str, Any]:
        """The benchmarks by content, and the version of the decision."""
        return {"mode": "containment", "version": VERSION, "benchmarks": list(self.sha256)}

    def __call__(self, documents: Iterable[Document]) -> Iterator[Document | Dropped]:
        """Yield each document, or its record with the leak that was found."""
        search = leak_search(self.benchmarks)
        batch: list[Document] = []
        size = 0
        for document in documents:
            batch.append(document)
            size += len(document.text)
            if size >= BATCH_BYTES:
                yield from _judged(search, batch)
                batch, size = [], 0
        yield from _judged(search, batch)


def _judged(search: LeakSearch, batch: list[Document]) -> Iterator[Document | Dropped]:
    for document, leak in zip(batch, search.leaks([document.text for document in batch]), strict=True):
        if leak is None:
            yield document
        else:
            reason = f"contaminated: {leak.passage.benchmark} {leak.passage.kind} {leak.passage.item}"
            yield document.dropped(reason, **leak.details())


@functools.lru_cache(maxsize=1)
def leak_search(benchmarks: tuple[str, ...]) -> LeakSearch:
    """Read the benchmarks and index them, once per process (a second for 20,000 items)."""
    return LeakSearch(passages_of([item for items in read_benchmarks(benchmarks).values() for item in items]))
