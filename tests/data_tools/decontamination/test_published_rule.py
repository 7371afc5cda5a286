import random
from pathlib import Path

from data_tools.benchmarks import read_benchmark
from data_tools.decontamination.published_rule import MAX_JACCARD, PublishedIndex, ngrams


def rule_by_pairs(text: str, questions: list[str]) -> bool:
    """The published rule as it is stated, every document against every question."""
    own = ngrams(text)
    for question in questions:
        other = ngrams(question)
        if text in question or (own | other and len(own & other) / len(own | other) > MAX_JACCARD):
            return True
    return False


def test_the_index_decides_as_the_rule_does(shared_data: Path) -> None:
    items = read_benchmark(shared_data / "benchmarks/ocw.jsonl")[:50] + read_benchmark(shared_data / "benchmarks/svamp.json")[:50]
    questions = [item.question for item in items]
    index = PublishedIndex(items)
    rng = random.Random(3)
    texts = []
    for question in questions:
        words = question.split()
        texts += [
            question,
            question[5:40],
            question.lower(),
            " ".join(words[: len(words) - rng.randrange(12)]),
            question + " " + question,
        ]
        texts.append(" ".join(words + questions[rng.randrange(len(questions))].split()[: rng.randrange(1, 20)]))
    verdicts = [index.find(text) is not None for text in texts]
    assert verdicts == [rule_by_pairs(text, questions) for text in texts]
    assert 0.3 < sum(verdicts) / len(verdicts) < 0.9
