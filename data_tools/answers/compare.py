"""Whether an answer means what the gold answer means: right, wrong, or undecided with a reason.

Decides: the order of judgement (same text, exact number, structure as the gold has it, value of expressions) and what counts as
equal. The gold's kind rules: ``1,-2`` asks for two values in any order, ``[2, 3]`` for an ordered pair or an interval, ``(2, 3)``
for a point or an open interval. A policy says what rounding is accepted.
Does not: find answers in longer texts, or guess: what cannot be read is ``undecided``, and another layer may be asked.

The verdict is a function of the two texts and the policy alone. Source of the policies' meaning: the adjudicated pairs described
in docs/evaluation.md.
"""

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from data_tools.answers import evaluate
from data_tools.answers.evaluate import NoValue
from data_tools.answers.read import read_answer, spread_signs
from data_tools.answers.surface import clean, words
from data_tools.answers.units import scale_between
from data_tools.answers.values import (
    Based,
    Choice,
    Matrix,
    Number,
    Operation,
    Quantity,
    Relation,
    Sequence,
    Symbol,
    Text,
    Union,
    Unreadable,
    Value,
)

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


def compare(gold: str, answer: str, policy: Policy = STRICT) -> Verdict:
    """Judge ``answer`` by ``gold``, two bare answers in LaTeX, plain or Python spelling. Never raises; time is bounded."""
    surface = clean(gold), clean(answer)
    if not surface[1].strip(" =?"):
        return Verdict("wrong", "the answer is empty")
    if re.fullmatch(r"[A-Za-z]\w*(?:\(\w*\))?\s*=", surface[1]):
        return Verdict("wrong", "nothing stands behind the equals sign")
    if surface[0] and surface[0].replace(" ", "") == surface[1].replace(" ", ""):
        return Verdict("right", "same text")
    left, right = read_answer(gold), read_answer(answer)
    if isinstance(left, Sequence) and not isinstance(right, Sequence) and "," in answer:
        right = read_answer(answer, thousands=False)
    if isinstance(left, Number) and isinstance(right, Unreadable) and len(re.findall(r"\d[\d.,]*", surface[1])) > 1:
        return Verdict("wrong", "several numbers where the gold is one")
    verdict = compare_values(left, right, policy)
    if verdict.status != "right" and surface[0] and words(surface[0]).replace(" ", "") == words(surface[1]).replace(" ", ""):
        return Verdict("right", "same words")
    return verdict


def compare_values(gold: Value, answer: Value, policy: Policy = STRICT) -> Verdict:
    """Judge two values that ``read_answer`` gave."""
    try:
        return _compare(gold, answer, policy)
    except NoValue as error:
        return Verdict("undecided", f"not computed: {error}")


def _right_if(equal: bool, how: str) -> Verdict:
    return Verdict("right" if equal else "wrong", how if equal else f"not {how}")


def _compare(gold: Value, answer: Value, policy: Policy) -> Verdict:
    if gold == answer and not isinstance(gold, Unreadable):
        return Verdict("right", "same value")
    if isinstance(gold, Unreadable):
        return Verdict("undecided", f"the gold cannot be read: {gold.reason}")
    if isinstance(answer, Unreadable):
        return Verdict("undecided", f"the answer cannot be read: {answer.reason}")
    if isinstance(gold, Quantity) or isinstance(answer, Quantity):
        return _compare_quantities(gold, answer, policy)
    if isinstance(gold, Choice) or isinstance(answer, Choice):
        return _compare_choices(gold, answer, policy)
    if isinstance(gold, Text) or isinstance(answer, Text):
        return _compare_texts(gold, answer)
    if isinstance(gold, Based) or isinstance(answer, Based):
        return _compare_based(gold, answer)
    if isinstance(gold, Relation) or isinstance(answer, Relation):
        return _compare_relations(gold, answer, policy)
    if isinstance(gold, Sequence | Union | Matrix) or isinstance(answer, Sequence | Union | Matrix):
        return _compare_structures(gold, answer, policy)
    return _compare_expressions(gold, answer, policy)


