import json
from pathlib import Path
from typing import Any

import pytest

from data_tools.benchmarks import read_benchmark
from data_tools.filters.evaluation import choose, evaluation, point
from data_tools.filters.fasttext_filter import run as run_filter
from data_tools.filters.fasttext_model import SETTINGS, load, prepared, train
from data_tools.filters.train_filter import balanced, split
from data_tools.filters.train_filter import run as run_training
from megatron_mathcoder.config.errors import DataError
from tests.data_tools.conftest import write_documents
from tests.data_tools.test_prepare import rows_of

SMALL = ["--bucket", "20000", "--dim", "10"]


@pytest.fixture(scope="module")
def corpora(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Mathematical problems with solutions, and programs and prose that are none."""
    folder = tmp_path_factory.mktemp("corpora")
    problems = read_benchmark(shared_data / "benchmarks/math_test.jsonl")[:600]
    other = [path.read_text(errors="replace")[:1500] for path in sorted((shared_data / "python_code").rglob("*.py"))]
    return {
        "positive": write_documents(folder / "positive.jsonl", [f"{item.question}\n{item.solution}" for item in problems]),
        "negative": write_documents(folder / "negative.jsonl", [text for text in other if text.strip()]),
    }


@pytest.fixture(scope="module")
def model(corpora: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "maths.bin"
    given = ["--positive", str(corpora["positive"]), "--negative", str(corpora["negative"]), "--output", str(path)]
    assert run_training([*given, *SMALL]) == 0
    return path


def test_a_model_tells_problems_from_programs_and_stores_its_scores(
    model: Path, corpora: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = json.loads(model.with_suffix(".json").read_bytes())
    assert manifest["evaluation"]["held_out"] > 80
    assert manifest["evaluation"]["chosen"]["f1"] > 0.95
    inputs = [str(corpora["positive"]), str(corpora["negative"])]
    assert run_filter([*inputs, "--model", str(model), "--output", str(tmp_path / "out")]) == 0
    kept, dropped = rows_of(tmp_path / "out/documents"), rows_of(tmp_path / "out/dropped")
    assert len(kept) + len(dropped) == manifest["training"] + manifest["evaluation"]["held_out"]
    assert all(row["metadata"]["scores"]["maths"] >= manifest["threshold"] for row in kept)
    assert all(row["score"] < manifest["threshold"] for row in dropped)
    from_programs = sum("negative" in row["metadata"]["provenance"]["file"] for row in kept)
    assert from_programs < 0.05 * len(kept)
    scorer = load(model)
    assert kept[0]["metadata"]["scores"]["maths"] == round(scorer.score(kept[0]["text"]), 6)
    assert "dropped (" in capsys.readouterr().out


def test_a_stored_score_moves_the_threshold_without_the_model(model: Path, corpora: dict[str, Path], tmp_path: Path) -> None:
    inputs = [str(corpora["positive"]), str(corpora["negative"])]
    assert run_filter([*inputs, "--model", str(model), "--threshold", "0", "--output", str(tmp_path / "scored")]) == 0
    assert rows_of(tmp_path / "scored/dropped") == []
    assert run_filter([*inputs, "--model", str(model), "--threshold", "0.9", "--output", str(tmp_path / "direct")]) == 0
    stored = [str(tmp_path / "scored"), "--score", "maths", "--threshold", "0.9", "--output", str(tmp_path / "stored")]
    assert run_filter(stored) == 0

    def kept(name: str) -> list[Any]:
        return [(row["id"], row["text"], row["metadata"]["scores"]) for row in rows_of(tmp_path / name / "documents")]

    assert kept("stored") == kept("direct")
    again = [*stored[:2], "other", *stored[3:5], "--output", str(tmp_path / "none")]
    with pytest.raises(DataError, match=r"no documents: \d+ dropped \(\d+ no score\)"):
        run_filter(again)


def test_training_is_reproducible_to_the_bit(model: Path, corpora: dict[str, Path], tmp_path: Path) -> None:
    given = ["--positive", str(corpora["positive"]), "--negative", str(corpora["negative"]), *SMALL]
    assert run_training([*given, "--output", str(tmp_path / "again.bin")]) == 0
    assert (tmp_path / "again.bin").read_bytes() == model.read_bytes()


def test_a_small_matrix_too_begins_with_zeros_and_not_with_what_memory_holds(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("__label__related a b\n__label__other c d\n" * 50)
    models = []
    for number in range(3):
        train(tmp_path / "t.txt", tmp_path / f"{number}.bin", 1, {**SETTINGS, "bucket": 1000})
        models.append((tmp_path / f"{number}.bin").read_bytes())
    assert models[0] == models[1] == models[2]


def test_a_full_disk_is_noticed_though_fasttext_does_not(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("__label__related a b\n__label__other c d\n" * 50)
    with pytest.raises(OSError, match="No space left on device"):
        train(tmp_path / "t.txt", Path("/dev/full"), 1, {**SETTINGS, "lr": 0.1, "bucket": 1000})


def test_a_split_never_empties_a_side_and_keeps_equal_texts_together() -> None:
    for count in (2, 3, 9, 10, 200):
        labelled = [(f"{label} {n}", label) for n in range(count) for label in (True, False)] * 2
        training, held_out = split(labelled, seed=1)
        for side in (training, held_out):
            assert {label for _, label in side} == {True, False}
        assert not set(training) & set(held_out)
        assert len(training) + len(held_out) == 2 * count
    with pytest.raises(DataError, match="1 different positive documents; at least 2 are needed"):
        split([("a", True), ("a", True), ("b", False), ("c", False)], seed=1)


def test_learning_may_be_balanced_while_what_is_held_out_keeps_its_shares(tmp_path: Path, corpora: dict[str, Path]) -> None:
    training = [(str(n), n % 4 == 0) for n in range(40)]
    assert [related for _, related in balanced(training)].count(True) == 10
    assert set(balanced(training)) < set(training)
    assert len(balanced(training)) == 20
    given = ["--positive", str(corpora["positive"]), "--negative", str(corpora["negative"]), *SMALL]
    assert run_training([*given, "--balance", "--output", str(tmp_path / "m.bin")]) == 0
    manifest = json.loads((tmp_path / "m.json").read_bytes())
    assert manifest["training"] == 2 * manifest["training_related"]
    assert manifest["evaluation"]["held_out_related"] / manifest["evaluation"]["held_out"] != 0.5


def test_the_threshold_is_the_one_of_the_best_f1_or_of_the_wanted_precision() -> None:
    scores, related = [0.1, 0.2, 0.4, 0.6, 0.8, 0.9], [False, False, True, False, True, True]
    assert choose(scores, related, None).threshold == 0.3
    assert choose(scores, related, 1.0).threshold == 0.7
    found = point(scores, related, 0.5)
    assert (found.precision, found.recall, found.kept) == (2 / 3, 2 / 3, 0.5)
    assert point(scores, related, 1.0).precision == 1.0
    assert evaluation(scores, related, found)["held_out_related"] == 3
    with pytest.raises(
        DataError, match=r"no threshold reaches --min-precision 0\.9; the best precision on held-out documents is 0\.5"
    ):
        choose([0.5, 0.5], [True, False], 0.9)


def test_annotated_documents_are_labelled_by_their_annotation(tmp_path: Path, corpora: dict[str, Path]) -> None:
    rows = []
    for name in ("positive", "negative"):
        for line in corpora[name].read_text().splitlines()[:60]:
            row = json.loads(line)
            rows.append({**row, "metadata": {"annotation": {"type": 1, "related": name == "positive"}}})
    path = tmp_path / "annotated.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert run_training(["--annotated", str(path), "--output", str(tmp_path / "m.bin"), *SMALL]) == 0
    assert json.loads((tmp_path / "m.json").read_bytes())["training_related"] == 54
    with pytest.raises(DataError, match=r"has no metadata\.annotation\.related; it must be true or false"):
        run_training(["--annotated", str(corpora["positive"]), "--output", str(tmp_path / "n.bin")])


@pytest.mark.parametrize("given", [["--epoch", "0"], ["--dim", "-4"], ["--lr", "nan"], ["--seed", str(2**40)], ["--seed", "-1"]])
def test_settings_that_fasttext_would_take_and_learn_nothing_with(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run_training(["--positive", "p", "--negative", "n", "--output", "m.bin", *given])
    assert f"argument {given[0]}: {given[1]!r} is not a" in capsys.readouterr().err


def test_rows_that_are_not_learned_from_and_texts_with_both_labels_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    positive = write_documents(tmp_path / "positive.jsonl", [f"a sum of {n} numbers" for n in range(20)])
    negative = write_documents(tmp_path / "negative.jsonl", ["a sum of 3 numbers", *(f"a walk of {n} days" for n in range(20))])
    with positive.open("a") as stream:
        stream.write("broken\n")
    given = ["--positive", str(positive), "--negative", str(negative), "--output", str(tmp_path / "m.bin"), *SMALL]
    for _ in range(2):
        assert run_training(given) == 0
        printed = capsys.readouterr().out
        assert "1 rows could not be read; mathcoder prepare says which and why" in printed
        assert "1 texts have both labels, and are learned from as both" in printed
    assert not (tmp_path / "m.bin.partial").exists()


def test_what_a_person_gets_wrong(tmp_path: Path, model: Path) -> None:
    documents = str(write_documents(tmp_path / "d.jsonl", ["a", "b"]))
    out = ["--output", str(tmp_path / "out")]
    with pytest.raises(DataError, match="does not exist; train one with mathcoder train-filter"):
        run_filter([documents, "--model", str(tmp_path / "no.bin"), *out])
    with pytest.raises(DataError, match="--score was given without --threshold"):
        run_filter([documents, "--score", "s", *out])
    with pytest.raises(DataError, match="cannot be read by fastText"):
        run_filter([documents, "--model", documents, "--threshold", "0.5", *out])
    with pytest.raises(DataError, match=r"--output '.*' is a folder; name a file, such as .*/model\.bin"):
        run_training(["--annotated", documents, "--output", str(tmp_path)])
    with pytest.raises(DataError, match="nothing to learn from; give --positive and --negative, or --annotated"):
        run_training(["--positive", documents, *out])
    (tmp_path / "alone.bin").write_bytes(model.read_bytes())
    with pytest.raises(DataError, match=r"no threshold is known for .*; add --threshold"):
        run_filter([documents, "--model", str(tmp_path / "alone.bin"), *out])


def test_line_breaks_become_spaces_and_nothing_else_changes() -> None:
    assert prepared("A b\nC\r\nd") == "A b C  d"
