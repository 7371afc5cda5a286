"""What `make demo` compares is fair: a right solution of either arm is judged right, a wrong one wrong.

The demo itself trains for minutes; its last stage fails where the claim does not hold.
"""

import random

import pytest

from data_tools.word_problems import conversation, draw
from megatron_mathcoder.evaluation.benchmarks import BENCHMARKS
from megatron_mathcoder.evaluation.graders import Graders


@pytest.mark.parametrize("with_code", [False, True])
def test_a_right_solution_is_judged_right_and_a_wrong_one_wrong_in_both_arms(with_code: bool) -> None:
    random_ = random.Random(1)
    with Graders() as graders:
        for _ in range(20):
            problem = draw(random_, new_numbers=True, new_template=True)
            last = conversation(problem, with_code=with_code)["messages"][1]["content"][-1]["content"]
            for gold, verdict in ((problem.answer, "right"), (problem.answer + 1, "wrong")):
                found = graders.grade(BENCHMARKS["word_problems"].grader, str(gold), last, "word_problems").verdict
                assert found.status == verdict, (last, gold, found)
