from pathlib import Path

import pytest

from data_tools.benchmarks import BenchmarkItem, find_benchmarks, read_benchmark
from data_tools.decontamination.contamination_filter import ContaminationFilter, LeakSearch, leak_search
from data_tools.decontamination.cover import cover
from data_tools.decontamination.passages import passages_of
from data_tools.decontamination.self_test import FORMS, self_test
from data_tools.document import Document, Dropped

QUESTION = "Tom buys 4 gallons of milk for $7.50 each and pays with a 50 dollar bill. How much change does Tom get?"


@pytest.fixture(scope="module")
def judge(shared_data: Path) -> ContaminationFilter:
    return ContaminationFilter.of(find_benchmarks([str(shared_data / "benchmarks")])[0])


@pytest.fixture(scope="module")
def clean_documents(shared_data: Path) -> list[Document]:
    suffixes = {".tex", ".md", ".py", ".ipynb"}
    paths = sorted(path for path in shared_data.rglob("*") if path.suffix in suffixes and path.name != "README.md")
    return [Document(path.as_posix(), path.read_text(errors="replace")) for path in paths]


def search(*questions: str, solution: str = "") -> LeakSearch:
    items = [BenchmarkItem("b", str(n), question, "", solution) for n, question in enumerate(questions)]
    return LeakSearch(passages_of(items))


def test_planted_items_are_found_again(judge: ContaminationFilter, clean_documents: list[Document]) -> None:
    items = [item for path in judge.benchmarks for item in read_benchmark(Path(path))][::40]
    table = self_test(judge, items, clean_documents[::7])
    assert set(table) == set(FORMS)
    recall = {form: sum(found for found, _ in row.values()) / sum(n for _, n in row.values()) for form, row in table.items()}
    assert recall.pop("5 % of words changed") >= 0.9
    assert min(recall.values()) >= 0.99, recall


def test_ordinary_books_pages_and_code_are_clean(judge: ContaminationFilter, clean_documents: list[Document]) -> None:
    verdicts = list(judge(clean_documents))
    assert [verdict.id for verdict in verdicts] == [document.id for document in clean_documents]
    dropped = [verdict for verdict in verdicts if isinstance(verdict, Dropped)]
    assert len(verdicts) > 1400
    assert len(dropped) <= 0.001 * len(verdicts), dropped


def test_training_problems_are_not_taken_for_test_problems(judge: ContaminationFilter, shared_data: Path) -> None:
    problems = read_benchmark(shared_data / "benchmarks/gsm8k_train.jsonl")
    leaks = leak_search(judge.benchmarks).leaks([f"{item.question}\n{item.solution}" for item in problems[::4]])
    assert sum(leak is not None for leak in leaks) <= 2


def test_the_offending_passage_is_shown() -> None:
    text = f"Some words before.\n\n{QUESTION.upper()}\n\nAnd after."
    (leak,) = search(QUESTION).leaks([text])
    assert leak is not None
    assert leak.details() == {
        "benchmark": "b",
        "item": "0",
        "kind": "question",
        "covered": 1.0,
        "passage": QUESTION.upper().rstrip("?"),
        "expected": QUESTION,
    }


def test_a_problem_with_other_numbers_is_another_problem() -> None:
    other = QUESTION.replace("4", "9").replace("7.50", "3.25").replace("50 dollar", "100 dollar")
    assert search(QUESTION).leaks([other]) == [None]
    one_word = QUESTION.replace("gallons", "litres")
    assert search(QUESTION).leaks([one_word]) != [None]


def test_a_long_solution_alone_is_a_leak_and_a_short_one_is_not() -> None:
    solution = (
        "All the gallons together cost him 4 * 7.50 = <<4*7.5=30>>30 dollars, since he buys four of them at the same price.\n"
        "Out of the bill that he hands over he therefore gets back the remaining 50 - 30 = <<50-30=20>>20 dollars.\n#### 20"
    )
    (leak,) = search(QUESTION, solution=solution).leaks(["x " * 50 + solution.replace("<<4*7.5=30>>", "") + " y" * 50])
    assert leak is not None
    assert leak.passage.kind == "solution"
    assert search(QUESTION, solution="The answer is 20.").leaks(["The answer is 20."]) == [None]


def test_short_questions_need_every_letter_and_very_short_ones_their_operators() -> None:
    found = search("What is 12 / 8?", "Factor $36-9x^2$.", "Which is the best buy?")
    assert [leak is not None for leak in found.leaks(["so, what is 12 / 8? A number", "what is 12 + 8", "what is 12 / 80"])] == [
        True,
        False,
        False,
    ]
    assert found.leaks(["Now factor\n$36 - 9x^2$, and go on"]) != [None]
    assert found.leaks(["We asked which is the best buy? and left"]) == [None]
    assert found.leaks(["Which is the best buy?"]) != [None]


def test_a_leak_is_found_wherever_a_long_document_is_cut() -> None:
    found = search(QUESTION)
    # Of letters that repeat nothing, around the place where a document of over a million bytes is cut.
    filler = " ".join(f"{number:x}" for number in range(1_000_000, 1_180_000))
    for place in (0, 1_010_000, 1_015_750, 1_048_500, len(filler)):
        (leak,) = found.leaks([filler[:place] + QUESTION + filler[place:]])
        assert leak is not None, place
        assert leak.found == QUESTION.rstrip("?") or leak.found.startswith(QUESTION[:60])


def test_text_of_any_kind_is_read() -> None:
    assert search(QUESTION).leaks(["", "\ud800 lone", "…", "é" * 30, "\0"]) == [None] * 5
    assert list(ContaminationFilter((), ())([])) == []


def test_cover_counts_letters_in_the_order_of_the_passage() -> None:
    import numpy as np

    passage = b"abcdefghijklmnopqrst12345678"
    weights = np.ones(len(passage), dtype=np.float32)
    whole = cover(passage, b"zz" + passage + b"zz", weights)
    assert whole is not None
    assert (whole.share, whole.digits, whole.begin, whole.end) == (1.0, 1.0, 2, 30)
    swapped = cover(passage, passage[14:] + passage[:14], weights)
    assert swapped is not None
    assert swapped.share == 0.5
    without_digits = cover(passage, passage[:20] + b"00000000", weights)
    assert without_digits is not None
    assert without_digits.digits == 0.0
    assert cover(passage, b"nothing of it here", weights) is None
