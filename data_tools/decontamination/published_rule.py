"""MathCoder2's rule, for comparison: what it drops, and what it lets through.

Decides: as the published code does. A document is dropped when all of it is a part of a question, or when the sets of 13-word
sequences of document and question have a Jaccard similarity over 0.6. Words are what spaces divide; nothing is normalised.
Does not: look at every pair. An index from sequences to questions gives the same decisions in one pass.
"""

import functools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from data_tools.benchmarks import BenchmarkItem, read_benchmarks
from data_tools.document import Document, Dropped

NGRAM_WORDS = 13
MAX_JACCARD = 0.6


def ngrams(text: str) -> set[str]:
    """Return the sequences of 13 words of ``text``; none when it has fewer."""
    words = text.split()
    return {" ".join(words[i : i + NGRAM_WORDS]) for i in range(len(words) - NGRAM_WORDS + 1)}


class PublishedIndex:
    """The questions by their 13-word sequences."""

    def __init__(self, items: list[BenchmarkItem]) -> None:
        self._items = items
        self._joined = "\0".join(item.question for item in items)
        self._sizes = []
        self._by_ngram: defaultdict[str, list[int]] = defaultdict(list)
        for number, item in enumerate(items):
            found = ngrams(item.question)
            self._sizes.append(len(found))
            for ngram in found:
                self._by_ngram[ngram].append(number)

    def find(self, text: str) -> tuple[BenchmarkItem, float] | None:
        """Return a question that the rule takes ``text`` for, and their similarity (1 where the text is a part of it)."""
        if "\0" not in text and (at := self._joined.find(text)) >= 0:
            return self._items[self._joined.count("\0", 0, at)], 1.0
        own = ngrams(text)
        shared = Counter(number for ngram in own for number in self._by_ngram.get(ngram, ()))
        for number, common in sorted(shared.items()):
            similarity = common / (len(own) + self._sizes[number] - common)
            if similarity > MAX_JACCARD:
                return self._items[number], similarity
        return None


@dataclass(frozen=True, slots=True)
class PublishedFilter:
    """The filter of ``mathcoder decontaminate --mode published``."""

    benchmarks: tuple[str, ...]
    sha256: tuple[str, ...]

    @property
    def settings(self) -> dict[str, Any]:
        """The benchmarks by content."""
        return {"mode": "published", "version": 1, "benchmarks": list(self.sha256)}

    def __call__(self, documents: Iterable[Document]) -> Iterator[Document | Dropped]:
        """Yield each document, or its record with the question and the similarity."""
        index = _index(self.benchmarks)
        for document in documents:
            if (found := index.find(document.text)) is None:
                yield document
            else:
                item, similarity = found
                details = {"benchmark": item.benchmark, "item": item.id, "kind": "question", "similarity": round(similarity, 3)}
                yield document.dropped(f"contaminated: {item.benchmark} question {item.id}", **details, passage=item.question)


@functools.lru_cache(maxsize=1)
def _index(benchmarks: tuple[str, ...]) -> PublishedIndex:
    return PublishedIndex([item for items in read_benchmarks(benchmarks).values() for item in items])
