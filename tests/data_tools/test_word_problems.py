"""The demo's problems are right, held out, and the same in both arms."""

import json
import re
from pathlib import Path

import pytest

from data_tools.lce import Message, read_messages
from data_tools.sandbox.outcome import Limits
from data_tools.sandbox.sandbox import Sandbox
from data_tools.word_problems import KINDS, NAMES, THINGS, is_held_out, run

TRAINING, HELD_OUT = 3000, 60
TESTS = ("new_numbers", "new_templates")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("problems")
    assert run(["--output", str(folder), "--training", str(TRAINING), "--held-out", str(HELD_OUT)]) == 0
    return folder


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def pairs(folder: Path) -> list[tuple[tuple[Message, ...], tuple[Message, ...]]]:
    cot, lce = (rows(folder / f"{arm}.jsonl") for arm in ("cot", "lce"))
    return [(read_messages(a["messages"]), read_messages(b["messages"])) for a, b in zip(cot, lce, strict=True)]


def numbers_in(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", text)]


def template(question: str) -> str:
    """Return a question with the same name, thing and number in place of its own; what it asks in the end is no part of it."""
    words = re.sub("|".join(NAMES), "NAME", re.sub("|".join(THINGS), "THING", question))
    return re.sub(r"\d+", "#", words).rpartition(" How many ")[0]


def test_both_arms_solve_the_same_problems_and_come_to_the_exact_answer(folder: Path) -> None:
    for (asked, words), (same, solution) in pairs(folder):
        assert asked == same
        code, execution, answer = solution.blocks
        assert [block.type for block in solution.blocks] == ["code", "execution", "text"]
        *lines, printed = code.content.splitlines()
        known = {name: int(value) for name, value in (line.split(" = ") for line in lines)}
        assert str(eval(printed.removeprefix("print(").removesuffix(")"), {}, known)) == execution.content  # our own words
        assert answer.content == f"The answer is {execution.content}."
        assert words.blocks[0].content.endswith(f" {answer.content}")
        assert numbers_in(asked.blocks[0].content) == list(known.values())


def test_every_step_in_words_is_right_and_takes_its_numbers_from_the_problem(folder: Path) -> None:
    for (asked, words), _ in pairs(folder):
        facts, _, steps = words.blocks[0].content.partition(". ")
        assert numbers_in(facts) == numbers_in(asked.blocks[0].content)
        found = re.findall(r"(\d+ [-+*] \d+) = (-?\d+)", steps)
        assert len(found) == 2
        assert all(eval(left) == int(right) for left, right in found)
        assert steps.endswith(f" = {found[1][1]}. The answer is {found[1][1]}.")


def test_the_programs_run_in_the_sandbox_to_the_right_answer(folder: Path) -> None:
    solutions = [lce[1].blocks for _, lce in pairs(folder)[: 5 * len(KINDS)]]
    with Sandbox(Limits(cpu_seconds=5.0), workers=1, preload=()) as sandbox:
        printed = [sandbox.run(code.content).stdout.strip() for code, _, _ in solutions]
    assert printed == [execution.content for _, execution, _ in solutions]


def test_what_comes_first_in_training_holds_no_result(folder: Path) -> None:
    for row in rows(folder / "text.jsonl"):
        question, _, rest = row["text"].partition("?")
        assert numbers_in(rest) == numbers_in(question)


def test_no_held_out_number_or_template_is_in_training(folder: Path) -> None:
    questions = [cot[0].blocks[0].content for cot, _ in pairs(folder)]
    trained = {template(question) for question in questions}
    assert not [number for question in questions for number in numbers_in(question) if is_held_out(number)]
    new_numbers, new_templates = ([row["question"] for row in rows(folder / f"{name}.jsonl")] for name in TESTS)
    assert all(is_held_out(number) for question in new_numbers + new_templates for number in numbers_in(question))
    assert {template(question) for question in new_numbers} <= trained
    assert not {template(question) for question in new_templates} & trained
    assert len(new_numbers) == len(new_templates) == HELD_OUT


def test_every_sentence_of_a_new_template_is_in_training(folder: Path) -> None:
    def sentences(template: str) -> set[str]:
        return set(re.split(r"(?<=\.) ", template))

    trained = {each for cot, _ in pairs(folder) for each in sentences(template(cot[0].blocks[0].content))}
    assert all(sentences(template(row["question"])) <= trained for row in rows(folder / "new_templates.jsonl"))


def test_a_word_names_one_number(folder: Path) -> None:
    for row in rows(folder / "new_templates.jsonl"):
        words = re.findall(r"(\w+) \d", row["question"])
        assert len(words) == len(set(words)) == 3


def test_a_seed_gives_the_same_problems(folder: Path, tmp_path: Path) -> None:
    run(["--output", str(tmp_path), "--training", str(TRAINING), "--held-out", str(HELD_OUT)])
    for name in ("cot", *TESTS):
        assert (tmp_path / f"{name}.jsonl").read_bytes() == (folder / f"{name}.jsonl").read_bytes()
