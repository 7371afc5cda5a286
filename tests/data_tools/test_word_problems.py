"""The demo's problems are right, held out, and the same in both arms."""

import json
import re
from pathlib import Path

import pytest

from data_tools.lce import read_messages
from data_tools.word_problems import is_held_out, run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("problems")
    assert run(["--output", str(folder), "--training", "300", "--held-out", "50"]) == 0
    return folder


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_code_and_steps_come_to_the_answer(folder: Path) -> None:
    for cot, lce in zip(rows(folder / "cot.jsonl"), rows(folder / "lce.jsonl"), strict=True):
        (asked, steps), (same, solution) = (read_messages(row["messages"]) for row in (cot, lce))
        assert asked == same
        code, execution, answer = solution.blocks
        assert str(eval(code.content.removeprefix("print"))) == execution.content == answer.content  # our own templates
        words = steps.blocks[0].content
        assert words.endswith(f" {answer.content}")
        for left, right in re.findall(r"(\d+ [-+*] \d+) = (\d+)", words):
            assert eval(left) == int(right)


def test_no_number_and_no_new_wording_is_in_training(folder: Path) -> None:
    training = " ".join(row["text"].split("?")[0] for row in rows(folder / "text.jsonl"))
    held_out = rows(folder / "held_out.jsonl")
    assert not [number for number in map(int, re.findall(r"\d+", training)) if is_held_out(number)]
    assert all(is_held_out(int(number)) for row in held_out for number in re.findall(r"\d+", row["question"]))
    plain = [" ".join(re.sub(r"\d+", " ", row["question"]).split()) for row in held_out]
    kinds = [row["id"].split("-")[0] for row in held_out]
    assert kinds == ["numbers"] * 50 + ["wordings"] * 50
    phrases = ("packs of", "and gives", "old and")
    assert all(any(phrase in question for phrase in phrases) for question in plain[50:])


def test_a_seed_gives_the_same_problems(folder: Path, tmp_path: Path) -> None:
    run(["--output", str(tmp_path), "--training", "300", "--held-out", "50"])
    assert (tmp_path / "held_out.jsonl").read_bytes() == (folder / "held_out.jsonl").read_bytes()
