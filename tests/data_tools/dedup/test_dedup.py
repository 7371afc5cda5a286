import json
import random
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import rensa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_tools.benchmarks import read_benchmark
from data_tools.dedup.clusters import EXACT, NEAR, find_copies, same_problem
from data_tools.dedup.dedup import run
from data_tools.dedup.signatures import PERMUTATIONS, SHINGLE_WORDS, sign
from megatron_mathcoder.config.errors import DataError
from tests.data_tools.conftest import write_documents
from tests.data_tools.test_prepare import contents, rows_of


@pytest.fixture(scope="module")
def pages(shared_data: Path) -> list[str]:
    """Texts of 60 to 400 words: real prose, mathematics and code."""
    rng = random.Random(0)
    pages = []
    for path in sorted((shared_data / "markdown").rglob("*.md")) + sorted((shared_data / "textbooks_latex").rglob("*.tex")):
        words = path.read_text(errors="replace").split(" ")
        if len(words) > 150:
            pages.append(" ".join(words[: rng.randrange(100, 400)]))
    return pages


def edited(text: str, share: float, words: list[str], rng: random.Random) -> str:
    kept = text.split(" ")
    for place in rng.sample(range(len(kept)), max(1, round(share * len(kept)))):
        kept[place] = rng.choice(words)
    return " ".join(kept)


def merged(texts: list[str], pairs: list[tuple[int, int]]) -> int:
    kept = find_copies([sign(texts[begin : begin + 100]) for begin in range(0, len(texts), 100)]).kept
    return sum(kept[one] == kept[other] for one, other in pairs)


def test_copies_with_one_word_in_a_hundred_changed_are_found(pages: list[str]) -> None:
    rng = random.Random(1)
    words = sorted({word for page in pages for word in page.split() if word.isalpha()})
    copies = [edited(page, 0.01, words, rng) for page in pages]
    pairs = [(number, len(pages) + number) for number in range(len(pages))]
    assert len(pages) > 200
    assert merged(pages + copies, pairs) >= 0.98 * len(pages)
    assert merged(pages + pages, pairs) == len(pages)


def test_problems_that_differ_only_in_their_numbers_are_no_copies(shared_data: Path) -> None:
    rng = random.Random(2)
    problems = [item.question for item in read_benchmark(shared_data / "benchmarks/gsm8k_train.jsonl")[:400]]
    problems += [item.question for item in read_benchmark(shared_data / "benchmarks/math_test.jsonl")[:400]]
    problems = [problem for problem in problems if re.search(r"\d", problem)]

    def with_one_other_number(text: str) -> str:
        number = rng.choice(list(re.finditer(r"\d+", text)))
        return f"{text[: number.start()]}{int(number[0]) + 1}{text[number.end() :]}"

    others = [with_one_other_number(problem) for problem in problems]
    pairs = [(number, len(problems) + number) for number in range(len(problems))]
    assert merged(problems + others, pairs) == 0


def test_the_numbers_of_two_problems() -> None:
    def numbers(*values: int) -> np.ndarray:
        return np.array(sorted(values), dtype=np.uint32)

    assert same_problem(numbers(), numbers(), 50)
    assert same_problem(numbers(1, 2, 3, 4), numbers(1, 2, 3, 5), 90)
    assert same_problem(numbers(1, 2, 3, 4), numbers(1, 2, 4), 50)
    assert not same_problem(numbers(1, 2, 3, 4), numbers(1, 2, 3, 5), 50)
    assert not same_problem(numbers(1, 2, 3), numbers(4, 5, 6), 50)
    assert same_problem(numbers(1), numbers(), 300)
    assert not same_problem(numbers(1, 1, 1), numbers(1, 2, 2), 50)


def test_of_the_same_wording_one_number_in_a_thousand_or_their_order_makes_another_text(pages: list[str]) -> None:
    text = " ".join(f"{word} {number}" for number, word in enumerate(" ".join(pages).split()[:1500]))
    swapped = "Tom has 3 red apples and 5 green pears and gives 2 of the apples to Ann and all his pears to Bob. How many?"
    others = [text.replace(" 700 ", " 70 "), swapped.replace("3", "x").replace("5", "3").replace("x", "5")]
    assert merged([text, swapped, *others], [(0, 2), (1, 3)]) == 0
    assert merged([text, swapped, text.replace(" 700 ", " 700, "), swapped.upper()], [(0, 2), (1, 3)]) == 2


