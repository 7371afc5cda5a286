import json
from pathlib import Path

import pytest

from data_tools.benchmarks import read_benchmark
from data_tools.decontamination.decontaminate import run
from megatron_mathcoder.config.errors import DataError
from tests.data_tools.conftest import write_documents
from tests.data_tools.test_prepare import contents, rows_of


def test_leaks_are_dropped_with_their_passage_and_reported(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    benchmark = shared_data / "benchmarks/gsm8k_test.jsonl"
    items = read_benchmark(benchmark)
    clean = [f"Paragraph {n} on something else, of no interest to anybody who grades." for n in range(50)]
    corpus = write_documents(tmp_path / "corpus.jsonl", [*clean, f"Page {clean[0]} {items[7].question} {clean[1]}", "last"])
    assert run([str(corpus), "--benchmarks", str(benchmark), "--output", str(tmp_path / "out")]) == 0
    assert [row["id"] for row in rows_of(tmp_path / "out/documents")] == [f"d{n}" for n in [*range(50), 51]]
    (dropped,) = rows_of(tmp_path / "out/dropped")
    assert (dropped["id"], dropped["line"]) == ("d50", 51)
    assert dropped["reason"] == "contaminated: gsm8k_test question 7"
    assert dropped["passage"][:60] == items[7].question[:60]
    manifest = json.loads((tmp_path / "out/manifest.json").read_bytes())
    assert (manifest["documents_in"], manifest["documents"], manifest["dropped"]) == (52, 51, 1)
    assert manifest["benchmarks"] == {"gsm8k_test": {"items": 1319, "items_found": 1, "documents_dropped": 1}}
    report = json.loads((tmp_path / "out/contamination.json").read_bytes())
    assert report["gsm8k_test"]["examples"] == [dropped]
    printed = capsys.readouterr().out
    assert "52 documents in = 51 out + 1 dropped (1 contaminated)" in printed
    assert f"gsm8k_test                      1319       1          1  d50: {items[7].question[:60]}" in printed
    assert run([str(corpus), "--benchmarks", str(benchmark), "--output", str(tmp_path / "out")]) == 0
    with pytest.raises(DataError, match="setting mode: 'containment' there, 'published' now"):
        run([str(corpus), "--benchmarks", str(benchmark), "--output", str(tmp_path / "out"), "--mode", "published"])


def test_workers_and_parts_do_not_change_the_output(shared_data: Path, tmp_path: Path) -> None:
    given = [
        str(shared_data / "benchmarks"),
        "--benchmarks",
        str(shared_data / "benchmarks/svamp.json"),
        "--text-field",
        "question",
    ]
    for workers in ("1", "2"):
        out = ["--output", str(tmp_path / workers), "--workers", workers, "--max-reject-fraction", "1"]
        assert run([*given, *out]) == 0
    for part in ("2/2", "1/2"):
        assert run([*given, "--output", str(tmp_path / "parts"), "--max-reject-fraction", "1", "--part", part]) == 0
    assert contents(tmp_path / "1") == contents(tmp_path / "2") == contents(tmp_path / "parts")


def test_the_order_of_files_and_documents_read_twice_change_no_verdict(shared_data: Path, tmp_path: Path) -> None:
    benchmark = shared_data / "benchmarks/sat_math.jsonl"
    questions = [item.question for item in read_benchmark(benchmark)]
    texts = [text for number, question in enumerate(questions) for text in (f"Clean page {number}.", f"A page: {question}")]
    one = write_documents(tmp_path / "one.jsonl", texts[:30])
    other = write_documents(tmp_path / "other.jsonl", texts[30:] + texts[:10])
    kept = {}
    for name, files in (("forth", [one, other]), ("back", [other, one])):
        assert run([*map(str, files), "--benchmarks", str(benchmark), "--output", str(tmp_path / name)]) == 0
        rows = rows_of(tmp_path / name / "documents")
        manifest = json.loads((tmp_path / name / "manifest.json").read_bytes())
        assert manifest["documents_in"] == len(texts) + 10 == len(rows) + manifest["dropped"]
        kept[name] = sorted(row["text"] for row in rows)
    assert kept["forth"] == kept["back"] == sorted(texts[::2] + texts[:10:2])


def test_the_self_test_prints_recall_and_makes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {"question": f"A train goes {n} miles at {n + 7} miles per hour. How many minutes does it take?"} for n in range(100, 140)
    ]
    benchmark = tmp_path / "trains_test.jsonl"
    benchmark.write_text("".join(json.dumps(row) + "\n" for row in rows))
    corpus = write_documents(tmp_path / "corpus.jsonl", ["Some words of mine " * 300])
    assert run([str(corpus), "--benchmarks", str(benchmark), "--self-test"]) == 0
    printed = capsys.readouterr().out
    assert "trains_test                       40        100.00%        100.00%" in printed
    assert printed.splitlines()[-1].startswith("all                               40        100.00%")
    assert run([str(corpus), "--benchmarks", str(benchmark), "--self-test", "--items", "7"]) == 0
    assert "trains_test                        7        100.00%" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus.jsonl", "trains_test.jsonl"]
    with pytest.raises(DataError, match="no --output given; name the folder to make, or add --self-test"):
        run([str(corpus), "--benchmarks", str(benchmark)])
