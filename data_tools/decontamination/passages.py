"""What is looked for: the passages of benchmark items that tell a leaked item from ordinary text.

Decides: which texts of an item are passages (its question, alone or with its choices, and its solution when it is long), and
which are too short or too common to be told from ordinary text (then only a document that is nothing else is a copy).
Does not: search (``passage_index.py``).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from data_tools.benchmarks import BenchmarkItem
from data_tools.canonical import canonical
from data_tools.decontamination.cover import LetterWeights, Wording
from data_tools.letters import letters_of, word_begins

MIN_LETTERS = 6
STRICT_LETTERS = 10
"""Below this many, no word may be changed, and operators count: ``2 + 2`` is not ``2 / 2``."""
MIN_STRICT_TOKENS = 6
"""A question of fewer letters is found by its numbers and operators, when there are so many: ``-6 + (25 + -7 - -6)``."""
MIN_WORDING_LETTERS = 24
"""A question without a digit or an operator must have so many to be found with words changed."""
MIN_RARE_LETTERS = 15.5
"""And so many letters' worth of rare wording (``cover.LetterWeights``): ``Which of the following is not true?`` has 13."""
MIN_SENTENCE_WORDS, MIN_SENTENCE_LETTERS = 3, 16
"""Below that, a wording is found to the letter and as a whole sentence, if it has so many: ``Which is the best buy?``, but not
``Neural networks:``."""
MIN_SOLUTION_LETTERS = 120
"""A shorter solution (``The answer is 5.``) is no evidence of a leak."""
LONG_QUESTION_LETTERS = 64
"""A shorter question is looked for with its choices too."""

_CALCULATOR = re.compile(r"<<[^<>]*>>|####")
_SPECIFIC = re.compile(r"[0-9=^+*<>_\\]")
_STOCK = re.compile(
    r"which( one)?( of (the following|these))?( statements?)? (is|are|is/are)( not| always| necessarily)?"
    r" (true|false|correct|incorrect)\W*",
    re.IGNORECASE,
)
"""Asked everywhere, about anything."""
_STRICT = re.compile(r"[^\W_]+|[+*/^=<>|%]")

Kind = Literal["question", "solution"]
Where = Literal["anywhere", "sentence", "alone"]


@dataclass(frozen=True, slots=True)
class Passage:
    """A text to look for. ``wording`` is its letters and words, ``weights`` a number for each letter.

    ``where`` it counts: anywhere; as a sentence to the letter; or only as all of a document.
    """

    benchmark: str
    item: str
    kind: Kind
    text: str
    wording: Wording
    weights: NDArray[np.float32]
    where: Where

    @property
    def letters(self) -> bytes:
        """The letters of ``text``, by ``letters_of``."""
        return self.wording.letters


def passages_of(items: Sequence[BenchmarkItem]) -> list[Passage]:
    """Return the passages of all items, in order."""
    texts = [(item, kind, canonical(text).strip()) for item, kind, text in _texts(items)]
    wordings = [_wording(text) for _, _, text in texts]
    weights = LetterWeights([wording.letters for wording in wordings])
    passages = []
    for (item, kind, text), wording in zip(texts, wordings, strict=True):
        if len(wording.letters) >= (MIN_SOLUTION_LETTERS if kind == "solution" else 1):
            weight = weights.of(wording.letters)
            where = _where(text, len(wording.words), weight) if kind == "question" else "anywhere"
            passages.append(Passage(item.benchmark, item.id, kind, text, wording, weight, where))
    return passages


def _wording(text: str) -> Wording:
    letters, places = letters_of(text.encode("utf-8", "replace"))
    return Wording(letters.tobytes(), word_begins(places))


def _texts(items: Sequence[BenchmarkItem]) -> Iterator[tuple[BenchmarkItem, Kind, str]]:
    for item in items:
        yield item, "question", item.question
        if item.choices and len(item.question) < LONG_QUESTION_LETTERS:
            yield item, "question", f"{item.question} {item.choices}"
        yield item, "solution", _CALCULATOR.sub(" ", item.solution)


def _where(text: str, words: int, weights: NDArray[np.float32]) -> Where:
    """Say where a question counts: one that is short or commonly worded is also found in texts that never saw the benchmark."""
    if _STOCK.fullmatch(text):
        return "alone"
    if _SPECIFIC.search(text):
        return "anywhere" if len(weights) >= MIN_LETTERS or len(strict_form(text)) >= MIN_STRICT_TOKENS else "alone"
    if len(weights) >= MIN_WORDING_LETTERS and float(weights.sum()) >= MIN_RARE_LETTERS:
        return "anywhere"
    return "sentence" if words >= MIN_SENTENCE_WORDS and len(weights) >= MIN_SENTENCE_LETTERS else "alone"


def strict_form(text: str) -> list[str]:
    """Return the words and operators of ``text`` from its first word to its last; minus signs and brackets get lost easily."""
    found = _STRICT.findall(text.lower())
    words = [index for index, token in enumerate(found) if token[0].isalnum()]
    return found[words[0] : words[-1] + 1] if words else []
