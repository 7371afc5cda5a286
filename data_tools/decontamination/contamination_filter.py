"""Drops documents that hold a benchmark item: whole or inside other text, as it is or with some words changed.

Decides: what counts as holding one. A document does when a stretch of it covers at least ``MIN_COVERED`` of a passage's letters
and has at least half of its numbers (otherwise it is another problem of the same kind), or when all of it is the question.
Does not: search (``passage_index.py``), choose the passages (``passages.py``), or read benchmarks.
"""

import functools
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data_tools.benchmarks import read_benchmark
from data_tools.decontamination.passage_index import STRICT_LETTERS, Find, PassageIndex, strict_form
from data_tools.decontamination.passages import Passage, passages_of
from data_tools.document import Document, Dropped
from data_tools.letters import MAX_LETTERS, canonical, letters_of

MIN_COVERED = 0.73
MIN_DIGITS = 0.7
NEARLY_ALL = 0.85
FEWEST_DIGITS = 0.5
BATCH_BYTES = 2**18
OVERLAP_BYTES = 2**15
"""How much of a long document the next piece repeats, so that no passage is cut in two unseen."""
SHOWN_CHARACTERS = 500
VERSION = 1
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
                if (known is None or find.covered > known.covered) and self._is_leak(find):
                    found = raw[find.begin : find.end].decode("utf-8", "replace")[:SHOWN_CHARACTERS]
                    best[owners[piece]] = Leak(self.passages[find.passage], find.covered, found)
        for number, raw in enumerate(raws):
            if best[number] is None and len(raw) <= 8 * self._longest_alone:
                best[number] = self._whole(raw)
        return best

    def _is_leak(self, find: Find) -> bool:
        least = FEWEST_DIGITS if find.covered >= NEARLY_ALL else MIN_DIGITS
        return find.covered >= MIN_COVERED and find.digits >= least

    def _whole(self, raw: bytes) -> Leak | None:
        passage = self._alone.get(letters_of(raw)[0].tobytes())
        text = raw.decode("utf-8", "replace")
        very_short = passage is not None and len(passage.letters) < STRICT_LETTERS
        if passage is None or (very_short and strict_form(text) != strict_form(passage.text)):
            return None
        return Leak(passage, 1.0, text[:SHOWN_CHARACTERS])


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
    return LeakSearch(passages_of([item for path in benchmarks for item in read_benchmark(Path(path))]))