def _compare_quantities(gold: Value, answer: Value, policy: Policy) -> Verdict:
    if isinstance(gold, Quantity) and isinstance(answer, Quantity):
        scale = scale_between(answer.unit, gold.unit)
        if scale is None:
            return Verdict("wrong", f"{answer.unit} for {gold.unit}")
        if scale != 1:
            number = evaluate.exact(answer.value)
            return _compare(gold.value, Number(number * scale) if number is not None else answer.value, policy)
    inner = [each.value if isinstance(each, Quantity) else each for each in (gold, answer)]
    return _compare(inner[0], inner[1], policy)


def _compare_choices(gold: Value, answer: Value, policy: Policy) -> Verdict:
    if isinstance(gold, Choice) and isinstance(answer, Choice):
        return _right_if(gold.letter == answer.letter, "the same option")
    option, other = (gold, answer) if isinstance(gold, Choice) else (answer, gold)
    assert isinstance(option, Choice)
    if isinstance(other, Symbol | Text | Operation) and _letters(other) == option.letter.casefold():
        return Verdict("right", "the same letter")
    if option.value is not None:
        pair = (option.value, other) if option is gold else (other, option.value)
        return _compare(*pair, policy)
    return Verdict("wrong", "an option's letter against a value")


def _letters(value: Value) -> str:
    if isinstance(value, Text):
        return value.words.replace(" ", "")
    if isinstance(value, Operation):
        return value.name.casefold() if not value.arguments else ""
    return value.name.casefold() if isinstance(value, Symbol) else ""


def _compare_texts(gold: Value, answer: Value) -> Verdict:
    if isinstance(gold, Sequence) or isinstance(answer, Sequence):
        return Verdict("wrong", "words against several values")
    return _right_if(bool(_letters(gold)) and _letters(gold) == _letters(answer), "the same words")


def _compare_based(gold: Value, answer: Value) -> Verdict:
    """A base that the answer leaves out is the gold's (the question named it); a base it adds must be right."""
    if isinstance(gold, Based) and isinstance(answer, Based):
        return _right_if(
            (gold.digits.lstrip("0"), gold.base) == (answer.digits.lstrip("0"), answer.base), "the same digits and base"
        )
    if isinstance(gold, Based) and isinstance(answer, Number):
        whole = answer.value.denominator == 1
        return _right_if(whole and gold.digits.lstrip("0") == str(answer.value.numerator), "the same digits")
    return Verdict("wrong", "a base the gold does not name")


def _compare_relations(gold: Value, answer: Value, policy: Policy) -> Verdict:
    if isinstance(gold, Relation) and isinstance(answer, Relation):
        return _compare_two_relations(gold, answer, policy)
    if isinstance(answer, Relation) and answer.operator == "=" and _is_name(answer.left):
        return _compare(gold, answer.right, policy)
    if isinstance(gold, Relation) and gold.operator == "=" and _is_name(gold.left):
        return _compare(gold.right, answer, policy)
    intervals = [_as_interval(each) if isinstance(each, Relation) else each for each in (gold, answer)]
    if all(isinstance(each, Sequence | Union) for each in intervals):
        return _compare_structures(intervals[0], intervals[1], policy)
    return Verdict("wrong", "a relation against a value")


def _is_name(value: Value) -> bool:
    """Say whether the left side of an equation only names the value: ``x``, ``f(x)``, ``P(A)``."""
    if isinstance(value, Operation) and value.name == "multiply" and len(value.arguments) == 2:
        return all(isinstance(argument, Symbol) for argument in value.arguments)
    return isinstance(value, Symbol)


