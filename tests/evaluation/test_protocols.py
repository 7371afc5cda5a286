"""Prompts: their layout, and that every worked example is right and none is from a benchmark."""

from pathlib import Path

import pytest

from data_tools.answers.compare import compare
from data_tools.sandbox.sandbox import Sandbox
from megatron_mathcoder.evaluation.benchmarks import BENCHMARKS, Item, load_items
from megatron_mathcoder.evaluation.graders import Graders
from megatron_mathcoder.evaluation.protocols import PROTOCOLS
from megatron_mathcoder.evaluation.shots import SHOTS, Shot
from megatron_mathcoder.evaluation.statistics import mcnemar_exact, wilson
from tests.evaluation.test_benchmarks import FILES

ALL_SHOTS = [shot for family in SHOTS.values() for shot in family]


def test_every_shot_s_program_prints_its_answer() -> None:
    with Sandbox(workers=1) as sandbox:
        for shot in ALL_SHOTS:
            printed = sandbox.run(shot.program)
            assert printed.status == "ok", shot
            assert compare(shot.answer, printed.stdout).status == "right", shot


def test_every_shot_s_ending_is_graded_right() -> None:
    with Graders() as graders:
        for name, benchmark in BENCHMARKS.items():
            for shot in SHOTS[benchmark.shots]:
                text = PROTOCOLS["few-shot-cot"]._solution(name, shot)
                for grader in {"strict", benchmark.published} - {"mathcoder"}:
                    assert graders.grade(grader, shot.answer, text, name).verdict.status == "right", (name, shot)


def test_no_shot_is_from_a_benchmark(benchmark_files: Path) -> None:
    questions = {item.question for name, (file, _) in FILES.items() for item in load_items(name, str(benchmark_files / file))}
    together = "\n".join(questions)
    assert [shot for shot in ALL_SHOTS if shot.question.split("\n")[0] in together] == []


def prompt(protocol: str, benchmark: str, item: Item, shots: int = -1) -> str:
    return PROTOCOLS[protocol].prompt(benchmark, item, shots)


def test_the_layouts() -> None:
    item = Item("1", "What is 2 + 2?", "4")
    choice = Item("1", "What is 2 + 2?", "B", ("3", "4"))
    cot = prompt("few-shot-cot", "gsm8k", item)
    assert cot.startswith("Solve each problem step by step and state the answer.\n\nProblem:\nA baker fills")
    assert cot.count("Problem:\n") == 5
    assert cot.count("The answer is ") == 4
    assert cot.endswith("Problem:\nWhat is 2 + 2?\nSolution:\n")
    assert prompt("few-shot-cot", "gsm8k", item, 1).count("Problem:\n") == 2
    assert prompt("few-shot-cot", "sat", choice).endswith("What is 2 + 2?\n(A) 3 (B) 4\nSolution:\n")
    assert "The final answer is (C). I hope it is correct." in prompt("few-shot-cot", "mmlu_stem", choice)
    assert prompt("log-likelihood", "mmlu_math", choice) == "What is 2 + 2?\n(A) 3 (B) 4\nAnswer:"
    assert prompt("few-shot-pal", "math", item).count("```python\n") == 4
    assert prompt("few-shot-tir", "math", item).count("```output\n") == 4
    assert prompt("zero-shot-lce", "math", item) == "What is 2 + 2?"
    assert isinstance(SHOTS["word"][0], Shot)


@pytest.mark.parametrize(
    ("right", "total", "low", "high"),
    # From statsmodels.stats.proportion.proportion_confint(…, method="wilson").
    [(27, 32, 0.6824, 0.9313), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (49, 272, 0.1390, 0.2302)],
)
def test_wilson_intervals(right: int, total: int, low: float, high: float) -> None:
    assert wilson(right, total) == pytest.approx((low, high), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)


def test_mcnemar_s_exact_test() -> None:
    assert mcnemar_exact(0, 0) == 1.0
    assert mcnemar_exact(5, 5) == 1.0
    assert mcnemar_exact(0, 6) == pytest.approx(2 / 64)
    assert mcnemar_exact(1, 9) == pytest.approx(2 * 11 / 1024)
    assert mcnemar_exact(2, 3000) < 1e-200
