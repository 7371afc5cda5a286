"""The verb: what it asks, what it leaves of good, malformed and missing answers, and that it resumes."""

import json
from pathlib import Path
from typing import Any

import pytest

from data_tools.annotation.main import run
from data_tools.filters.train_filter import run as train_filter
from megatron_mathcoder.config.errors import DataError
from tests.data_tools.conftest import write_documents
from tests.data_tools.llm.fake_server import FakeServer
from tests.data_tools.test_prepare import rows_of

TEXTS = ["Prove that the sum is even.", "The cat sat there.", "BROKEN answer", "A theorem about sums.", "LONG answer", "POISON"]


def scripted(body: dict[str, Any]) -> str:
    """Answer by the passage's words, as a careful reader of these texts would."""
    passage = body["messages"][-1]["content"].rpartition("Passage:\n\n")[2]
    if "BROKEN" in passage:
        return "I cannot say."
    return "Label: 1" if "Prove" in passage else "Label: 2" if "theorem" in passage else "Label: 7"


def faults(number: int, body: dict[str, Any]) -> str | None:
    content = body["messages"][-1]["content"]
    return "500" if "POISON" in content else "truncated" if "LONG" in content else None


def openai(server: FakeServer, *more: str) -> list[str]:
    return ["--annotator", "openai", "--base-url", server.url, "--model", "m", "--attempts", "2", *more]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_answers_become_labels_and_what_is_no_answer_is_dropped_with_its_reason(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_documents(here / "in.jsonl", TEXTS)
    with FakeServer(faults) as server:
        server.answer = scripted
        assert run(["in.jsonl", "--output", "out", *openai(server)]) == 0
    rows = rows_of(Path("out/documents"))
    assert [(row["id"], row["metadata"]["annotation"]["label"]) for row in rows] == [
        ("d0", "problem"),
        ("d1", "other"),
        ("d3", "theory"),
    ]
    assert rows[0]["text"] == TEXTS[0]
    assert rows[0]["metadata"]["annotation"] == {
        "label": "problem",
        "related": True,
        "passages": ["problem"],
        "annotator": "openai",
        "model": "m",
        "prompt_version": "2",
        "scheme": "seven",
        "rule": "any",
    }
    reasons = {row["id"]: row["reason"] for row in rows_of(Path("out/dropped"))}
    assert reasons["d2"] == "malformed answer: no label in 'I cannot say.'"
    assert reasons["d4"] == "malformed answer: cut off at the token limit"
    assert reasons["d5"].startswith("no reply: dead: status 500")
    manifest = json.loads(Path("out/manifest.json").read_bytes())
    assert (manifest["documents_in"], manifest["documents"], manifest["dropped"]) == (6, 3, 3)
    assert (manifest["labels"], manifest["related"]) == ({"problem": 1, "other": 1, "theory": 1}, 2)
    assert "3 documents labelled, 2 of them related" in (printed := capsys.readouterr().out)
    assert "without a label: 2 malformed answer, 1 no reply, see out/dropped" in printed
    assert "1 got no reply, such as 'status 500: fault 500'; all are in out.requests/dead_letters.jsonl" in printed


def test_what_got_no_reply_is_asked_again_when_the_server_is_mended(here: Path) -> None:
    """A refusal too: the server may have been started with a longer context."""
    write_documents(here / "in.jsonl", ["Prove that it is.", "POISON", "A LONG page"])
    refused = {"POISON": "500", "LONG": "400"}

    def faults(number: int, body: dict[str, Any]) -> str | None:
        return next((status for word, status in refused.items() if word in body["messages"][-1]["content"]), None)

    with FakeServer(faults) as server:
        server.answer = scripted
        given = ["in.jsonl", "--output", "out", *openai(server)]
        assert run(given) == 0
        assert len(rows_of(Path("out/documents"))) == 1
        with pytest.raises(DataError, match="out is finished; --retry-dead makes it again, so add --overwrite"):
            run([*given, "--retry-dead"])
        refused.clear()
        asked = len(server.bodies)
        assert run([*given, "--retry-dead", "--overwrite"]) == 0
        assert len(server.bodies) == asked + 2
    assert len(rows_of(Path("out/documents"))) == 3


def test_a_larger_sample_asks_only_for_what_is_new_and_a_finished_one_for_nothing(here: Path) -> None:
    write_documents(here / "in.jsonl", [f"text {number}" for number in range(40)])
    with FakeServer() as server:
        server.answer = scripted
        shared = openai(server, "--requests", "log")
        assert run(["in.jsonl", "--output", "ten", "--sample", "10", *shared]) == 0
        assert len(server.bodies) == 10
        assert run(["in.jsonl", "--output", "thirty", "--sample", "30", *shared]) == 0
        assert len(server.bodies) == 30
    # The server is gone: a finished output needs none, and neither does one whose answers are all known.
    assert run(["in.jsonl", "--output", "thirty", "--sample", "30", *shared]) == 0
    assert run(["in.jsonl", "--output", "twenty", "--sample", "20", *shared]) == 0
    ids = {name: {row["id"] for row in rows_of(Path(name, "documents"))} for name in ("ten", "twenty", "thirty")}
    assert ids["ten"] < ids["twenty"] < ids["thirty"]
    assert {row["reason"] for row in rows_of(Path("ten/dropped"))} == {"not annotated: not in the sample"}


@pytest.mark.parametrize(
    ("rule", "asked", "related"),
    [("any", 3, {"d0", "d1"}), ("most", 3, {"d1"}), ("first", 1, {"d0"})],
)
def test_the_rule_makes_one_label_of_many_passages(here: Path, rule: str, asked: int, related: set[str]) -> None:
    passage = {"yes": "Prove that it is.\n\n", "no": "The cat sat there.\n\n"}
    orders = (("yes", "no", "no"), ("no", "yes", "yes"), ("no", "no", "no"))
    write_documents(here / "in.jsonl", ["".join(passage[word] for word in order) for order in orders])
    with FakeServer() as server:
        server.answer = scripted
        assert run(["in.jsonl", "--output", "out", "--rule", rule, "--max-characters", "20", *openai(server)]) == 0
    rows = rows_of(Path("out/documents"))
    assert {row["id"] for row in rows if row["metadata"]["annotation"]["related"]} == related
    assert all(len(row["metadata"]["annotation"]["passages"]) == asked for row in rows)


def test_a_passage_without_a_label_matters_only_where_it_could_change_the_verdict(here: Path) -> None:
    texts = ["Prove that it is.\n\nBROKEN answer", "The cat sat there.\n\nBROKEN answer"]
    write_documents(here / "in.jsonl", texts)
    with FakeServer() as server:
        server.answer = scripted
        assert run(["in.jsonl", "--output", "out", "--max-characters", "20", *openai(server)]) == 0
    (row,) = rows_of(Path("out/documents"))
    assert (row["id"], row["metadata"]["annotation"]["passages"]) == ("d0", ["problem", ""])
    (dropped,) = rows_of(Path("out/dropped"))
    assert (dropped["id"], dropped["reason"][:16]) == ("d1", "malformed answer")


def test_parts_of_a_job_array_give_what_one_run_gives(here: Path) -> None:
    for name, texts in (("a", TEXTS[:2]), ("b", TEXTS[3:4])):
        (here / f"{name}.jsonl").write_text(
            "".join(json.dumps({"id": f"{name}{n}", "text": t}) + "\n" for n, t in enumerate(texts))
        )
    with FakeServer() as server:
        server.answer = scripted
        for part in ("2/2", "1/2"):
            assert run(["a.jsonl", "b.jsonl", "--output", "parts", "--part", part, *openai(server)]) == 0
        assert len(server.bodies) == 3
        assert run(["a.jsonl", "b.jsonl", "--output", "whole", *openai(server)]) == 0
    assert rows_of(Path("parts/documents")) == rows_of(Path("whole/documents"))


def test_what_a_filter_was_unsure_of_is_asked_about_again(here: Path) -> None:
    rows = [{"id": f"d{n}", "text": f"text {n}", "metadata": {"scores": {"round_1": n / 10}}} for n in range(10)]
    Path("in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with FakeServer() as server:
        server.answer = scripted
        assert run(["in.jsonl", "--output", "out", "--score", "round_1", "--between", "0.3", "0.5", *openai(server)]) == 0
        assert len(server.bodies) == 3
    assert [row["id"] for row in rows_of(Path("out/documents"))] == ["d3", "d4", "d5"]
    assert rows_of(Path("out/documents"))[0]["metadata"]["scores"] == {"round_1": 0.3}
    assert {row["reason"] for row in rows_of(Path("out/dropped"))} == {
        "not annotated: not between the scores: round_1 from 0.3 to 0.5"
    }


def test_labels_given_by_source_are_a_persons_and_say_so(here: Path) -> None:
    for name in ("maths", "manuals", "rest"):
        write_documents(here / f"{name}.jsonl", [f"{name} one", f"{name} two"])
    given = ["--annotator", "given", "--given", "maths*=theory", "--given", "man*=tool_usage"]
    inputs = ["maths.jsonl", "manuals.jsonl", "rest.jsonl"]
    assert run([*inputs, "--output", "out", *given]) == 0
    annotations = [row["metadata"]["annotation"] for row in rows_of(Path("out/documents"))]
    assert [each["related"] for each in annotations] == [True, True, False, False]
    assert annotations[0] == {
        "label": "theory",
        "related": True,
        "annotator": "given",
        "given_to": "maths*",
        "scheme": "seven",
    }
    assert {row["reason"] for row in rows_of(Path("out/dropped"))} == {"no given label: to rest.jsonl"}
    assert train_filter(["--annotated", "out", "--output", "m.bin", "--bucket", "20000", "--dim", "10"]) == 0


def test_what_a_person_gets_wrong(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_documents(here / "in.jsonl", ["one"])
    for more, message in [
        (["--annotator", "openai"], "--annotator openai needs --model NAME"),
        (["--annotator", "openai", "--model", "m", "--base-url", "http://127.0.0.1:9/v1"], "no server answers at"),
        (["--annotator", "openai", "--model", "m", "--api-key-file", "k"], "--api-key-file 'k' is no file"),
        (["--annotator", "given"], "--annotator given needs --given PATTERN=LABEL"),
        (["--annotator", "given", "--given", "a=b"], "--given a=b: no such label; --scheme seven has problem, theory"),
        (["--annotator", "given", "--given", "a=theory", "--score", "s"], "--score and --between belong together"),
        (
            ["--annotator", "given", "--given", "a=theory", "--score", "s", "--between", "0.9", "0.1"],
            "--between 0.9 0.1: no score lies there; give the smaller one first",
        ),
    ]:
        with pytest.raises(DataError, match=message):
            run(["in.jsonl", "--output", "out", *more])
    with pytest.raises(SystemExit):
        run(["in.jsonl", "--output", "out", "--annotator", "openai", "--model", "m", "--base-url", "localhost:8000/v1"])
    assert "'localhost:8000/v1' has no http:// or https://" in capsys.readouterr().err
    with FakeServer() as server:
        server.answer = lambda body: "no idea"
        with pytest.raises(DataError, match=r"no documents: 1 dropped \(1 malformed answer\)"):
            run(["in.jsonl", "--output", "out", *openai(server)])