def _compare_two_relations(gold: Relation, answer: Relation, policy: Policy) -> Verdict:
    if gold.operator != answer.operator:
        return Verdict("wrong", f"{answer.operator} for {gold.operator}")
    if not all(isinstance(side, Number | Symbol | Operation) for side in (gold.left, gold.right, answer.left, answer.right)):
        sides = [_compare(g, a, policy) for g, a in ((gold.left, answer.left), (gold.right, answer.right))]
        return _all_of(sides, "the same sides")
    if _is_name(gold.left) and _is_name(answer.left) and not evaluate.symbols(gold.right):
        same = _compare(gold.left, answer.left, policy).status == "right"
        return _compare(gold.right, answer.right, policy) if same else Verdict("wrong", "another variable")
    first, second = (Operation("add", (each.left, Operation("negative", (each.right,)))) for each in (gold, answer))
    if not evaluate.symbols(first) or not evaluate.symbols(second):
        return _right_if(not evaluate.symbols(first) and not evaluate.symbols(second) and gold == answer, "the same relation")
    renamed = _with_names_of(first, second)
    return _right_if(evaluate.proportional(first, renamed, gold.operator in ("<", "<=")), "the same relation up to a factor")


def _as_interval(relation: Relation) -> Value:
    """Return ``x < 3`` as the interval of its variable, or the relation itself."""
    infinity = Operation("infinity")
    closed = relation.operator == "<="
    if relation.operator in ("<", "<=") and isinstance(relation.left, Symbol) and not evaluate.symbols(relation.right):
        return Sequence("(]" if closed else "()", (Operation("negative", (infinity,)), relation.right))
    if relation.operator in ("<", "<=") and isinstance(relation.right, Symbol) and not evaluate.symbols(relation.left):
        return Sequence("[)" if closed else "()", (relation.left, infinity))
    return relation


def _compare_structures(gold: Value, answer: Value, policy: Policy) -> Verdict:
    if isinstance(gold, Matrix) or isinstance(answer, Matrix):
        return _compare_matrices(gold, answer, policy)
    if isinstance(gold, Union) or isinstance(answer, Union):
        if isinstance(gold, Union) and isinstance(answer, Union):
            return _matched(gold.items, answer.items, policy)
        return Verdict("wrong", "one is a union, the other not")
    if isinstance(gold, Sequence) and isinstance(answer, Sequence):
        return _compare_sequences(gold, answer, policy)
    if isinstance(gold, Sequence):
        if len(gold.items) == 1:
            return _compare(gold.items[0], answer, policy)
        if len(spread := spread_signs(answer)) == len(gold.items):
            return _matched(gold.items, tuple(spread), policy)
        return Verdict("wrong", f"one value for {len(gold.items)}")
    assert isinstance(answer, Sequence)
    if len(answer.items) == 1 and answer.brackets in ("[]", "{}", ""):
        return _compare(gold, answer.items[0], policy)
    if len(spread := spread_signs(gold)) == 2:
        return _matched(tuple(spread), answer.items, policy)
    return Verdict("wrong", f"{len(answer.items)} values for one")


def _compare_sequences(gold: Sequence, answer: Sequence, policy: Policy) -> Verdict:
    half_open = ("(]", "[)")
    if gold.brackets in half_open or answer.brackets in half_open or {gold.brackets, answer.brackets} == {"()", "[]"}:
        if gold.brackets != answer.brackets:
            return Verdict("wrong", f"{answer.brackets} for {gold.brackets}")
    elif gold.brackets == "{}" or (gold.brackets == "" and not gold.spaced):
        return _matched(gold.items, answer.items, policy)
    elif answer.brackets == "{}":
        return Verdict("wrong", "a set for an ordered pair or list")
    return _in_order(gold.items, answer.items, policy)


def _compare_matrices(gold: Value, answer: Value, policy: Policy) -> Verdict:
    cells = [_cells(each) for each in (gold, answer)]
    if cells[0] is None or cells[1] is None or cells[0][0] != cells[1][0]:
        return Verdict("wrong", "not a matrix of the same shape")
    return _in_order(cells[0][1], cells[1][1], policy)


def _cells(value: Value) -> tuple[tuple[int, int], tuple[Value, ...]] | None:
    """Return the shape and the cells of a matrix; a tuple or list is a column, as coordinates are written both ways."""
    if isinstance(value, Matrix):
        return (len(value.rows), len(value.rows[0])), tuple(cell for row in value.rows for cell in row)
    if isinstance(value, Sequence) and value.brackets in ("()", "[]") and value.items:
        return (len(value.items), 1), value.items
    return None


