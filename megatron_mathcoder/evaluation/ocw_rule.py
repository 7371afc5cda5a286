"""OCW's metric, as published and as it was meant.

Decides: two rules. ``published_right`` keeps the published arithmetic, which can never accept a zero or a negative number (the
tolerance is multiplied by the signed mean), so that no score of that lineage exceeds 265 of 272. ``FIXED`` is one per cent of
the gold's size for numbers, and equality of value for equations and expressions.
Does not: evaluate text; the published code called ``eval`` on the answer.

Source: DeepSeek-Math ``evaluation/eval/ocwcourses_eval_utils.py`` as described in docs/evaluation.md, written anew.
"""

import math
import re

from data_tools.answers.compare import Policy, compare_values
from data_tools.answers.exact import exact
from data_tools.answers.expression import NoExpression
from data_tools.answers.extract import CLOSING, final_answer
from data_tools.answers.read import read_answer
from data_tools.answers.values import Quantity, Relation, Unreadable

FIXED = Policy(relative_tolerance=0.01)
RELATIVE, ABSOLUTE, MEAN_SHARE = 1e-5, 1e-8, 0.01

BEGINNING = "final answer is"


def stated_answer(text: str) -> str | None:
    """Return what stands between "final answer is" and "I hope it is correct", case and all, else the answer a text states.

    None where it states none.
    """
    *before, _ = text.split(CLOSING)
    found = [piece.partition(BEGINNING)[2] for piece in before if BEGINNING in piece]
    answer = found[-1].rstrip().removesuffix(".") if found else final_answer(text)
    return None if answer is None else answer.strip().removesuffix(".").strip()


def published_right(gold: str, text: str) -> bool:
    """Return the published verdict: by numbers where the gold is one, by equations, else by text."""
    answer = stated_answer(text)
    answer = text if answer is None else answer
    if _is_literal(gold):
        return _published_equal(float(gold), _float(answer))
    if "=" in gold:
        return _equations_equal(gold, answer)
    return _text(gold) == _text(answer)


def _is_literal(text: str) -> bool:
    """Say whether a gold is a number to the published rule: a literal. ``-1./3`` is compared as text."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        value = read_answer(text)
    number = exact(value.value if isinstance(value, Quantity) else value)
    try:
        return None if number is None else float(number)
    except (OverflowError, NoExpression):
        return None


def _published_equal(gold: float, answer: float | None) -> bool:
    """Numpy's ``isclose`` for numbers that differ; for numbers near each other or zero, the test that has a sign error."""
    if answer is None or not math.isfinite(answer):
        return False
    if abs(gold) <= ABSOLUTE or abs(answer) <= ABSOLUTE or abs(gold - answer) <= ABSOLUTE:
        return abs(gold - answer) < MEAN_SHARE * (gold + answer) / 2
    return abs(gold - answer) <= ABSOLUTE + RELATIVE * abs(answer)


def _equations_equal(gold: str, answer: str) -> bool:
    sides = read_answer(gold), read_answer(answer)
    if any(isinstance(side, Unreadable) for side in sides):
        return _text(gold) == _text(answer)
    return all(isinstance(side, Relation) for side in sides) and compare_values(*sides).status == "right"


def _text(text: str) -> str:
    return re.sub(r"\\(?:left|right|mathrm|text|,|;|!)|[\s${}]", "", text)
