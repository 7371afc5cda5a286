"""How a question is put to a model: the named protocols.

Decides: the prompt's layout, the shots, where writing stops, how much may be written, and whether code is run. The layout of the
few-shot protocols is that of MathCoder2's evaluation: a line on the task, ``Problem:``/``Solution:`` pairs, then the question;
greedy, 2,048
new tokens for GSM8K and MATH, 1,024 elsewhere; MMLU-Math is asked by log-likelihood of the letters, without shots.
Does not: decode or judge. The shots are our own, so scores are comparable among our runs, and near published ones at best.
"""

from dataclasses import dataclass

from megatron_mathcoder.evaluation.benchmarks import BENCHMARKS, LETTERS, Item
from megatron_mathcoder.evaluation.shots import SHOTS, Shot
from megatron_mathcoder.inference.tool_format import Fences, Lce, ToolFormat

LONG = frozenset(["gsm8k", "math"])
STOPS = ("Problem:", "####")
"""A stop string is also looked for in the solution itself: a proof that says "Problem:" ends there, as it did upstream."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """``style`` is what a shot shows: its reasoning, a program, both, or nothing. ``rounds`` of writing and running; 0 runs
    nothing."""

    name: str
    style: str
    shots: int
    instruction: str
    stops: tuple[str, ...]
    rounds: int
    format: ToolFormat

    def prompt(self, benchmark: str, item: Item, shots: int = -1) -> str:
        """Return the text the model is to go on from. ``shots``: how many examples, -1 for the protocol's own number."""
        family = SHOTS[BENCHMARKS[benchmark].shots]
        count = self.shots if shots < 0 else min(shots, len(family))
        question = with_options(item)
        if self.style == "blocks":
            return question
        if self.style == "letter":
            return f"{question}\nAnswer:"
        examples = "".join(
            f"Problem:\n{shot.question}\nSolution:\n{self._solution(benchmark, shot)}\n\n" for shot in family[:count]
        )
        return f"{self.instruction}\n\n{examples}Problem:\n{question}\nSolution:\n"

    def _solution(self, benchmark: str, shot: Shot) -> str:
        code = f"```python\n{shot.program}\n```"
        if self.style == "program":
            return code
        ending = _ending(benchmark, shot.answer)
        if self.style == "both":
            return f"{shot.reasoning.split('. ')[0].rstrip('.')}. We compute it.\n{code}\n```output\n{shot.answer}\n```\n{ending}"
        return f"{shot.reasoning}\n{ending}"

    def max_tokens(self, benchmark: str) -> int:
        """Return the new tokens a model may write in one round."""
        return 2048 if benchmark in LONG else 1024


def with_options(item: Item) -> str:
    """Return the question with its lettered options."""
    if not item.choices:
        return item.question
    options = " ".join(f"({letter}) {choice}" for letter, choice in zip(LETTERS, item.choices, strict=False))
    return f"{item.question}\n{options}"


def _ending(benchmark: str, answer: str) -> str:
    if BENCHMARKS[benchmark].shots == "choice":
        return f"Final Answer: The final answer is ({answer}). I hope it is correct."
    if benchmark == "ocw":
        return f"Final Answer: The final answer is ${answer}$. I hope it is correct."
    return f"The answer is {answer}." if BENCHMARKS[benchmark].shots == "word" else f"The answer is ${answer}$."


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol("few-shot-cot", "reasoning", 4, "Solve each problem step by step and state the answer.", STOPS, 0, Fences()),
        Protocol("few-shot-pal", "program", 4, "Write a Python program that prints the answer.", STOPS, 1, Fences()),
        Protocol("few-shot-tir", "both", 4, "Solve each problem with reasoning and Python code.", STOPS, 4, Fences()),
        Protocol("zero-shot-lce", "blocks", 0, "", (), 32, Lce()),
        Protocol("log-likelihood", "letter", 0, "", (), 0, Fences()),
    )
}
