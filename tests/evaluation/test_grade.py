"""``mathcoder grade``: files in, one JSON object and the reasons out."""

import gzip
import json
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from megatron_mathcoder.cli import main
from megatron_mathcoder.evaluation.grade import benchmark_of
from tests.evaluation.conftest import RECORDED_FILES
from tests.repository import ROOT

GOLDEN = ROOT / "tests/golden/strict_against_recorded.jsonl"


def grade(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, object]:
    assert main(["grade", *map(str, arguments)]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_mathcoder_mode_gives_the_recorded_split_of_all_files(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    counts = grade(capsys, recorded, "--grader", "mathcoder", "--json")
    assert counts == {
        "grader": "mathcoder",
        "total": 5012,
        "right": 3924,
        "wrong": 1088,
        "undecided": 0,
        "disagree": 1,
        "agree": 5011,
    }


def test_strict_disagreements_with_the_recorded_verdicts_are_written_with_reasons(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The list is kept in the repository: a change of the grader shows which verdicts it moves."""
    counts = grade(capsys, recorded, "--json", "--disagreements", tmp_path / "d.jsonl")
    assert counts["undecided"] == 0
    assert (tmp_path / "d.jsonl").read_text() == GOLDEN.read_text()
    rows = [json.loads(line) for line in GOLDEN.read_text().splitlines()]
    assert counts["disagree"] == len(rows) == 107
    assert all(row["reason"] and row["recorded"] != row["verdict"] for row in rows)


def test_lenient_accepts_rounded_decimals_and_nothing_strict_rejects_otherwise(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    verdicts = {}
    for name in ("strict", "lenient"):
        grade(capsys, recorded, "--grader", name, "--json", "--verdicts", tmp_path / name)
        verdicts[name] = [json.loads(line) for line in (tmp_path / name).read_text().splitlines()]
    changed = [b for a, b in zip(*verdicts.values(), strict=True) if a["verdict"] != b["verdict"]]
    assert len(changed) == 65
    assert all(row["verdict"] == "right" and "." in row["answer"] for row in changed)


def rows_of(path: Path) -> list[bytes]:
    with gzip.open(path) as stream:
        return stream.readlines()


def test_verdicts_do_not_depend_on_shuffling_sharding_or_threads(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [row for name in RECORDED_FILES[:4] for row in rows_of(recorded / name)]
    texts = {"all": rows, "shuffled": random.Random(1).sample(rows, len(rows)), "one": rows[::2], "two": rows[1::2]}

    def verdicts(name: str) -> dict[bytes, str]:
        (tmp_path / f"{name}.jsonl").write_bytes(b"".join(texts[name]))
        assert main(["grade", str(tmp_path / f"{name}.jsonl"), "--verdicts", str(tmp_path / f"{name}.v.jsonl")]) == 0
        judged = map(json.loads, (tmp_path / f"{name}.v.jsonl").read_text().splitlines())
        return {row: each["verdict"] + each["reason"] for row, each in zip(texts[name], judged, strict=True)}

    alone = verdicts("all")
    with ThreadPoolExecutor(3) as threads:
        shuffled, one, two = threads.map(verdicts, ["shuffled", "one", "two"])
    capsys.readouterr()
    assert alone == shuffled == one | two


def test_our_predictions_and_bad_rows_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [
        json.dumps({"completion": "\\boxed{5}", "ground_truth": "5"}),
        json.dumps({"completion": "The answer is 6.", "ground_truth": {"answer": 5}}),
        json.dumps({"completion": 3, "ground_truth": "5"}),
        "{broken",
        json.dumps({"completion": "50%", "gold": 0.5}),
    ]
    (tmp_path / "predictions.jsonl").write_text("\n".join(lines))
    assert main(["grade", str(tmp_path / "predictions.jsonl")]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out.splitlines()[-1]) == {"grader": "strict", "total": 5, "right": 1, "wrong": 1, "undecided": 3}
    assert captured.out.startswith("5 rows by strict: 1 right (20.00 %), 1 wrong (20.00 %), 3 undecided (60.00 %)")
    assert "predictions.jsonl:4: the row cannot be judged: malformed JSON" in captured.err


def test_a_file_cut_off_within_its_compression_is_graded_as_far_as_it_goes_and_said_to_be(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cut-wrong.jsonl.gz").write_bytes((recorded / RECORDED_FILES[1]).read_bytes()[:20_000])
    verdicts = tmp_path / "new folder/verdicts.jsonl"
    assert main(["grade", str(tmp_path), "--grader", "mathcoder", "--json", "--verdicts", str(verdicts)]) == 0
    captured = capsys.readouterr()
    counts = json.loads(captured.out)
    assert (counts["undecided"], counts["total"]) == (1, counts["wrong"] + 1)
    assert counts["total"] == len(verdicts.read_text().splitlines()) > 20
    assert "cut-wrong.jsonl.gz" in captured.err
    assert "the row cannot be judged: " in captured.err


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone.jsonl", None, "does not exist"),
        ("a.txt", "x", "unknown suffix"),
        ("empty.jsonl", "\n", "no row in it; name a file of"),
        (
            "other.jsonl",
            '{"text": "5", "answer": "5"}\n{"completion": "5"}\n{broken\n',
            "it needs completion (text) and ground_truth or gold (an answer); of all 3 rows none can be; name a file",
        ),
    ],
)
def test_a_file_that_cannot_be_graded_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: str | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    assert main(["grade", str(tmp_path / name)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error


def test_the_benchmark_is_read_from_the_path() -> None:
    assert benchmark_of("outs/MathCoder-L-7b/GSM8K/GSM8K_test_result-1.jsonl") == "gsm8k"
    assert benchmark_of("mathcoder_outputs/x__mathematics__y.jsonl.gz") == "mathematics"
    assert benchmark_of("/data/svamp/predictions.jsonl") == "svamp"
