"""Problems become solutions that are to be believed, and every problem is in the funnel."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from data_tools.lce import read_messages
from megatron_mathcoder.config.errors import ConfigError, DataError
from megatron_mathcoder.inference import solve
from tests.inference.conftest import Refusing, Scripted

PROBLEMS = [
    {"id": "right", "question": "What is 6 * 7?", "answer": "42"},
    {"id": "wrong", "question": "What is 6 * 8?", "answer": "48"},
    {"id": "agreed", "question": "What is 2 ** 5?"},
    {"id": "disagreed", "question": "What is random?"},
    {"id": "endless", "question": "Say something."},
]
CODE = {"6 * 7": "6 * 7", "6 * 8": "6 * 9", "2 ** 5": "print(2 ** 5)"}


class Writer(Scripted):
    """Writes code, reads its output and says it; of what is asked to be random it says something else each time."""

    def __init__(self) -> None:
        self.said = 0
        super().__init__(self.write)

    def write(self, prompt: str) -> str:
        end = "<|endofblock|>"
        if "random" in prompt:
            self.said += 1
            return f"<|text|>{self.said}{end}<|endofmessage|>" if "<|assistant|><|text|>" not in prompt else "<|endofmessage|>"
        if "something" in prompt:
            return f"<|text|>and so on{end}"
        if "<|execution|>" not in prompt:
            return f"<|code|>{next(code for words, code in CODE.items() if words in prompt)}{end}"
        output = prompt.rpartition("<|execution|>")[2].partition(end)[0]
        return "<|endofmessage|>" if "<|text|>" in prompt.rpartition("<|execution|>")[2] else f"<|text|>{output}{end}"


@pytest.fixture
def writer(monkeypatch: pytest.MonkeyPatch) -> Writer:
    writer = Writer()

    @contextmanager
    def opened(_name: str) -> Iterator[Writer]:
        yield writer

    monkeypatch.setattr(solve, "open_model", opened)
    return writer


def arguments(tmp_path: Path, *more: object) -> list[str]:
    (tmp_path / "problems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in PROBLEMS))
    return [
        str(each) for each in (tmp_path / "problems.jsonl", "--model", "m", "--output", tmp_path / "out", "--rounds", 4, *more)
    ]


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_funnel_holds_every_problem(tmp_path: Path, writer: Writer, capsys: pytest.CaptureFixture[str]) -> None:
    assert solve.run(arguments(tmp_path)) == 0
    solutions = {row["id"]: row for row in rows(tmp_path / "out" / "solutions.jsonl")}
    assert {name: row["answer"] for name, row in solutions.items()} == {"right": "42", "agreed": "32"}
    _question, answer = read_messages(solutions["right"]["messages"])
    assert [(block.type, block.content) for block in answer.blocks] == [("code", "6 * 7"), ("execution", "42"), ("text", "42")]
    reasons = {row["id"]: row["reason"] for row in rows(tmp_path / "out" / "dropped.jsonl")}
    assert reasons["wrong"] == "wrong: '54', the reference is '48'"
    assert reasons["disagreed"].startswith("no agreement: ")
    assert reasons["endless"] == "no answer: samples ended by rounds"
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert (manifest["problems"], manifest["solutions"], manifest["dropped"]) == (5, 2, 3)
    assert "5 problems = 2 solutions + 3 dropped (1 no agreement, 1 no answer, 1 wrong)" in capsys.readouterr().out


def test_what_was_sampled_is_not_asked_again(tmp_path: Path, writer: Writer) -> None:
    solve.run(arguments(tmp_path))
    before = (tmp_path / "out" / "solutions.jsonl").read_bytes()
    log = tmp_path / "out" / "trajectories.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(lines[:-2]) + lines[-2][:40])  # as after a kill
    asked = sum(map(len, writer.asked))
    solve.run(arguments(tmp_path))
    again = sum(map(len, writer.asked)) - asked
    assert 0 < again < asked / 3
    assert (tmp_path / "out" / "solutions.jsonl").read_bytes() == before
    assert len(log.read_bytes().splitlines()) == 15


def test_other_settings_are_refused(tmp_path: Path, writer: Writer) -> None:
    solve.run(arguments(tmp_path))
    with pytest.raises(ConfigError, match=r"its rows have seed = 3407, this run 1; name another --output"):
        solve.run(arguments(tmp_path, "--seed", 1))


def test_equal_samples_are_refused(tmp_path: Path, writer: Writer) -> None:
    with pytest.raises(ConfigError, match="--samples 3 --temperature 0: all samples would be the same"):
        solve.run(arguments(tmp_path, "--temperature", 0))


def test_a_problem_that_comes_twice_is_refused(tmp_path: Path, writer: Writer) -> None:
    command = arguments(tmp_path)
    (tmp_path / "problems.jsonl").write_text((json.dumps(PROBLEMS[0]) + "\n") * 2)
    with pytest.raises(DataError, match="problem 'right' comes twice; give each problem an id of its own"):
        solve.run(command)


def test_a_model_that_answers_nothing_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solve, "open_model", lambda _name: nullcontext(Refusing()))
    with pytest.raises(DataError, match="all 15 failed, the first so: no connection; mend that, then run the same command"):
        solve.run(arguments(tmp_path))
    assert len(rows(tmp_path / "out" / "dropped.jsonl")) == 5
