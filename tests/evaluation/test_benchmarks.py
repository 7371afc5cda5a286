"""The ten benchmarks' files, and that every gold answer is right by itself under every value grader."""

import json
from pathlib import Path

import pytest

from data_tools.answers.compare import compare_values
from data_tools.answers.read import read_answer
from data_tools.answers.values import Unreadable
from megatron_mathcoder.config.errors import DataError
from megatron_mathcoder.evaluation.benchmarks import BENCHMARKS, Item, load_items
from megatron_mathcoder.evaluation.graders import Graders

FILES = {
    "gsm8k": ("gsm8k_test.jsonl", 1319), "math": ("math_test.jsonl", 5000), "sat": ("sat_math.jsonl", 32),
    "ocw": ("ocw.jsonl", 272),
    "mmlu_math": ("mmlu_stem.jsonl", 964), "svamp": ("svamp.json", 1000), "simuleq": ("simuleq.json", 514),
    "mathematics": ("deepmind_mathematics.json", 1000), "mmlu_stem": ("mmlu_stem.jsonl", 3018),
    "olympiadbench": ("olympiadbench_questions.jsonl", 675),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_every_item_is_read_and_its_gold_is_right_by_itself(benchmark_files: Path, name: str) -> None:
    file, count = FILES[name]
    items = load_items(name, str(benchmark_files / file))
    assert len(items) == count
    assert len({item.id for item in items}) == count
    assert all(item.question.strip() and item.gold.strip() for item in items)
    with Graders() as graders:
        for grader in {"strict", "lenient", BENCHMARKS[name].grader}:
            stated = "The final answer is ({}). I hope it is correct." if items[0].choices else "\\boxed{{{}}}"
            graded = [graders.grade(grader, item.gold, stated.format(item.gold), name) for item in items]
            assert [g for g in graded if g.verdict.status != "right"] == []


@pytest.mark.parametrize("name", [name for name in FILES if BENCHMARKS[name].shots != "choice"])
def test_golds_are_right_by_value_and_not_only_as_the_same_text(benchmark_files: Path, name: str) -> None:
    values = [read_answer(item.gold) for item in load_items(name, str(benchmark_files / FILES[name][0]))]
    typed = [value for value in values if not isinstance(value, Unreadable)]
    assert [value for value in typed if compare_values(value, value).status != "right"] == []
    assert len(typed) / len(values) > 0.97


def test_no_gold_of_olympiadbench_ends_early_in_dollar_signs(benchmark_files: Path) -> None:
    items = load_items("olympiadbench", str(benchmark_files / FILES["olympiadbench"][0]))
    stated = "The final answer is ${}$. I hope it is correct."
    with Graders() as graders:
        graded = {item.id: graders.grade("strict", item.gold, stated.format(item.gold)).verdict for item in items}
    assert {name: verdict for name, verdict in graded.items() if verdict.status != "right"} == {}


def test_options_are_taken_apart(benchmark_files: Path) -> None:
    first = load_items("sat", str(benchmark_files / "sat_math.jsonl"), limit=1)[0]
    assert first.choices == ("$f(-6)=0$", "$f(6)=-6$", "$f(-6)=6$", "$f(0)=-6$")
    assert first.gold == "A"


def test_other_published_forms_are_read(tmp_path: Path) -> None:
    post = {
        "id": "test/1",
        "messages": [
            {"role": "system", "content": [{"type": "text", "content": "Below is a math problem."}]},
            {"role": "user", "content": [{"type": "text", "content": "What is 1+1?"}]},
        ],
        "ground_truth": {"solution": "", "answer": 2.0},
    }
    (tmp_path / "post.jsonl").write_text(json.dumps(post))
    assert load_items("svamp", str(tmp_path / "post.jsonl")) == [Item("test/1", "What is 1+1?", "2")]
    tree = tmp_path / "MATH/algebra"
    tree.mkdir(parents=True)
    (tree / "1.json").write_text(json.dumps({"problem": "P", "solution": "so $\\boxed{\\frac12}$"}))
    assert load_items("math", str(tmp_path / "MATH")) == [Item("algebra/1.json", "P", "\\frac12")]
    (tmp_path / "mmlu.json").write_text(json.dumps([{"question": "Q", "choices": ["a", "b"], "answer": 1}]))
    assert load_items("mmlu_stem", str(tmp_path / "mmlu.json")) == [Item("0", "Q", "B", ("a", "b"))]


@pytest.mark.parametrize(
    ("name", "row", "message"),
    [
        ("gsm8k", {"question": "Q"}, "item 0 has no gold answer of GSM8K among question; name another file"),
        ("gsm8k", {"text": "Q"}, "item 0 has no question of GSM8K among text"),
        ("sat", {"question": "Q", "options": "A) 1", "Answer": "A"}, "item 0 has 1 choices and the answer A"),
        ("mmlu_math", {"question": "Q", "topic": "anatomy"}, "no item of mmlu_math in it"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, name: str, row: dict[str, str], message: str) -> None:
    (tmp_path / "f.jsonl").write_text(json.dumps(row))
    with pytest.raises(DataError, match=message):
        load_items(name, str(tmp_path / "f.jsonl"))
    with pytest.raises(DataError, match=r"gone\.jsonl: no such file"):
        load_items(name, str(tmp_path / "gone.jsonl"))