def test_short_problems_with_a_word_changed_are_copies(shared_data: Path) -> None:
    rng = random.Random(6)
    items = read_benchmark(shared_data / "benchmarks/gsm8k_train.jsonl")[:300]
    problems = [item.question for item in items if len(item.question.split()) >= 25]
    words = sorted({word for problem in problems for word in problem.split() if word.isalpha()})

    def with_another_word(problem: str) -> str:
        kept = problem.split(" ")
        kept[rng.choice([place for place, word in enumerate(kept) if word.isalpha()])] = rng.choice(words)
        return " ".join(kept)

    copies = [with_another_word(problem) for problem in problems]
    pairs = [(number, len(problems) + number) for number in range(len(problems))]
    assert len(problems) > 200
    assert merged(problems + copies, pairs) >= 0.98 * len(problems)
    assert merged(problems, [(one, one + 1) for one in range(len(problems) - 1)]) == 0


def test_a_signature_is_of_the_document_alone(pages: list[str]) -> None:
    together = sign(pages[:20])
    for number in (0, 7, 19):
        alone = sign([pages[number]])
        assert (alone.minhash[0] == together.minhash[number]).all()
        assert alone.wording[0] == together.wording[number]
        begin = together.number_ends[number - 1] if number else 0
        assert (alone.numbers == together.numbers[begin : together.number_ends[number]]).all()
    # In other case, spacing and punctuation it is the same.
    assert (sign([pages[3].upper().replace(" ", "\n\n")]).minhash[0] == together.minhash[3]).all()
    assert sign(["", "one two", "three"]).words.tolist() == [0, 2, 1]


def test_signatures_agree_as_the_sets_of_word_runs_do(pages: list[str]) -> None:
    rng = random.Random(4)
    words = [word for page in pages[:20] for word in re.findall(r"[a-z]+", page)]
    text = " ".join(rng.sample(words, 400))
    other = " ".join([*text.split()[:300], *rng.sample(words, 100)])

    def runs(text: str) -> set[str]:
        words = text.split()
        return {" ".join(words[i : i + SHINGLE_WORDS]) for i in range(len(words) - SHINGLE_WORDS + 1)}

    jaccard = len(runs(text) & runs(other)) / len(runs(text) | runs(other))
    found = sign([text, other]).minhash
    assert found.shape == (2, PERMUTATIONS)
    assert abs(float((found[0] == found[1]).mean()) - jaccard) < 0.12
    assert rensa.RMinHash.ALGORITHM_VERSION == 2, "signatures of another version cannot be compared with stored ones"


