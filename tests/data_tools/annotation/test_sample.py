from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from data_tools.annotation.sample import WHOLE, Sample
from data_tools.document import Document

DOCUMENTS = [Document(f"d{number}", "text", {"scores": {"round_1": number / 1000}}) for number in range(1000)]


@dataclass(frozen=True)
class Listed:
    """Documents ``first`` to ``after`` as a slice, the last first when ``step`` is -1."""

    first: int
    after: int
    step: int = 1
    bytes: int = 1

    def documents(self, report_bytes: Callable[[int], None]) -> Iterator[Document]:
        report_bytes(1)
        yield from DOCUMENTS[self.first : self.after][:: self.step]


WHOLE_CORPUS = [Listed(0, 1000)]


def chosen(sample: Sample, documents: list[Document] = DOCUMENTS) -> list[str]:
    return [document.id for document in documents if not sample.why_not(document)]


def test_a_sample_of_a_number_is_that_number_whatever_the_order() -> None:
    parts = [Listed(300, 1000, -1), Listed(0, 300), Listed(0, 0)]
    for count in (1, 100, 999):
        sample = Sample(7).smallest(count, WHOLE_CORPUS, 1)
        assert len(chosen(sample)) == count
        assert sample == Sample(7).smallest(count, parts, 1)
    assert len(chosen(Sample(7).smallest(5000, parts, 1))) == 1000
    assert Sample(7).smallest(100, parts, 2) == Sample(7).smallest(100, parts, 1)


def test_seeds_choose_otherwise_and_larger_samples_hold_the_smaller() -> None:
    small, large = Sample(7).smallest(100, WHOLE_CORPUS, 1), Sample(7).smallest(200, WHOLE_CORPUS, 1)
    assert set(chosen(small)) < set(chosen(large))
    assert len(set(chosen(small)) & set(chosen(Sample(8).smallest(100, WHOLE_CORPUS, 1)))) < 30


def test_a_fraction_needs_no_knowledge_of_the_other_documents() -> None:
    assert 150 < len(chosen(Sample(7, limit=WHOLE // 5))) < 250
    assert chosen(Sample(7, limit=0)) == []
    assert len(chosen(Sample(7))) == 1000


def test_only_scores_between_are_candidates_and_a_document_without_one_is_none() -> None:
    sample = Sample(7, score="round_1", low=0.2, high=0.4).smallest(50, WHOLE_CORPUS, 1)
    numbers = [int(name[1:]) for name in chosen(sample)]
    assert len(numbers) == 50
    assert 200 <= min(numbers) < max(numbers) <= 400
    assert Sample(7, score="round_1").why_not(replace(DOCUMENTS[0], metadata={})).startswith("not between the scores: round_1")
