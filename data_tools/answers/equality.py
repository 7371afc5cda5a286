"""Whether two expressions have the same value under a policy, and what a verdict is.

Decides: exact fractions are compared exactly, other values by their digits (``evaluate``); what rounding a policy accepts; that a
percent sign is a unit. ``compare`` asks for this when both sides are numbers or expressions.
Does not: know structure: lists, intervals, relations, units.

Source of the policies' meaning: the adjudicated pairs described in docs/evaluation.md.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from data_tools.answers import evaluate
from data_tools.answers.evaluate import NoValue
from data_tools.answers.exact import exact
from data_tools.answers.values import Number, Operation, Symbol, Value

Status = Literal["right", "wrong", "undecided"]

FLOAT_DIGITS = 15
"""A decimal with as many significant digits is a printed double; it stands for the exact number nearby."""

COARSEST = Fraction(1, 10)
"""However few digits a decimal gold has, an answer this share away from it is another number: -2/13 is not -0.2."""

ROUNDED_DIGITS = 2
"""Significant digits that a rounded answer must show to be taken for the exact gold under ``rounded_answers``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What counts as equal beyond equality.

    ``gold_digits``: an answer that rounds to a decimal gold is right. ``rounded_answers``: a correctly rounded decimal of an
    exact gold is right too. ``percent_is_fraction``: ``50%`` is also 0.5, beside the 50 it always is. ``relative_tolerance``:
    numbers this close are equal (0 = exact).
    """

    gold_digits: bool = True
    rounded_answers: bool = False
    percent_is_fraction: bool = False
    relative_tolerance: float = 0.0


STRICT = Policy()
LENIENT = Policy(rounded_answers=True)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judgement and its one-line reason."""

    status: Status
    reason: str


def right_if(equal: bool, how: str) -> Verdict:
    """Return right when they are equal, else wrong, and in which sense."""
    return Verdict("right" if equal else "wrong", how if equal else f"not {how}")


def compare_expressions(gold: Value, answer: Value, policy: Policy) -> Verdict:
    """Judge two numbers or expressions. Raises NoValue: one of them cannot be computed."""
    percents = _has_percent(gold), _has_percent(answer)
    if percents[0] != percents[1]:
        return _compare_percent(gold, answer, policy)
    left, right = exact(gold), exact(answer)
    if left is not None and right is not None:
        if left == right:
            return Verdict("right", "equal numbers")
        return right_if(_rounds(gold, answer, left, right, policy), "equal numbers")
    answer = with_names_of(gold, answer)
    if evaluate.agree(gold, answer):
        return Verdict("right", "equal expressions")
    if evaluate.symbols(gold) or evaluate.symbols(answer):
        return Verdict("wrong", "not equal expressions")
    return right_if(_rounds_numerically(gold, answer, policy), "equal expressions")


def _has_percent(value: Value) -> bool:
    if isinstance(value, Operation) and value.name == "negative":
        return _has_percent(value.arguments[0])
    return isinstance(value, Operation) and value.name == "percent"


def _compare_percent(gold: Value, answer: Value, policy: Policy) -> Verdict:
    """Judge a percentage against a plain number: the sign is a unit (the question asked for percent), so 50% is 50.

    That 0.5 is 50% too is true of the value, but a question asks for one of the two: without the policy's word it is undecided.
    """
    hundredfold = [
        Operation("multiply", (Number(Fraction(100)), each)) if _has_percent(each) else each for each in (gold, answer)
    ]
    bare = [each.arguments[0] if isinstance(each, Operation) and each.name == "percent" else plain
            for each, plain in zip((gold, answer), hundredfold, strict=True)]  # fmt: skip
    verdict = compare_expressions(bare[0], bare[1], policy)
    if verdict.status == "right":
        return verdict
    left, right = exact(gold), exact(answer)
    if left is not None and left == right:
        if policy.percent_is_fraction:
            return Verdict("right", "a percentage and its fraction")
        return Verdict("undecided", "a percentage against the fraction it stands for; the scale asked for is not known")
    return verdict


def _rounds(gold: Value, answer: Value, left: Fraction, right: Fraction, policy: Policy) -> bool:
    distance = abs(left - right)
    if policy.relative_tolerance and distance <= Fraction(policy.relative_tolerance) * abs(left):
        return True
    gold_quantum, quantum = _quantum(gold), _quantum(answer)
    if left and quantum and _significant(right, quantum) >= FLOAT_DIGITS and distance <= 4 * abs(left) / 2**53:
        return gold_quantum is not None or left.denominator == 1 or policy.rounded_answers
    if left == 0 or right == 0:
        return False
    finer = quantum is None or gold_quantum is None or quantum <= gold_quantum
    if policy.gold_digits and gold_quantum is not None and finer and distance <= min(gold_quantum / 2, abs(left) * COARSEST):
        return right.denominator != 1
    exact_gold = left.denominator != 1 and (gold_quantum is None or (quantum is not None and quantum > gold_quantum))
    return policy.rounded_answers and exact_gold and quantum is not None and _is_rounding(distance, right, quantum)


def _rounds_numerically(gold: Value, answer: Value, policy: Policy) -> bool:
    """As ``_rounds`` where one side is irrational: a decimal gold to its digits, or a decimal answer to its own."""
    try:
        left, right = evaluate.compare_reals(gold, answer)
    except NoValue:
        return False
    distance = abs(left - right)
    if policy.relative_tolerance and distance <= policy.relative_tolerance * abs(left):
        return True
    gold_quantum, quantum = _quantum(gold), _quantum(answer)
    if gold_quantum is not None:
        accepted = min(evaluate.as_real(gold_quantum) / 2, abs(left) * evaluate.as_real(COARSEST))
        return policy.gold_digits and bool(distance <= accepted)
    if quantum is None or not policy.rounded_answers:
        return False
    digits = _significant(exact(answer) or Fraction(0), quantum)
    return digits >= ROUNDED_DIGITS and bool(distance * 2 <= evaluate.as_real(quantum) * (1 + 1e-12))


def _is_rounding(distance: Fraction, answer: Fraction, quantum: Fraction) -> bool:
    return _significant(answer, quantum) >= ROUNDED_DIGITS and distance <= quantum / 2


def _quantum(value: Value) -> Fraction | None:
    """Return the unit of the last decimal place a number was written to, also under a sign or a percent."""
    if isinstance(value, Operation) and value.name in ("negative", "percent"):
        return _quantum(value.arguments[0])
    return value.quantum if isinstance(value, Number) else None


def _significant(value: Fraction, quantum: Fraction) -> int:
    digits = int(abs(value) / quantum)
    return len(str(digits)) if digits else 0


def with_names_of(gold: Value, answer: Value) -> Value:
    """Return the answer with its variables spelled in the gold's case where that is the only difference between the names."""
    names, theirs = evaluate.symbols(gold), evaluate.symbols(answer)
    folded = {name.casefold(): name for name in names}
    if names == theirs or len(folded) != len(names) or len({name.casefold() for name in theirs}) != len(theirs):
        return answer
    return _renamed(answer, {name: folded[name.casefold()] for name in theirs if name.casefold() in folded})


def _renamed(value: Value, names: dict[str, str]) -> Value:
    if isinstance(value, Symbol):
        return Symbol(names.get(value.name, value.name))
    if isinstance(value, Operation):
        return Operation(value.name, tuple(_renamed(argument, names) for argument in value.arguments))
    return value