def test_the_first_input_keeps_its_copies_and_each_drop_names_what_is_kept(
    pages: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = random.Random(5)
    words = [word for word in pages[0].split() if word.isalpha()]
    near = edited(pages[3], 0.01, words, rng)
    preferred = write_documents(tmp_path / "z_preferred.jsonl", [pages[1], near])
    rest = tmp_path / "a_rest.jsonl"
    rest.write_text("".join(json.dumps({"id": f"r{n}", "text": text}) + "\n" for n, text in enumerate([*pages[:6], pages[0]])))
    assert run([str(preferred), str(rest), "--output", str(tmp_path / "out")]) == 0
    assert [row["id"] for row in rows_of(tmp_path / "out/documents")] == ["d0", "d1", "r0", "r2", "r4", "r5"]
    dropped = {row["id"]: (row["reason"], row["kept"]) for row in rows_of(tmp_path / "out/dropped")}
    assert dropped == {
        "r1": ("exact duplicate: of d0", "d0"),
        "r3": ("near duplicate: of d1", "d1"),
        "r6": ("exact duplicate: of r0", "r0"),
    }
    assert "9 documents in = 6 out + 3 dropped (2 exact duplicate, 1 near duplicate)" in capsys.readouterr().out
    assert not list(tmp_path.glob("out.*"))
    assert run([str(preferred), str(rest), "--output", str(tmp_path / "out")]) == 0
    assert "already there" in capsys.readouterr().out


def test_workers_and_parts_do_not_change_the_output(shared_data: Path, tmp_path: Path) -> None:
    given = [str(shared_data / "benchmarks"), "--text-field", "question", "--max-reject-fraction", "1"]
    assert run([*given, "--output", str(tmp_path / "one"), "--workers", "1"]) == 0
    assert run([*given, "--output", str(tmp_path / "two"), "--workers", "2"]) == 0
    for _ in ("signatures", "documents"):
        for part in ("2/2", "1/2"):
            assert run([*given, "--output", str(tmp_path / "parts"), "--part", part]) == 0
    assert contents(tmp_path / "one") == contents(tmp_path / "two") == contents(tmp_path / "parts")
    assert not list(tmp_path.glob("*.*"))


def test_an_output_among_its_inputs_is_refused_before_anything_is_signed(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_documents(tmp_path / "in/a.jsonl", ["a text of some words"])
    with pytest.raises(DataError, match="lies in the input folder"):
        run([str(tmp_path / "in"), "--output", str(tmp_path / "in/out")])
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["a.jsonl"]


def test_clusters_of_copies_of_copies_keep_the_first(pages: list[str]) -> None:
    copies = find_copies([sign([pages[0], pages[1]]), sign([pages[0], pages[1], pages[0]])])
    assert copies.kept.tolist() == [0, 1, 0, 1, 0]
    assert copies.kind.tolist() == [0, 0, EXACT, EXACT, EXACT]
    assert find_copies([]).kept.tolist() == []
    near = find_copies([sign([pages[0], pages[0] + " and one more"])])
    assert near.kind.tolist() == [0, NEAR]


def test_each_input_gets_a_folder_of_its_own(pages: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    write_documents(tmp_path / "b/x.jsonl", [pages[0], pages[1]])
    write_documents(tmp_path / "a/x.jsonl", [pages[1], pages[2], pages[2], pages[0]])
    given = [str(tmp_path / "b"), str(tmp_path / "a"), "--each", "--output", str(tmp_path / "out")]
    assert run(given) == 0
    assert [row["id"] for row in rows_of(tmp_path / "out/b/documents")] == ["d0", "d1"]
    assert [row["id"] for row in rows_of(tmp_path / "out/a/documents")] == ["d1"]
    assert [row["kept"] for row in rows_of(tmp_path / "out/a/dropped")] == ["d1", "d1", "d0"]
    assert run(given) == 0
    with pytest.raises(DataError, match=r"--each would make .*o/x of two inputs; give the folders different last names"):
        run([str(tmp_path / "b/x.jsonl"), str(tmp_path / "a/x.jsonl"), "--each", "--output", str(tmp_path / "o")])
    monkeypatch.chdir(tmp_path / "a")
    assert run([".", "--each", "--output", str(tmp_path / "here")]) == 0
    assert len(rows_of(tmp_path / "here/a/documents")) == 3


@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_the_cut_of_the_input_changes_nothing_and_another_order_keeps_as_many(pages: list[str], data: st.DataObject) -> None:
    chosen = pages[:12]
    texts = data.draw(st.lists(st.sampled_from([*chosen, *(page + " and one more" for page in chosen)]), min_size=1, max_size=20))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(texts)), max_size=4)))
    parts = [texts[begin:end] for begin, end in pairwise([0, *cuts, len(texts)]) if end > begin]
    whole, cut = find_copies([sign(texts)]), find_copies([sign(part) for part in parts])
    assert cut.kept.tolist() == whole.kept.tolist()
    assert cut.kind.tolist() == whole.kind.tolist()
    assert all(kept <= number for number, kept in enumerate(whole.kept.tolist()))
    order = data.draw(st.permutations(range(len(texts))))
    shuffled = find_copies([sign([texts[number] for number in order])])
    assert (shuffled.kind == 0).sum() == (whole.kind == 0).sum()
    # Named twice, nothing of an input stays a second time.
    doubled = find_copies([sign(texts), sign(texts)])
    assert doubled.kept.tolist() == [*whole.kept.tolist(), *whole.kept.tolist()]


def test_strange_documents_are_signed_and_compared() -> None:
    strange = [
        "abcdefghij" * 100_000,
        "7" * 1_000_000,
        "🙂🧮📐" * 50_000,
        "מה יוצא לך " * 20_000,
        "\u200d" * 1000,
        " ",
        "\ud800 lone",
    ]
    copies = find_copies([sign([text]) for text in [*strange, *strange]])
    assert copies.kept.tolist() == [*range(7), *range(7)]
    assert copies.kind.tolist() == [0] * 7 + [EXACT] * 7


def test_a_copy_with_characters_that_are_not_seen_is_a_copy(pages: list[str]) -> None:
    disguised = [
        pages[3].replace("e", "e\u200b"),
        pages[3].replace(" ", "\u00a0"),
        pages[3].translate(str.maketrans("aeo", "аео")),
    ]
    assert find_copies([sign([pages[3], *disguised])]).kept.tolist() == [0, 0, 0, 0]
