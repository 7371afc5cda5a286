"""The graders by name: gold answers against themselves, published rules with their known defects, the last layer."""

import json
import time
from pathlib import Path

import pytest

from data_tools.answers.compare import Verdict
from data_tools.sandbox.outcome import Outcome
from megatron_mathcoder.config.errors import PlatformError
from megatron_mathcoder.evaluation import ocw_rule
from megatron_mathcoder.evaluation.graders import Graders
from megatron_mathcoder.evaluation.math_verify import SymbolicLayer, equal
from megatron_mathcoder.evaluation.mathcoder2_rule import math_text

UNDECIDED = Verdict("undecided", "the answer cannot be read: x")


@pytest.fixture
def graders():
    with Graders() as each:
        yield each


def ocw(benchmark_files: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (benchmark_files / "ocw.jsonl").read_text().splitlines()]


def test_the_published_ocw_rule_rejects_seven_of_its_own_golds_and_the_fixed_one_none(
    benchmark_files: Path, graders: Graders
) -> None:
    rows = ocw(benchmark_files)
    published = [row["id"] for row in rows if not ocw_rule.published_right(row["answer"], row["answer"])]
    assert published == ["45", "51", "68", "69", "79", "91", "98"]
    stated = "The final answer is ${}$. I hope it is correct."
    for form in ("{}", stated):
        fixed = [graders.grade("ocw", row["answer"], form.format(row["answer"])).verdict.status for row in rows]
        assert set(fixed) == {"right"}


@pytest.mark.parametrize(
    ("gold", "answer", "published", "fixed"),
    [("-5", "-5", False, "right"), ("0", "0", False, "right"), ("1.6", "1.61", False, "right"), ("1.6", "1.7", False, "wrong"),
     ("1e-9", "3e-9", False, "wrong"), ("10", "10.00001", True, "right"), ("5", "5 \\mathrm{~cm}", True, "right")],
)  # fmt: skip
def test_the_two_ocw_rules_differ_where_they_should(
    graders: Graders, gold: str, answer: str, published: bool, fixed: str
) -> None:
    assert ocw_rule.published_right(gold, answer) is published
    assert graders.grade("ocw", gold, answer).verdict.status == fixed


def test_a_text_that_states_nothing_is_wrong_by_every_grader_of_ocw(graders: Graders) -> None:
    text = ">>> from sympy.physics import x\n>>> from sympy import y"
    for name in ("ocw", "ocw-published", "strict"):
        assert graders.grade(name, "1.6", text).verdict.status == "wrong"


@pytest.mark.parametrize(
    ("gold", "text", "benchmark", "right"),
    [
        ("18", "She makes 9 * 2 = 18.\nThe answer is 18.", "gsm8k", True),
        ("1234", "The answer is 1,234 dollars, not 5.", "gsm8k", True),
        ("18", "so 12 and then 18", "gsm8k", True),
        ("18", "18.00 it is. The answer is 18.0", "gsm8k", True),
        ("18", "The answer is 17 or 18", "gsm8k", False),
        ("18", "The answer is 18\n\nProblem: next\nThe answer is 5", "gsm8k", True),
        ("\\frac{1}{2}", "The answer is 0.5.", "", True),
        ("\\frac{1}{4}", "The answer is 0.25.", "", False),
        ("\\frac12", "hence $\\boxed{\\dfrac{1}{2}}$", "", True),
        ("x=5", "The answer is 5", "", True),
        ("B", "The final answer is (B).", "sat", True),
        ("B", "so the final answer is a bit unclear but B", "sat", False),
        ("D", "\\boxed{D}", "mmlu_stem", False),
        ("-10", "The final answer is -10. I hope it is correct.", "ocw", False),
        ("5", "The answer is " + "1" * 5000, "gsm8k", False),
        ("5", "The answer is " + "1" * 400 + ".5", "gsm8k", False),
    ],
)
def test_mathcoder2_is_graded_by_strings_as_published(
    graders: Graders, gold: str, text: str, benchmark: str, right: bool
) -> None:
    assert graders.grade("mathcoder2", gold, text, benchmark).verdict.status == ("right" if right else "wrong")


