"""MathCoder's rule, defects included, against the verdicts and answers it recorded."""

import gzip
import json
from pathlib import Path

import pytest

from megatron_mathcoder.evaluation.mathcoder_rule import graded_right, is_equal, model_answer
from tests.evaluation.conftest import RECORDED_FILES

KNOWN = {("77.4", "b")}
"""A right verdict here that was recorded wrong: an earlier item of that run had left a value behind for ``b``."""


@pytest.mark.parametrize("name", RECORDED_FILES)
def test_every_recorded_verdict_of_a_file_is_reproduced(recorded: Path, name: str) -> None:
    right = "-correct" in name
    differing = []
    with gzip.open(recorded / name, "rt") as stream:
        for row in map(json.loads, stream):
            gold = str(row["ground_truth"]["answer"])
            if graded_right(gold, row["completion"], gsm8k="GSM8K" in name) != right:
                differing.append((gold, model_answer(row["completion"])))
    assert set(differing) <= KNOWN


def test_every_recorded_model_answer_is_reproduced(recorded: Path) -> None:
    wrong_files = [name for name in RECORDED_FILES if "-wrong" in name and "GSM8K" not in name]
    for name in wrong_files:
        with gzip.open(recorded / name, "rt") as stream:
            rows = [json.loads(line) for line in stream]
        assert [model_answer(row["completion"]) for row in rows] == [row["model_answer"] for row in rows]


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("12", "12.003"),  # 0.01, absolute
        ("15.62", "15.63"),  # and it is subtracted exactly at last
        (r"\frac{1}{108}", r"\frac{1}{432}"),
        ("12345", "b"),  # the function's own variable
        (r"\frac{11+9a}{20}", "1"),
        ("(1,\\frac{9}{2})", "(1.0,4.5)"),
        ("664_7", "664"),  # a parse ignores what it cannot use
        ("52*f", "52f"),
        ("0", "-9>0"),
        ("1/30", "1:30"),
        ("2", "\\sqrt{4}"),
        ("6", "3!"),
        ("1,2", "[1,2]"),
        ("6.28", "\\tau"),  # the function's module had imported all of math
    ],
)
def test_what_the_rule_accepts(gold: str, answer: str) -> None:
    assert is_equal(gold, answer)


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("-48*g", "-48g"),  # unevaluated trees of another shape
        ("-13x+3", "3-13x"),
        ("12345", "a"),
        ("5", ""),
        ("1,-2", "-2,1"),
        ("(1,2)", "[1,2]"),
        ("1", "\\ln2"),  # printed with an E that Python does not know
        ("5", "|-5|"),
        ("6{hours}", "6"),
        ("1", "1e5"),
        (r"\frac12", "0.5000"),  # \frac needs braces
        ("2", "1^" + "9" * 5000),
        ("2", "9!!!!"),
        ("2", "\\binom{999999999}{499999999}"),
    ],
)
def test_what_the_rule_rejects(gold: str, answer: str) -> None:
    assert not is_equal(gold, answer)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("x^2+1", "x+1"),
        ("The answer is \\boxed{18 dollars}.", "18dollars"),
        ("So x = 5", "5"),
        ("12\\text{ cm}^2", "12"),
        ("\\boxed{.25}", "0.25"),
        ("0.5", "\\frac{1}{2}"),
        ("3/4", "\\frac{3}{4}"),
        ("\\sqrt2", "\\sqrt{2}"),
        ("48{grams}", "48"),
    ],
)
def test_the_answer_it_takes(text: str, answer: str) -> None:
    assert model_answer(text) == answer