def _in_order(gold: tuple[Value, ...], answer: tuple[Value, ...], policy: Policy) -> Verdict:
    if len(gold) != len(answer):
        return Verdict("wrong", f"{len(answer)} values for {len(gold)}")
    return _all_of([_compare(g, a, policy) for g, a in zip(gold, answer, strict=True)], "the same values in order")


def _matched(gold: tuple[Value, ...], answer: tuple[Value, ...], policy: Policy) -> Verdict:
    """Match two lists in any order, each value once; values that repeat within one list count once."""
    left = list(answer)
    undecided = None
    for each in gold:
        verdicts = [_compare(each, other, policy) for other in left]
        found = next((i for i, verdict in enumerate(verdicts) if verdict.status == "right"), None)
        if found is not None:
            del left[found]
            continue
        undecided = undecided or next((verdict for verdict in verdicts if verdict.status == "undecided"), None)
        if undecided is None and not (len(answer) < len(gold) and _repeats(each, gold, policy)):
            return Verdict("wrong", "a value is missing")
    left = [each for each in left if not any(_compare(g, each, policy).status == "right" for g in gold)]
    return undecided or _right_if(not left, "the same values")


def _repeats(value: Value, values: tuple[Value, ...], policy: Policy) -> bool:
    return sum(_compare(value, other, policy).status == "right" for other in values) > 1


def _all_of(verdicts: list[Verdict], how: str) -> Verdict:
    for status in ("wrong", "undecided"):
        if found := next((verdict for verdict in verdicts if verdict.status == status), None):
            return found
    return Verdict("right", how)


def _compare_expressions(gold: Value, answer: Value, policy: Policy) -> Verdict:
    both = spread_signs(gold), spread_signs(answer)
    if max(map(len, both)) > 1:
        return _matched(tuple(both[0]), tuple(both[1]), policy)
    percents = _has_percent(gold), _has_percent(answer)
    if percents[0] != percents[1]:
        return _compare_percent(gold, answer, policy)
    left, right = evaluate.exact(gold), evaluate.exact(answer)
    if left is not None and right is not None:
        if left == right:
            return Verdict("right", "equal numbers")
        return _right_if(_rounds(gold, answer, left, right, policy), "equal numbers")
    answer = _with_names_of(gold, answer)
    if evaluate.agree(gold, answer):
        return Verdict("right", "equal expressions")
    if evaluate.symbols(gold) or evaluate.symbols(answer):
        return Verdict("wrong", "not equal expressions")
    return _right_if(_rounds_numerically(gold, answer, policy), "equal expressions")


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
    verdict = _compare_expressions(bare[0], bare[1], policy)
    if verdict.status == "right":
        return verdict
    left, right = evaluate.exact(gold), evaluate.exact(answer)
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
        return policy.gold_digits and bool(distance <= min(float(gold_quantum) / 2, float(abs(left)) * float(COARSEST)))
    if quantum is None or not policy.rounded_answers:
        return False
    return _significant(evaluate.exact(answer) or Fraction(0), quantum) >= ROUNDED_DIGITS and distance * 2 <= float(quantum) * (
        1 + 1e-12
    )


def _is_rounding(distance: Fraction, answer: Fraction, quantum: Fraction) -> bool:
    return _significant(answer, quantum) >= ROUNDED_DIGITS and distance <= quantum / 2


def _quantum(value: Value) -> Fraction | None:
    """Return the unit of the last decimal place a number was written to, also under a sign or a percent."""
    if isinstance(value, Operation) and value.name in ("negative", "percent"):
        return _quantum(value.arguments[0])
    return value.quantum if isinstance(value, Number) else None


def _significant(value: Fraction, quantum: Fraction) -> int:
    digits = abs(value) / quantum
    return int(math.log10(digits)) + 1 if digits >= 1 else 0


def _with_names_of(gold: Value, answer: Value) -> Value:
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
