import functools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_tools.benchmarks import BenchmarkItem, find_benchmarks, read_benchmark
from data_tools.decontamination.contamination_filter import ContaminationFilter, LeakSearch, leak_search
from data_tools.decontamination.cover import Cover, Wording, cover
from data_tools.decontamination.passages import passages_of
from data_tools.decontamination.self_test import FORMS, self_test
from data_tools.document import Document, Dropped
from data_tools.letters import letters_of, word_begins

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
    items = [item for path in judge.benchmarks for item in read_benchmark(Path(path))][::60]
    table = self_test(judge, items, clean_documents[::7])
    assert set(table) == set(FORMS)
    recall = {form: sum(found for found, _ in row.values()) / sum(n for _, n in row.values()) for form, row in table.items()}
    assert recall.pop("5 % changed") >= 0.93
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


def test_common_wording_counts_as_a_sentence_and_stock_phrases_only_alone() -> None:
    found = search("Which is the best buy?", "Which of the following statements is true?", "Why?")
    texts = ["They ask: which is the best buy?\nAnd go", "which is the best buy that", "the best buy?", "Which is\nthe best buy"]
    assert [leak is not None for leak in found.leaks(texts)] == [True, False, False, True]
    named = search("The K-means algorithm:")
    inside = [
        "It is built using the k-means algorithm.\nThen",
        "by the K-means algorithm: first",
        "with the k-means algorithm or another",
        "built with" + " " * 40 + "the k-means algorithm.",
    ]
    begun = ["It asks.\n  the k-means algorithm:\n(A)", "12) The K-means algorithm:", "some words The k-means algorithm:\n(A)"]
    assert [leak is not None for leak in named.leaks(inside + begun)] == [False] * len(inside) + [True] * len(begun)
    assert search("Neural networks:").leaks(["Chapter 3\nNeural networks:\nThey learn."]) == [None]
    stock = "Which of the following statements is true"
    assert [leak is not None for leak in found.leaks([f"Now. {stock}?", stock, "why", "And why?"])] == [False, True, True, False]


def test_a_short_question_is_found_with_its_choices() -> None:
    item = BenchmarkItem("b", "0", "Which is true?", "A whale is a fish A bat is a mammal", "")
    found = LeakSearch(passages_of([item]))
    (leak,) = found.leaks(["Quiz. Which is true?\n(A) A whale is a fish\n(B) A bat is a mammal\nEnd of the quiz."])
    assert leak is not None
    assert found.leaks(["Quiz. Which is true?\n(A) Of whales there are many"]) == [None]


FORMULA = "Solve -23*n + 1629*n + 7738 = -1740 - 13006 for n."


def test_formulas_are_found_with_a_token_changed_and_not_with_other_numbers() -> None:
    found = search(FORMULA, "-6 + (25 + -7 - -6)", "8 + 8 ÷ 2 + 2 =")
    changed = ["Solve so -23*n + 1629*n + 7738 = -1740 - 13006 for n.", "Solve -23*n 1629*n + 7738 = -1740 x 13006 for n."]
    others = ["Solve -41*n + 1629*n + 2204 = -9015 - 13006 for n.", "Solve -23*n + 88*n + 15 = 7738 - 1740 for k."]
    assert [leak is not None for leak in found.leaks([f"And {text} then" for text in changed + others])] == [
        True,
        True,
        False,
        False,
    ]
    small = ["so -6+(25+ -7 - -6) is", "6, 25, 76", "work out 8+8÷2+2= now", "8 + 8 * 2 + 2"]
    assert [leak is not None for leak in found.leaks(small)] == [True, False, True, False]


DISGUISES = {
    "zero-width": lambda text: "\u200b".join(text),
    "joiners and direction marks": lambda text: "\u202e" + text.replace("e", "e\u200d\u2060").replace(" ", " \ufeff"),
    "full-width": lambda text: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text),
    "Cyrillic": lambda text: text.translate(str.maketrans("aeopcyxiTMHC", "аеорсухіТМНС")),
    "accents": lambda text: text.replace("o", "o\u0301").replace("u", "ü"),
    "mathematical": lambda text: "".join(chr(0x1D41A + ord(c) - 97) if "a" <= c <= "z" else c for c in text),
}


@pytest.mark.parametrize("question", [QUESTION, FORMULA, "What is 12 / 8?", "Which is the best buy?"])
@pytest.mark.parametrize("disguise", DISGUISES)
def test_a_disguised_question_is_found(question: str, disguise: str) -> None:
    (leak,) = search(question).leaks([f"Some words before it.\n{DISGUISES[disguise](question)}\nand after."])
    assert leak is not None


ADVERSARIAL = {
    "no spaces": "abcdefghij" * 100_000,
    "all digits": "".join(str(n) for n in range(180_000)),
    "one letter": "a" * 1_000_000,
    "emoji": "🙂🧮📐" * 80_000,
    "right to left": "מה יוצא לך " * 50_000,
    "one word again and again": "what " * 200_000,
}


@pytest.mark.parametrize("kind", ADVERSARIAL)
def test_strange_documents_are_read_and_hide_nothing(kind: str) -> None:
    found, filler = two_questions(), ADVERSARIAL[kind]
    middle = len(filler) // 2
    leaks = found.leaks([filler, f"{filler[:middle]}\n{QUESTION}\n{filler[middle:]}"])
    assert [leak is not None for leak in leaks] == [False, True]


@functools.cache
def two_questions() -> LeakSearch:
    return search(QUESTION, FORMULA)


@settings(deadline=None, max_examples=30)
@given(st.permutations(range(6)), st.integers(0, 6))
def test_a_verdict_depends_on_the_document_alone(order: list[int], cut: int) -> None:
    texts = [QUESTION, f"x {FORMULA} y", "clean", "", QUESTION.replace("milk", "oil"), f"{QUESTION} {FORMULA}"]
    found = two_questions()
    alone = [found.leaks([text])[0] is not None for text in texts]
    assert alone == [True, True, False, False, True, True]
    shuffled = [texts[index] for index in order]
    together = found.leaks(shuffled[:cut]) + found.leaks(shuffled[cut:])
    assert [leak is not None for leak in together] == [alone[index] for index in order]


def covered(passage: str, text: str) -> Cover | None:
    def wording(text: str) -> Wording:
        letters, places = letters_of(text.encode())
        return Wording(letters.tobytes(), word_begins(places))

    return cover(wording(passage), wording(text), np.ones(len(letters_of(passage.encode())[0]), dtype=np.float32))


def test_cover_counts_letters_in_the_order_of_the_passage() -> None:
    passage = "abcdefghijklmnopqrst12345678"
    assert covered(passage, f"zz{passage}zz") == Cover(1.0, 1.0, False, 1.0, 2, 30)
    swapped = covered(passage, passage[14:] + passage[:14])
    assert swapped is not None
    assert swapped.share == 0.5
    assert covered(passage, "nothing of it here") is None


def test_cover_counts_whole_words_beside_changed_ones() -> None:
    passage = "If 3 pears cost 90 cents, how many cents do 12 pears cost?"
    inserted = covered(passage, "If so 3 big pears cost like 90 red cents, how more many cents do or 12 pears cost?")
    assert inserted is not None
    assert (inserted.share, inserted.numbers, inserted.foreign) == (1.0, 1.0, False)
    assert 0.6 < inserted.density < 0.8
    other = covered(passage, passage.replace("90", "80"))
    assert other is not None
    assert (round(other.share, 2), other.numbers, other.foreign) == (0.98, 3 / 7, True)
    longer = covered(passage, passage.replace("12", "121"))
    assert longer is not None
    assert longer.foreign
