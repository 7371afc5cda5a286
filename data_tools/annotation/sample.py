"""Which documents are annotated.

Decides: a document is in the sample when a keyed hash of its id is small enough, so the choice depends on nothing but ids and
seed, and any part of the corpus can make it alone. ``--sample N`` finds the limit that N documents are under; ``--fraction``
gives it. With ``--score NAME --between A B`` only documents whose stored score lies there can be chosen: what a filter was
unsure of.
Does not: balance the sample; ``mathcoder train-filter --balance`` does.
"""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import xxhash

from data_tools.document import Document

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

    def smallest(self, count: int, documents: Iterable[Document]) -> "Sample":
        """Return the sample of ``count`` of the documents, or of all when they are no more."""
        keys = heapq.nsmallest(count, (self._key(document) for document in documents if self._between(document)))
        limit = keys[-1] + 1 if len(keys) == count else WHOLE
        return Sample(self.seed, limit, self.score, self.low, self.high)

    def _between(self, document: Document) -> bool:
        if not self.score:
            return True
        scores = document.metadata.get("scores")
        value = scores.get(self.score) if isinstance(scores, dict) else None
        return isinstance(value, int | float) and self.low <= value <= self.high

    def _key(self, document: Document) -> int:
        return xxhash.xxh3_64_intdigest(document.id.encode("utf-8", "replace"), seed=self.seed & (WHOLE - 1))
