"""Which documents are annotated.

Decides: a document is in the sample when a keyed hash of its id is small enough, so the choice depends on nothing but ids and
seed, and any part of the corpus can make it alone. ``--sample N`` finds the limit that N documents are under; ``--fraction``
gives it. With ``--score NAME --between A B`` only documents whose stored score lies there can be chosen: what a filter was
unsure of.
Does not: balance the sample; ``mathcoder train-filter --balance`` does.
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import xxhash

from data_tools.document import Document
from data_tools.pool import Report, run_tasks
from data_tools.progress import Progress
from data_tools.sources import SourceSlice

WHOLE = 2**64
NOT_SAMPLED = "not in the sample"
NOT_BETWEEN = "not between the scores"


@dataclass(frozen=True, slots=True)
class Sample:
    """Documents whose key is below ``limit`` and, with a ``score``, whose score of that name is from ``low`` to ``high``."""

    seed: int
    limit: int = WHOLE
    score: str = ""
    low: float = 0.0
    high: float = 1.0

    @property
    def settings(self) -> dict[str, Any]:
        """What decides, as JSON data; the limit as text, since JSON's numbers end at 2**53 for many readers."""
        between = {"score": self.score, "between": [self.low, self.high]} if self.score else {}
        return {"seed": self.seed, "limit": str(self.limit), **between}

    def why_not(self, document: Document) -> str:
        """Return why a document is not in the sample, "" when it is."""
        if not self._between(document):
            return f"{NOT_BETWEEN}: {self.score} from {self.low:g} to {self.high:g}"
        return "" if self._key(document) < self.limit else NOT_SAMPLED

    def smallest(self, count: int, slices: Sequence[SourceSlice], workers: int) -> "Sample":
        """Return the sample of ``count`` of the slices' documents, or of all when they are no more."""
        tasks = [_KeyTask(piece, self, count) for piece in slices]
        keys: list[int] = []
        with Progress("sample", sum(piece.bytes for piece in slices), "documents") as progress:
            for _, of_slice in run_tasks(_smallest_keys, tasks, workers, progress, in_process=workers == 1):
                keys = heapq.nsmallest(count, keys + of_slice)
        return replace(self, limit=keys[-1] + 1 if len(keys) == count else WHOLE)

    def keys(self, documents: Iterable[Document]) -> Iterator[int]:
        """Yield the keys of those that can be chosen."""
        return (self._key(document) for document in documents if self._between(document))

    def _between(self, document: Document) -> bool:
        if not self.score:
            return True
        scores = document.metadata.get("scores")
        value = scores.get(self.score) if isinstance(scores, dict) else None
        return isinstance(value, int | float) and self.low <= value <= self.high

    def _key(self, document: Document) -> int:
        return xxhash.xxh3_64_intdigest(document.id.encode("utf-8", "replace"), seed=self.seed & (WHOLE - 1))


@dataclass(frozen=True, slots=True)
class _KeyTask:
    """A slice of which at most ``count`` documents are in the sample of the whole."""

    piece: SourceSlice
    sample: Sample
    count: int


def _smallest_keys(task: _KeyTask, report: Report) -> list[int]:
    read = 0

    def note_bytes(done: int) -> None:
        nonlocal read
        read = done

    def documents() -> Iterator[Document]:
        for number, item in enumerate(task.piece.documents(note_bytes)):
            report(read, number)
            if isinstance(item, Document):
                yield item

    return heapq.nsmallest(task.count, task.sample.keys(documents()))
