"""The verb, with each translator: what it leaves, that it resumes, and what a person gets wrong."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from data_tools.llm.request_log import DEAD_LETTERS
from data_tools.translate import prompt
from data_tools.translate.computation import TranslatedDocument
from data_tools.translate.main import run
from megatron_mathcoder.config.errors import DataError
from tests.data_tools.conftest import command, write_documents
from tests.data_tools.llm.fake_server import FakeServer
from tests.data_tools.test_prepare import rows_of

COMPUTATION = {"title": "Sum", "conditions": [], "expression": "1 + 2", "result": "3", "code": "print(1 + 2)"}


def as_json(body: dict[str, Any]) -> str:
    """What a server that holds to a schema answers: the probe's object, or one computation."""
    if "word" in body.get("response_format", {}).get("json_schema", {}).get("schema", {}).get("properties", {}):
        return '{"word": "tangent"}'
    return json.dumps({"computations": [COMPUTATION]})


def as_prose(body: dict[str, Any]) -> str:
    return "**Expression:** $1 + 2$\n**Result:** 3\n**Code:**\n```python\nprint(1 + 2)\n```"


def openai(server: FakeServer, *more: str) -> list[str]:
    return ["--translator", "openai", "--base-url", server.url, "--model", "m", *more]


def without_seconds(folder: Path) -> list[dict[str, Any]]:
    rows = rows_of(folder / "completions")
    for row in rows:
        del row["completion"]["seconds"]
    return rows


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_symbolic_translator_leaves_rows_a_funnel_and_a_manifest(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_documents(here / "in.jsonl", ["So $2 + 3 = 5$ and $1 + \\cdots + 4 = 10$.", "no mathematics"])
    assert run(["in.jsonl", "--output", "out"]) == 0
    first, second = rows_of(Path("out/completions"))
    assert (first["id"], first["text"]) == ("d0", "So $2 + 3 = 5$ and $1 + \\cdots + 4 = 10$.")
    assert list(first["completion"]) == [
        "translator",
        "model",
        "prompt_version",
        "seconds",
        "finish_reason",
        "text",
        "computations",
        "unparsed",
    ]
    assert first["completion"]["computations"][0] == {
        "title": "Arithmetic",
        "conditions": [],
        "expression": "2 + 3",
        "result": "5",
        "code": "print(2 + 3)",
        "span": [4, 13],
    }
    assert [each["reason"] for each in first["completion"]["unparsed"]] == ["ellipsis"]
    assert second["completion"]["computations"] == []
    assert TranslatedDocument.from_json(first).completion.computations[0].code == "print(2 + 3)"
    manifest = json.loads(Path("out/manifest.json").read_bytes())
    assert (manifest["stage"], manifest["documents_in"], manifest["documents"], manifest["dropped"]) == ("translate", 2, 2, 0)
    assert manifest["funnel"] == {
        "documents_with_computations": 1,
        "computations": 1,
        "cut_off": 0,
        "unparsed": 1,
        "unparsed_by_reason": {"ellipsis": 1},
    }
    assert "2 documents → 1 with computations → 1 computations with code; 1 passages gave none" in capsys.readouterr().out
    assert run(["in.jsonl", "--output", "out"]) == 0
    assert "already there" in capsys.readouterr().out


def test_workers_change_nothing(here: Path, shared_data: Path) -> None:
    questions = str(shared_data / "benchmarks/math_test.jsonl")
    inputs = [str(path) for path in (here / "a.jsonl", here / "b.jsonl")]
    lines = Path(questions).read_text().splitlines(keepends=True)[:60]
    Path(inputs[0]).write_text("".join(lines[:30]))
    Path(inputs[1]).write_text("".join(lines[30:]))
    for workers in ("1", "2"):
        assert run([*inputs, "--text-field", "solution", "--output", f"out{workers}", "--workers", workers]) == 0
    assert without_seconds(Path("out1")) == without_seconds(Path("out2"))


def test_a_model_is_asked_in_json_when_the_server_holds_to_a_schema(here: Path) -> None:
    write_documents(here / "in.jsonl", ["one", "two"])
    with FakeServer() as server:
        server.answer = as_json
        assert run(["in.jsonl", "--output", "out", *openai(server)]) == 0
        schemas = [body["response_format"]["json_schema"]["schema"] for body in server.bodies]
        assert schemas[1:] == [prompt.SCHEMA] * 2
    rows = rows_of(Path("out/completions"))
    assert [row["completion"]["computations"] for row in rows] == [[COMPUTATION | {"span": None}]] * 2
    assert (rows[0]["completion"]["translator"], rows[0]["completion"]["model"]) == ("openai", "m")


def test_a_server_that_passes_over_the_schema_is_asked_for_sections(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_documents(here / "in.jsonl", ["one"])
    with FakeServer() as server:
        server.answer = as_prose
        assert run(["in.jsonl", "--output", "out", *openai(server)]) == 0
        assert "response_format" not in server.bodies[-1]
    assert "labelled sections are asked for instead" in capsys.readouterr().out
    (row,) = rows_of(Path("out/completions"))
    assert row["completion"]["computations"][0]["code"] == "print(1 + 2)"


def test_no_request_is_sent_twice(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Over runs, over equal documents, and when documents are added."""
    write_documents(here / "in.jsonl", ["one", "two", "one"])
    with FakeServer() as server:
        server.answer = as_json
        assert run(["in.jsonl", "--output", "out", *openai(server, "--reply-format", "json")]) == 0
        assert len(server.bodies) == 2
        assert "2 requests asked = 2 ok + 0 failed + 0 dead" in capsys.readouterr().out
        write_documents(here / "in.jsonl", ["one", "two", "three"])
        more = ["--requests", "out.requests", "--reply-format", "json"]
        assert run(["in.jsonl", "--output", "more", *openai(server, *more)]) == 0
        assert len(server.bodies) == 3
    # The server is gone, everything is answered: nothing is contacted.
    assert run(["in.jsonl", "--output", "again", *openai(server, *more)]) == 0
    assert without_seconds(Path("again")) == without_seconds(Path("more"))


def test_a_killed_run_goes_on_where_it_was(here: Path) -> None:
    write_documents(here / "in.jsonl", [f"document {index}" for index in range(120)])
    with FakeServer(delay_seconds=0.05) as server:
        server.answer = as_json
        arguments = ["in.jsonl", "--output", "out", *openai(server, "--reply-format", "json", "--requests-in-flight", "4")]
        process = subprocess.Popen(command("translate", *arguments), cwd=here)
        while len(server.bodies) < 40:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        time.sleep(0.1)
        before = len(server.bodies)
        logged = Path("out.requests/log.jsonl").read_bytes()
        Path("out.requests/log.jsonl").write_bytes(logged[:-7])
        assert run(arguments) == 0
        # Asked again: what was in flight (4 at most), and the row whose end was torn off.
        assert 120 <= len(server.bodies) <= 120 + 4 + 1
        assert len(server.bodies) - before <= 120 - logged.count(b"\n") + 1
    assert [row["id"] for row in rows_of(Path("out/completions"))] == [f"d{index}" for index in range(120)]


def test_a_poison_document_is_dropped_and_the_others_are_kept(here: Path) -> None:
    write_documents(here / "in.jsonl", ["good", "poison", "too long"])

    def faults(number: int, body: dict[str, Any]) -> str | None:
        text = body["messages"][-1]["content"]
        return "500" if "poison" in text else "400" if "too long" in text else None

    with FakeServer(faults) as server:
        server.answer = as_json
        arguments = ["in.jsonl", "--output", "out", *openai(server, "--reply-format", "json", "--attempts", "2")]
        assert run(arguments) == 0
    assert [row["id"] for row in rows_of(Path("out/completions"))] == ["d0"]
    reasons = {row["id"]: row["reason"][:26] for row in rows_of(Path("out/dropped"))}
    assert reasons == {"d1": "no reply: dead: status 500", "d2": "no reply: failed: status 4"}
    letters = [json.loads(line) for line in Path("out.requests", DEAD_LETTERS).read_text().splitlines()]
    assert sorted((row["outcome"], "poison" in row["body"]["messages"][0]["content"]) for row in letters) == [
        ("dead", True),
        ("failed", False),
    ]


def test_a_reply_cut_off_keeps_its_whole_computations(here: Path) -> None:
    write_documents(here / "in.jsonl", ["one"])
    with FakeServer(lambda number, body: "truncated") as server:
        server.answer = lambda body: f"{as_prose(body)}\n**Expression:** $4$\n**Result:** 4\n**Code:**\n```python\nprint("
        assert run(["in.jsonl", "--output", "out", *openai(server, "--reply-format", "sections")]) == 0
    (row,) = rows_of(Path("out/completions"))
    assert row["completion"]["finish_reason"] == "length"
    assert [each["result"] for each in row["completion"]["computations"]] == ["3"]
    assert [each["reason"] for each in row["completion"]["unparsed"]] == ["cut off at the token limit"]
    assert json.loads(Path("out/manifest.json").read_bytes())["funnel"]["cut_off"] == 1


def test_a_long_document_is_asked_in_passages(here: Path) -> None:
    write_documents(here / "in.jsonl", ["first paragraph\n\n" + "second paragraph"])
    with FakeServer() as server:
        server.answer = as_json
        arguments = openai(server, "--reply-format", "json", "--max-characters", "20")
        assert run(["in.jsonl", "--output", "out", *arguments]) == 0
        assert len(server.bodies) == 2
    (row,) = rows_of(Path("out/completions"))
    assert len(row["completion"]["computations"]) == 2


def test_a_batch_goes_out_and_comes_back(here: Path) -> None:
    write_documents(here / "in.jsonl", ["one", "two"])
    arguments = ["in.jsonl", "--output", "out", "--translator", "vllm", "--model", "m"]
    assert run([*arguments, "--write-batch", "batch.jsonl"]) == 0
    asked = [json.loads(line) for line in Path("batch.jsonl").read_text().splitlines()]
    assert [(row["method"], row["url"], row["body"]["max_tokens"]) for row in asked] == [
        ("POST", "/v1/chat/completions", 3072)
    ] * 2
    message = {"role": "assistant", "content": as_json({})}
    body = {"id": "x", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    answers = [{"id": "a", "custom_id": row["custom_id"], "response": {"status_code": 200, "body": body}} for row in asked]
    Path("answers.jsonl").write_text(json.dumps(answers[1]) + "\n" + json.dumps(answers[0])[:-9])
    with pytest.raises(DataError, match=r"1 requests have no reply in answers.jsonl; .*add --write-batch FILE"):
        run([*arguments, "--read-batch", "answers.jsonl"])
    Path("answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in answers))
    assert run([*arguments, "--read-batch", "answers.jsonl"]) == 0
    assert [len(row["completion"]["computations"]) for row in rows_of(Path("out/completions"))] == [1, 1]


def test_what_a_person_gets_wrong(here: Path) -> None:
    write_documents(here / "in.jsonl", ["one"])
    for more, message in [
        (["--translator", "openai"], "--translator openai needs --model NAME"),
        (["--translator", "openai", "--model", "m", "--base-url", "http://127.0.0.1:9/v1"], "no server answers at"),
        (["--text-field", "body"], "none of the first 1 rows .* name it with --text-field"),
    ]:
        with pytest.raises(DataError, match=message):
            run(["in.jsonl", "--output", "out", *more])
