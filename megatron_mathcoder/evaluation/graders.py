"""The graders by name, and what each is given.

Decides: that a grader takes a gold answer, a model's text and the benchmark's name, and answers right, wrong or undecided with a
reason; which names there are. ``strict`` and ``lenient`` judge values; the others reproduce a published rule.
Does not: read files (``grade``) or know models.
"""

from collections.abc import Callable
from dataclasses import dataclass

from data_tools.answers.compare import LENIENT, STRICT, Policy, Verdict, compare
from data_tools.answers.extract import final_answer
from megatron_mathcoder.evaluation import mathcoder2_rule, mathcoder_rule, ocw_rule
from megatron_mathcoder.evaluation.math_verify import SymbolicLayer


@dataclass(frozen=True, slots=True)
class Graded:
    """A verdict, and the answer it is about (None where the grader's rule takes the whole text)."""

    verdict: Verdict
    answer: str | None


Judge = Callable[[str, str, str], Graded]


class Graders:
    """Graders by name; they share one sandbox for what only Math-Verify can read. Close it, or use it in ``with``."""

    NAMES = ("strict", "lenient", "mathcoder", "mathcoder2", "ocw", "ocw-published")

    def __init__(self, symbolic: SymbolicLayer | None = None) -> None:
        self._symbolic = symbolic or SymbolicLayer()
        self._judges: dict[str, Judge] = {
            "strict": lambda gold, text, benchmark: self._by_value(gold, text, final_answer, STRICT),
            "lenient": lambda gold, text, benchmark: self._by_value(gold, text, final_answer, LENIENT),
            "ocw": lambda gold, text, benchmark: self._by_value(gold, text, ocw_rule.stated_answer, ocw_rule.FIXED),
            "mathcoder": lambda gold, text, benchmark: _by_rule(
                mathcoder_rule.graded_right(gold, text, benchmark == "gsm8k"), mathcoder_rule.model_answer(text)
            ),
            "mathcoder2": _mathcoder2,
            "ocw-published": lambda gold, text, benchmark: _by_rule(ocw_rule.published_right(gold, text), None),
        }

    def grade(self, name: str, gold: str, text: str, benchmark: str = "") -> Graded:
        """Judge a model's text by a gold answer. ``benchmark`` names the rule's case where the published rule has several."""
        return self._judges[name](gold, text, benchmark)

    def _by_value(self, gold: str, text: str, find: Callable[[str], str | None], policy: Policy) -> Graded:
        answer = text if text.strip() == gold.strip() else find(text)
        if answer is None:
            return Graded(Verdict("wrong", "no final answer in the text"), None)
        verdict = compare(gold, answer, policy)
        if verdict.status == "undecided" and "read" in verdict.reason:
            verdict = self._symbolic.judge(gold, answer, verdict)
        return Graded(verdict, answer)

    def close(self) -> None:
        """End the sandbox, if one was started."""
        self._symbolic.close()

    def __enter__(self) -> "Graders":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _by_rule(right: bool, answer: str | None) -> Graded:
    return Graded(Verdict("right" if right else "wrong", "by the published rule"), answer)


def _mathcoder2(gold: str, text: str, benchmark: str) -> Graded:
    if benchmark == "ocw":
        return _by_rule(ocw_rule.published_right(gold, text), None)
    return _by_rule(mathcoder2_rule.graded_right(gold, text, benchmark), None)