def test_mathcoder2_s_clean_up_leaves_golds_equal_to_themselves() -> None:
    assert math_text("3\\dfrac12") == "3\\frac{1}{2}"
    assert math_text("5\\text{ cm}") == "5"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("First \\boxed{1}.\nSo \\boxed{2} and \\boxed{3}.", "2, 3"),
        ("work\n#### 1,234", "1,234"),
        ("The final answer is $-2$. I hope it is correct.", "-2"),
        ("Therefore the answer is 3.5 dollars. Good.", "3.5 dollars"),
        ("18", "18"),
        ("She makes \\( 18 \\) dollars every day.", "18"),
        ("We have 3 apples and 4 pears.", None),
        ("Let me try again.\n\nDan is $1 short.", None),
        ("Traceback (most recent call last)\n3", None),
        ("", None),
    ],
)
def test_the_answer_a_text_states_is_found_and_no_other(graders: Graders, text: str, answer: str | None) -> None:
    assert graders.grade("strict", "1", text).answer == answer


HOSTILE = {
    "open math": "\\(" * 10_000, "boxes": "\\boxed{" * 3000,
    "sum": "1+" * 10_000, "dollars": "$" * 20_000, "digits": "9" * 20_000,
    "numbers": "12 " * 6600, "phrase": "The answer is " + "x" * 19_900, "phrases": "final answer is " * 1300,
    "roots": "\\sqrt" * 4000,
    "powers": "9^" * 10_000 + "9", "lines": "a\n" * 10_000, "letters": "abc " * 5000, "brackets": "(" * 20_000,
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_20_kb_answer_costs_no_grader_a_cpu_second(graders: Graders, name: str) -> None:
    for grader in Graders.NAMES:
        begin = time.thread_time()
        for benchmark in ("gsm8k", "math"):
            assert graders.grade(grader, "12345", HOSTILE[name], benchmark).verdict.status != "right"
        assert time.thread_time() - begin < 2


@pytest.mark.parametrize("name", ["strict", "lenient"])
def test_no_adjudicated_pair_is_accepted_wrongly_when_its_answer_must_be_found_first(
    shared_data: Path, graders: Graders, name: str
) -> None:
    right = {"T": True, "F": False, "M": False, "R": name == "lenient"}
    rows = [json.loads(line) for line in (shared_data / "adjudicated_answer_pairs.jsonl").read_text().splitlines()]
    judged = [
        (graders.grade(name, row["gold"], row["completion"]).verdict.status == "right", right[row["label"]])
        for row in rows
        if row["label"] != "A"
    ]
    assert (True, False) not in judged
    assert sum(seen == meant for seen, meant in judged) / len(judged) >= 0.99


def test_what_our_reader_has_no_form_for_is_asked_of_math_verify_in_the_sandbox(graders: Graders) -> None:
    assert graders.grade("strict", r"y^{\prime}+2y=0", r"2y+y^{\prime}=0").verdict == Verdict("right", "by Math-Verify")
    assert graders.grade("strict", r"\int_0^1 x dx", r"\frac{1}{3}").verdict.status == "wrong"


def test_math_verify_alone_is_not_trusted_with_what_it_gets_wrong(graders: Graders) -> None:
    assert equal("128", r"128\text{ children and }150\text{ adults}") is True
    assert graders.grade("strict", "128", r"128\text{ children and }150\text{ adults}").verdict.status == "wrong"


class NoTime:
    """A sandbox in which every call runs out of CPU time."""

    def call(self, target: str, *arguments: str) -> Outcome:
        return Outcome(status="cpu", error="over its budget")

    def close(self) -> None: ...


def test_a_failure_of_the_last_layer_is_undecided_with_its_reason() -> None:
    layer = SymbolicLayer(NoTime)  # type: ignore[arg-type]
    verdict = layer.judge("x'", "y'", UNDECIDED)
    assert verdict == Verdict("undecided", "the answer cannot be read: x; Math-Verify: cpu over its budget")
    assert layer.judge("1" * 700, "2", UNDECIDED) is UNDECIDED


def test_where_no_sandbox_can_start_the_rest_is_graded_all_the_same() -> None:
    def start() -> None:
        raise PlatformError("the sandbox's wall landlock is down")

    with Graders(SymbolicLayer(start)) as graders:  # type: ignore[arg-type]
        assert graders.grade("strict", "1/2", "0.5").verdict.status == "right"
        verdict = graders.grade("strict", r"y^{\prime}+2y=0", r"2y+y^{\prime}=0").verdict
    assert (verdict.status, "Math-Verify is not asked: the sandbox's wall landlock is down" in verdict.reason) == (
        "undecided",
        True,
    )
