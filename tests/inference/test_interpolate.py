"""New problems between easy and hard ones; every reply is in the funnel."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from data_tools.llm.interface import Choice
from megatron_mathcoder.config.errors import ConfigError, DataError
from megatron_mathcoder.inference import interpolate
from tests.inference.conftest import Refusing, Scripted

EASY = [f"Tom has {number} apples and eats two of them every day. How long do they last?" for number in (10, 20)]
HARD = ["Find all integers n for which n squared plus n plus one is a perfect square."]


class Writer(Scripted):
    """Replies in turn: a problem, a copy of the easy one, nothing, a reply that is cut off, the first problem again."""

    def __init__(self) -> None:
        self.count = 0
        super().__init__(self.write)

    def write(self, _prompt: str) -> str | Choice:
        new = "A tank is filled by two pipes in 3 and in 6 hours. In how many hours do both of them fill it together?"
        replies: list[str | Choice] = [
            f"<problem>\n{new}\n</problem>",
            f"<problem>{EASY[0].replace('10', '50')}</problem>",
            "I would rather not.",
            Choice("<problem>A long", "length"),
            f"Here: <problem>{new.upper()}</problem>",
        ]
        self.count += 1
        return replies[(self.count - 1) % len(replies)]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    writer = Writer()

    @contextmanager
    def opened(_name: str) -> Iterator[Writer]:
        yield writer

    monkeypatch.setattr(interpolate, "open_model", opened)
    for name, texts in (("easy", EASY), ("hard", HARD)):
        rows = [json.dumps({"id": f"{name}{number}", "question": text}) for number, text in enumerate(texts)]
        (tmp_path / name).with_suffix(".jsonl").write_text("\n".join(rows) + "\n")
    files = ("--easy", tmp_path / "easy.jsonl", "--hard", tmp_path / "hard.jsonl", "--output", tmp_path / "out")
    return [str(each) for each in ("--model", "m", "--count", 5, *files)]


def test_the_funnel_holds_every_reply(command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert interpolate.run(command) == 0
    [problem] = [json.loads(line) for line in (tmp_path / "out" / "problems.jsonl").read_text().splitlines()]
    assert problem["question"].startswith("A tank is filled")
    assert (problem["easy"][:4], problem["hard"]) == ("easy", "hard0")
    reasons = [json.loads(line)["reason"] for line in (tmp_path / "out" / "dropped.jsonl").read_text().splitlines()]
    assert reasons == [
        "copy: of the easy problem",
        "no problem: nothing stands between <problem> and </problem>",
        "cut off: the reply was not finished",
        "duplicate: of 000000",
    ]
    assert "5 replies = 1 problems + 4 dropped" in capsys.readouterr().out


def test_replies_that_are_there_are_not_asked_for_again(command: list[str], tmp_path: Path) -> None:
    interpolate.run(command)
    log = tmp_path / "out" / "replies.jsonl"
    before = log.read_bytes()
    interpolate.run(command)
    assert log.read_bytes() == before


def test_other_settings_are_refused(command: list[str]) -> None:
    interpolate.run(command)
    with pytest.raises(ConfigError, match=r"its rows have temperature = 1\.0, this run 0\.5; name another --output"):
        interpolate.run([*command, "--temperature", "0.5"])


def test_a_model_that_answers_nothing_is_an_error(command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpolate, "open_model", lambda _name: nullcontext(Refusing()))
    with pytest.raises(DataError, match="all 5 failed, the first so: no connection; mend that, then run the same command"):
        interpolate.run(command)
    assert len((tmp_path / "out" / "dropped.jsonl").read_text().splitlines()) == 5


def test_a_larger_count_begins_with_the_same_pairs() -> None:
    easy, hard = ([(f"{name}{number}", "") for number in range(50)] for name in "eh")
    few, many = (interpolate.draw_pairs(easy, hard, count, seed=1) for count in (10, 1000))
    assert list(many.items())[:10] == list(few.items())
    assert len(set(many.values())) > 700
