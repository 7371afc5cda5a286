"""What is looked for: the passages of benchmark items that tell a leaked item from ordinary text.

Decides: which texts of an item are passages (its question, alone or with its choices, and its solution when it is long), and
which are too short or too common to be told from ordinary text (then only a document that is nothing else is a copy).
Does not: search (``passage_index.py``).
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from data_tools.benchmarks import BenchmarkItem
from data_tools.decontamination.cover import LetterWeights
from data_tools.letters import canonical, letters_of

MIN_LETTERS = 6
"""Fewer letters cannot be found inside a text."""
MIN_WORDING_LETTERS = 24
"""A question without a digit or an operator must have so many: ``Which is the best buy?`` is a phrase that anyone may write."""
MIN_WORDING_WEIGHT = 160.0
"""And it must weigh so much (``cover.LetterWeights``): ``Which of the following is not true?`` weighs 135."""
MIN_SOLUTION_LETTERS = 120
"""A shorter solution (``The answer is 5.``) is no evidence of a leak."""
LONG_QUESTION_LETTERS = 64
"""A question that several items share has their choices added to it, unless it is longer than this."""

_CALCULATOR = re.compile(r"<<[^<>]*>>|####")
_SPECIFIC = re.compile(r"[0-9=^+*<>_\\]")

Kind = Literal["question", "solution"]


@dataclass(frozen=True, slots=True)
class Passage:
    """A text to look for. ``letters`` are its bytes by ``letters_of``, ``weights`` a number for each.

    ``alone`` means: only a document that is nothing else counts.
    """

    benchmark: str
    item: str
    kind: Kind
    text: str
    letters: bytes
    weights: NDArray[np.float32]
    alone: bool


def passages_of(items: Sequence[BenchmarkItem]) -> list[Passage]:
    """Return the passages of all items, in order."""
    texts = [(item, kind, canonical(text).strip()) for item, kind, text in _texts(items)]
    letters = [letters_of(text.encode("utf-8", "replace"))[0].tobytes() for _, _, text in texts]
    weights = LetterWeights(letters)
    passages = []
    for (item, kind, text), found in zip(texts, letters, strict=True):
        if len(found) >= (MIN_SOLUTION_LETTERS if kind == "solution" else 1):
            weight = weights.of(found)
            alone = kind == "question" and _is_ordinary(text, weight)
            passages.append(Passage(item.benchmark, item.id, kind, text, found, weight, alone))
    return passages


def _texts(items: Sequence[BenchmarkItem]) -> Iterator[tuple[BenchmarkItem, Kind, str]]:
    asked = Counter((item.question, item.benchmark) for item in items)
    for item in items:
        shared = asked[item.question, item.benchmark] > 1 and len(item.question) < LONG_QUESTION_LETTERS
        yield item, "question", f"{item.question} {item.choices}" if shared else item.question
        yield item, "solution", _CALCULATOR.sub(" ", item.solution)


def _is_ordinary(text: str, weights: NDArray[np.float32]) -> bool:
    """Say whether a question is so short, or so commonly worded, that it is found in texts that never saw the benchmark."""
    if _SPECIFIC.search(text):
        return len(weights) < MIN_LETTERS
    return len(weights) < MIN_WORDING_LETTERS or float(weights.sum()) < MIN_WORDING_WEIGHT
