"""``mathcoder decontaminate`` against MathCoder2's rule: as its code does it, pair by pair, and by an index.

Decides: texts and benchmarks are the same for all, one process each. The published code builds the 13-word sequences of a
document once and those of each question again for every document; so does ``as_published``. It is slow, so it is given every
``EVERY``-th document. Prepared sets and an index (``--mode published``) are our improvements of the same rule, shown beside it.

Run it: python tests/benchmarks/bench_decontaminate.py
"""

import sys
from collections.abc import Sequence

from data_corpus import SHARED_DATA, corpus, cpu_seconds, judge, megabytes

from data_tools.benchmarks import find_benchmarks, read_benchmark
from data_tools.decontamination.contamination_filter import LeakSearch
from data_tools.decontamination.passages import passages_of
from data_tools.decontamination.published_rule import MAX_JACCARD, PublishedIndex, ngrams

EVERY = 60
BATCH_DOCUMENTS = 40


def as_published(text: str, questions: Sequence[str]) -> bool:
    own = ngrams(text)
    return any(text in question or _is_near(own, ngrams(question)) for question in questions)


def prepared(text: str, questions: Sequence[str], their_ngrams: Sequence[set[str]]) -> bool:
    own = ngrams(text)
    return any(text in question or _is_near(own, theirs) for question, theirs in zip(questions, their_ngrams, strict=True))


def _is_near(own: set[str], other: set[str]) -> bool:
    union = own | other
    return bool(union) and len(own & other) / len(union) > MAX_JACCARD


def main() -> int:
    items = [item for path in find_benchmarks([str(SHARED_DATA / "benchmarks")])[0] for item in read_benchmark(path)]
    questions = [item.question for item in items]
    texts = corpus()
    build, search = cpu_seconds(lambda: LeakSearch(passages_of(items)))
    # The first megabyte fills tables that a long run fills once.
    search.leaks(texts[:50])
    batches = [texts[begin : begin + BATCH_DOCUMENTS] for begin in range(0, len(texts), BATCH_DOCUMENTS)]
    seconds, found = cpu_seconds(lambda: [leak for batch in batches for leak in search.leaks(batch)])
    ours = megabytes(texts) / seconds
    print(f"{len(items)} items; index built in {build:.1f} s of CPU; {len(texts)} documents, {megabytes(texts):.1f} MB")
    print(f"containment: {ours:.1f} MB a CPU second; flagged {sum(leak is not None for leak in found)} of {len(texts)}")
    few = texts[::EVERY]
    seconds, _ = cpu_seconds(lambda: [as_published(text, questions) for text in few])
    theirs = megabytes(few) / seconds
    print(f"the rule as published: {theirs:.4f} MB a CPU second, on {len(few)} of the documents, {megabytes(few):.2f} MB")
    their_ngrams = [ngrams(question) for question in questions]
    seconds, _ = cpu_seconds(lambda: [prepared(text, questions, their_ngrams) for text in few])
    print(f"the rule, sequences of the questions prepared: {megabytes(few) / seconds:.3f} MB a CPU second, on the same")
    index = PublishedIndex(items)
    seconds, _ = cpu_seconds(lambda: [index.find(text) for text in texts])
    print(f"the rule by an index, --mode published: {megabytes(texts) / seconds:.1f} MB a CPU second, on all")
    return judge("containment / the rule as published", ours / theirs, 300) | judge("MB a CPU second", ours, 10)


if __name__ == "__main__":
    sys.exit(main())
