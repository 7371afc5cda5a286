"""Containment against the published rule (every document with every question, as published), and against the same by an index.

Run it: python tests/benchmarks/bench_decontaminate.py
"""

import sys

from data_corpus import SHARED_DATA, corpus, cpu_seconds, judge, megabytes

from data_tools.benchmarks import find_benchmarks, read_benchmark
from data_tools.decontamination.contamination_filter import LeakSearch
from data_tools.decontamination.passages import passages_of
from data_tools.decontamination.published_rule import MAX_JACCARD, PublishedIndex, ngrams

SLOW_DOCUMENTS = 6


def published_rule(text: str, questions: list[str]) -> bool:
    """The rule as published: the question's sequences are built again for every document."""
    for question in questions:
        if text in question:
            return True
        own, other = ngrams(text), ngrams(question)
        union = own | other
        if union and len(own & other) / len(union) > MAX_JACCARD:
            return True
    return False


def main() -> int:
    items = [item for path in find_benchmarks([str(SHARED_DATA / "benchmarks")])[0] for item in read_benchmark(path)]
    questions = [item.question for item in items]
    texts = corpus()
    build, search = cpu_seconds(lambda: LeakSearch(passages_of(items)))
    # The first megabyte fills tables that a long run fills once.
    search.leaks(texts[:50])
    batches = [texts[begin : begin + 40] for begin in range(0, len(texts), 40)]
    seconds, found = cpu_seconds(lambda: [leak for batch in batches for leak in search.leaks(batch)])
    ours = megabytes(texts) / seconds
    # Of middle length, so that the slow rule's cost a byte is the usual one.
    few = sorted(texts, key=len)[len(texts) // 2 :][:SLOW_DOCUMENTS]
    seconds, _ = cpu_seconds(lambda: [published_rule(text, questions) for text in few])
    theirs = megabytes(few) / seconds
    index = PublishedIndex(items)
    seconds, _ = cpu_seconds(lambda: [index.find(text) for text in texts])
    print(f"{len(items)} items; index built in {build:.1f} s of CPU; {len(texts)} documents, {megabytes(texts):.1f} MB")
    print(
        f"containment {ours:.1f} MB, published rule {theirs:.4f} MB, by an index {megabytes(texts) / seconds:.1f} MB a CPU second"
    )
    print(f"flagged in these documents: {sum(leak is not None for leak in found)} of {len(texts)}")
    return judge("containment / published rule", ours / theirs, 300) | judge("MB a CPU second", ours, 10)


if __name__ == "__main__":
    sys.exit(main())
