"""The verb from completions to documents: what is kept, what is said of the rest, and that nothing is lost or repeated."""

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import zstandard

from data_tools.document import Document, Dropped
from data_tools.translate.completed import Completed, read_completed
from megatron_mathcoder import cli
from tests.data_tools.conftest import command


def computation(code: str, result: str, **fields: Any) -> dict[str, Any]:
    given = {"title": "Computation 1: Sum", "conditions": ["a is 6"], "expression": "6 + 1", "span": None}
    return given | {"result": result, "code": code} | fields


def completed(identity: str, text: str, computations: list[dict[str, Any]] | None, reply: str | None = None) -> dict[str, Any]:
    completion = {"translator": "t", "model": "m", "prompt_version": "1", "seconds": 0.5, "finish_reason": "stop", "text": reply}
    completion |= {"computations": computations or [], "unparsed": []}
    return {"id": identity, "text": text, "metadata": {"provenance": {"file": "b.tex", "line": 3}}, "completion": completion}


REPLY = """**Computation 1:** Product
**Computation Expression:** $6 \\cdot 7$
**Computation Result:** $42$
```python
print(6 * 7)
```
"""
TEXT = "We add $6 + 1$ here.\n\nNext we multiply.\n\nThe end."
ROWS = [
    completed("right", TEXT, [computation("print(6 + 1)", "7", span=[0, 18]), computation("print(6 * 7)", "x = 42")]),
    completed("mixed", TEXT, [computation("print(2 + 3)", "5"), computation("print(2 + 2)", "5"), computation("1 / 0", "5")]),
    completed("wrong", TEXT, [computation("print(2 + 2)", "5")]),
    completed("literal", TEXT, [computation("print(5)", "5")]),
    completed("reply", TEXT, None, REPLY),
    completed("nothing", TEXT, []),
    completed("silent", TEXT, [computation("x = 2 + 3", "5"), computation("print('odd' * 1)", r"\text{a long proof}")]),
    completed("endless", TEXT, [computation("while True: pass", "5")]),
    completed("chance", TEXT, [computation("import random\nprint(round(random.random(), 12) + 0 * 1)", "0.5")]),
    completed("displayed", TEXT, [computation("x = 6\nx + 1", "7")]),
    {"id": "plain", "text": "no completion here"},
    {"id": "broken", "text": "t", "completion": {"computations": [{"code": 1}]}},
]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def read(folder: Path) -> list[dict[str, Any]]:
    rows = []
    for path in sorted(folder.iterdir()):
        data = path.read_bytes()
        data = zstandard.ZstdDecompressor().stream_reader(data).read() if path.suffix == ".zst" else data
        rows += [json.loads(line) for line in data.splitlines()]
    return rows


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("execute")
    write(folder / "translated" / "completions" / "part.jsonl", ROWS)
    arguments = [
        "execute",
        str(folder / "translated"),
        "--output",
        str(folder / "out"),
        "--timeout_seconds",
        "0.5",
        "--workers",
        "2",
    ]
    done = subprocess.run(
        command(*arguments, "--max-reject-fraction", "1"), capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return folder / "out", done.stdout


def test_documents_keep_what_was_verified(executed):
    documents = {row["id"]: row for row in read(executed[0] / "documents")}
    assert list(documents) == ["right", "mixed", "reply", "displayed"]
    assert documents["right"]["text"] == (
        "Sum\n\n1. a is 6\n\n$6 + 1$\n\nresult: $7$\n\n```python\nprint(6 + 1)\n```\n\n"
        "Sum\n\n1. a is 6\n\n$6 + 1$\n\nresult: $x = 42$\n\n```python\nprint(6 * 7)\n```"
    )
    assert documents["mixed"]["text"].count("```python") == 1
    assert "$6 \\cdot 7$\n\nresult: $42$" in documents["reply"]["text"]
    made = {"translator": "t", "model": "m", "prompt_version": "1", "layout": "steps", "computations": 2}
    assert documents["right"]["metadata"] == {"provenance": {"file": "b.tex", "line": 3}, "translation": made}


def test_every_other_document_is_dropped_with_its_reason(executed):
    dropped = {row["id"]: row["reason"] for row in read(executed[0] / "dropped")}
    for name in ("wrong", "literal", "nothing", "silent", "endless", "chance"):
        assert dropped.pop(name) == "nothing to keep"
    assert dropped.pop("plain") == "no completion"
    assert dropped.pop("broken").startswith("malformed completion: no ")
    assert dropped == {}


def test_every_computation_has_its_verdict_in_the_side_file(executed):
    rows = {row["id"]: row for row in read(executed[0] / "provenance")}
    assert len(rows) == 10
    found = {
        name: [(each["verdict"], each["reason"], each["kept"]) for each in row["computations"]] for name, row in rows.items()
    }
    assert found["right"] == [("verified", "", True)] * 2
    assert found["mixed"][1:] == [
        ("refuted", "the output differs: not equal numbers", False),
        ("unverifiable", "did not run: exception", False),
    ]
    assert found["literal"] == [("unverifiable", "prints a literal", False)]
    assert found["silent"][0] == ("unverifiable", "nothing was printed", False)
    assert found["endless"] == [("unverifiable", "did not run: cpu", False)]
    assert found["chance"][0][0] in ("refuted", "unverifiable")
    row = rows["right"]
    assert (row["translator"], row["model"], row["prompt_version"], row["seconds"]) == ("t", "m", "1", 0.5)
    assert row["source"] == {"file": "b.tex", "line": 3}
    first = row["computations"][0]
    assert (first["span"], first["output"], first["status"]) == ([0, 18], "7\n", "ok")
    assert first["cpu_seconds"] < 0.5
    assert rows["mixed"]["computations"][2]["error"] == "ZeroDivisionError: division by zero"


def test_the_funnel_is_printed_and_saved(executed):
    output, printed = executed
    saved = json.loads((output / "funnel.json").read_text())
    assert saved == json.loads((output / "manifest.json").read_text())["funnel"]
    counts = {step: row["count"] for step, row in saved.items()}
    assert counts == {
        "documents": 10,
        "documents with computations": 9,
        "computations": 13,
        "parsed": 13,
        "ran": 11,
        "verified": 5,
        "kept": 5,
        "documents kept": 4,
    }
    assert saved["ran"]["lost"] == {"cpu": 1, "exception": 1}
    assert sum(saved["verified"]["lost"].values()) == 6
    assert "        13  computations\n        13  parsed\n        11  ran\n              1 not ran: cpu\n" in printed


def test_the_second_layout_keeps_the_document_and_unverifiable_code_when_asked(tmp_path):
    path = write(tmp_path / "rows.jsonl", [ROWS[0], ROWS[6]])
    arguments = ["execute", str(path), "--output", str(tmp_path / "out"), "--layout", "inserted", "--unverifiable", "keep"]
    assert cli.main([*arguments, "--workers", "1"]) == 0
    documents = {row["id"]: row["text"] for row in read(tmp_path / "out" / "documents")}
    paragraphs = documents["right"].split("\n\n")
    assert paragraphs[0] == "We add $6 + 1$ here."
    assert paragraphs[5] == "```python\nprint(6 + 1)\n```"
    assert paragraphs[6:8] == ["Next we multiply.", "The end."]
    assert paragraphs[-1] == "```python\nprint(6 * 7)\n```"
    assert documents["silent"].count("```python") == 2


def test_the_same_command_again_does_nothing_also_beside_the_completions(tmp_path, capsys):
    write(tmp_path / "in" / "completions" / "part.jsonl", ROWS[:1])
    arguments = ["execute", str(tmp_path / "in"), "--output", str(tmp_path / "in" / "out"), "--workers", "1"]
    assert cli.main(arguments) == 0
    before = (tmp_path / "in" / "out" / "manifest.json").stat().st_mtime_ns
    assert cli.main(arguments) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert (tmp_path / "in" / "out" / "manifest.json").stat().st_mtime_ns == before


def test_a_killed_run_loses_and_repeats_nothing(tmp_path):
    rows = [completed(f"d{number}", TEXT, [computation(f"print({number} + 1)", f"{number + 1}")]) for number in range(90)]
    for part in range(3):
        write(tmp_path / "in" / "completions" / f"part-{part}.jsonl", rows[30 * part : 30 * part + 30])
    arguments = command("execute", tmp_path / "in", "--output", tmp_path / "out", "--workers", "1")
    with subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        records = tmp_path / "out.partial" / "records"
        end = time.monotonic() + 60
        while not list(records.glob("slice-*.json")):
            assert time.monotonic() < end
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "resuming: " in done.stdout
    assert [row["id"] for row in read(tmp_path / "out" / "documents")] == [f"d{number}" for number in range(90)]
    assert [row["id"] for row in read(tmp_path / "out" / "provenance")] == [f"d{number}" for number in range(90)]
    assert json.loads((tmp_path / "out" / "funnel.json").read_text())["kept"]["count"] == 90


def test_a_folder_without_completions_is_answered_in_one_line(tmp_path, capsys):
    write(tmp_path / "rows.jsonl", [{"id": "a", "text": "b"}])
    assert cli.main(["execute", str(tmp_path / "rows.jsonl"), "--output", str(tmp_path / "out")]) == 2
    expected = "mathcoder execute: none of 1 documents has a completion; give a folder from mathcoder translate\n"
    assert capsys.readouterr().err == expected
    write(tmp_path / "rows.jsonl", [{"id": "a"}])
    assert cli.main(["execute", str(tmp_path / "rows.jsonl"), "--output", str(tmp_path / "out")]) == 2
    assert "no 'text' among id); give a folder from mathcoder translate\n" in capsys.readouterr().err


def test_keeping_nothing_is_a_result_too(tmp_path, capsys):
    path = write(tmp_path / "rows.jsonl", [ROWS[2]])
    assert cli.main(["execute", str(path), "--output", str(tmp_path / "out"), "--workers", "1"]) == 0
    assert "1 not verified: refuted, the output differs: not equal numbers" in capsys.readouterr().out
    assert json.loads((tmp_path / "out" / "funnel.json").read_text())["kept"] == {"count": 0}


STEP = {"title": "t", "conditions": ["a"], "expression": "2+2", "result": "4", "code": "print(2+2)", "span": [0, 3]}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"title": None}, "title is no text"), ({"result": 4}, "result is no text"), ({"code": None}, "code is no text"),
        ({"conditions": "a"}, "conditions is no list of texts"), ({"conditions": [1]}, "conditions is no list of texts"),
        ({"span": [5, 2]}, "span [5, 2] is no begin and end"), ({"span": "ab"}, "span ab is no begin and end"),
    ],
)  # fmt: skip
def test_a_computation_of_other_kinds_of_values_is_malformed(changed, reason):
    document = Document("a", "2+2=4", {"completion": {"computations": [STEP | changed]}})
    dropped = read_completed(document)
    assert isinstance(dropped, Dropped)
    assert dropped.reason == f"malformed completion: {reason}"
    assert isinstance(read_completed(Document("a", "2+2=4", {"completion": {"computations": [STEP]}})), Completed)
