"""Whether an answer means what the gold answer means: right, wrong, or undecided with a reason.

Decides: the order of judgement (same text, exact number, structure as the gold has it, value of expressions) and what counts as
equal. The gold's kind rules: ``1,-2`` asks for two values in any order, ``[2, 3]`` for an ordered pair or an interval, ``(2, 3)``
for a point or an open interval. A policy says what rounding is accepted.
Does not: find answers in longer texts, or guess: what cannot be read is ``undecided``, and another layer may be asked.

The verdict is a function of the two texts and the policy alone. Source of the policies' meaning: the adjudicated pairs described
in docs/evaluation.md.
"""

import re
from collections.abc import Callable
from functools import partial

from data_tools.answers import evaluate
from data_tools.answers.equality import LENIENT, STRICT, Policy, Status, Verdict, compare_expressions, right_if, with_names_of
from data_tools.answers.evaluate import NoValue
from data_tools.answers.exact import exact
from data_tools.answers.expression import NoExpression, parse_expression
from data_tools.answers.read import read_answer
from data_tools.answers.structures import all_of, as_interval, compare_structures, matched
from data_tools.answers.surface import MAX_ANSWER_CHARACTERS, clean, words
from data_tools.answers.units import counted_in, scale_between
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
    spread_signs,
)

__all__ = ["LENIENT", "STRICT", "Policy", "Status", "Verdict", "compare", "compare_values"]

_BROKEN_OFF = re.compile(r".*[-+*/^_=<>]", re.S)
_LOOSE_BLANK = re.compile(r"(?<!\d) | (?!\d)")
_PARTED = re.compile(r"-?\d{1,3}(?: \d{3})+(?:\.\d+)?")
"""A number whose thousands are parted by blanks, unless it is a list."""
_NUMBERS = re.compile(r"\d+(?:[.,]\d+)*")
_MIXED_IN_WORDS = re.compile(r"(-?\d+) and (\d+/\d+|\\frac\s*\{\d+\}\s*\{\d+\})")


def compare(gold: str, answer: str, policy: Policy = STRICT) -> Verdict:
    """Judge ``answer`` by ``gold``, two bare answers in LaTeX, plain or Python spelling. Never raises; time is bounded."""
    surface = _surface(gold), _surface(answer)
    if not surface[1].strip(" =?"):
        return Verdict("wrong", "the answer is empty")
    if surface[0] and _joined(surface[0]) == _joined(surface[1]):
        return Verdict("right", "same text")
    if _BROKEN_OFF.fullmatch(surface[1]):
        return Verdict("wrong", "it breaks off at its end")
    left = read_answer(gold)
    right = _read_as(left, answer, surface[1])
    if isinstance(left, Sequence) and _PARTED.fullmatch(surface[0]) and not isinstance(right, Sequence):
        left = read_answer(surface[0].replace(" ", ""))
    if isinstance(left, Number) and isinstance(right, Unreadable) and len(_NUMBERS.findall(surface[1])) > 1:
        return Verdict("wrong", "several numbers where the gold is one")
    verdict = compare_values(left, right, policy)
    if verdict.status != "right" and words(surface[0]) and _joined(words(surface[0])) == _joined(words(surface[1])):
        return Verdict("right", "same words")
    return verdict


def _surface(text: str) -> str:
    """Return a text's cleaned surface; one that is too long to be read is compared as it is."""
    return clean(text) if len(text) <= MAX_ANSWER_CHARACTERS else text.strip()


def _joined(text: str) -> str:
    """Return the text without its blanks but those between digits: ``3 1/2`` is not 31/2."""
    return _LOOSE_BLANK.sub("", text)


def _read_as(gold: Value, answer: str, surface: str) -> Value:
    """Read an answer as its gold asks: a list has no thousands, one value may be mixed, letters behind a gold's are no units."""
    value = read_answer(answer)
    if isinstance(gold, Number | Quantity) and _PARTED.fullmatch(surface):
        return read_answer(surface.replace(" ", ""))
    if isinstance(gold, Sequence) and not isinstance(value, Sequence) and "," in answer:
        return read_answer(answer, thousands=False)
    if not isinstance(gold, Sequence) and (mixed := _MIXED_IN_WORDS.fullmatch(surface)):
        return read_answer(" ".join(mixed.groups()))
    if isinstance(value, Quantity) and isinstance(gold, Operation) and evaluate.symbols(gold):
        try:
            return parse_expression(surface)
        except NoExpression:
            return value
    return value


def compare_values(gold: Value, answer: Value, policy: Policy = STRICT) -> Verdict:
    """Judge two values that ``read_answer`` gave."""
    try:
        return _compare(gold, answer, policy)
    except NoValue as error:
        return Verdict("undecided", f"not computed: {error}")


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
        return compare_structures(gold, answer, partial(_compare, policy=policy))
    both = spread_signs(gold), spread_signs(answer)
    if max(map(len, both)) > 1:
        return matched(tuple(both[0]), tuple(both[1]), partial(_compare, policy=policy))
    return compare_expressions(gold, answer, policy)


def _compare_quantities(gold: Value, answer: Value, policy: Policy) -> Verdict:
    inner = [each.value if isinstance(each, Quantity) else each for each in (gold, answer)]
    counted = [counted_in(each.unit) if isinstance(each, Quantity) else 1 for each in (gold, answer)]
    if counted[0] != counted[1]:
        return _compare_counts(inner, counted, policy)
    if isinstance(gold, Quantity) and isinstance(answer, Quantity):
        scale = scale_between(answer.unit, gold.unit)
        if scale is None:
            return Verdict("wrong", f"{answer.unit} for {gold.unit}")
        number = exact(answer.value)
        if scale != 1 and number is not None:
            return _compare(gold.value, Number(number * scale), policy)
    return _compare(inner[0], inner[1], policy)


def _compare_counts(inner: list[Value], counted: list[int], policy: Policy) -> Verdict:
    """Judge ``2.5 million`` against a number without such a word: it is 2500000, and may be 2.5 where millions were asked for."""
    known = [exact(each) for each in inner]
    if known[0] is None or known[1] is None:
        return Verdict("wrong", "a count of thousands or dozens against another kind of value")
    verdict = _compare(Number(known[0] * counted[0]), Number(known[1] * counted[1]), policy)
    if verdict.status != "right" and known[0] == known[1]:
        return Verdict("undecided", "a count of thousands or dozens; the scale asked for is not known")
    return verdict


def _compare_choices(gold: Value, answer: Value, policy: Policy) -> Verdict:
    if isinstance(gold, Choice) and isinstance(answer, Choice):
        return right_if(gold.letter == answer.letter, "the same option")
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
    return right_if(bool(_letters(gold)) and _letters(gold) == _letters(answer), "the same words")


def _compare_based(gold: Value, answer: Value) -> Verdict:
    """A base that the answer leaves out is the gold's (the question named it); a base it adds must be right."""
    if isinstance(gold, Based) and isinstance(answer, Based):
        return right_if(
            (gold.digits.lstrip("0"), gold.base) == (answer.digits.lstrip("0"), answer.base), "the same digits and base"
        )
    if isinstance(gold, Based) and isinstance(answer, Number):
        whole = answer.value.denominator == 1
        return right_if(whole and gold.digits.lstrip("0") == str(answer.value.numerator), "the same digits")
    return Verdict("wrong", "a base the gold does not name")


def _compare_relations(gold: Value, answer: Value, policy: Policy) -> Verdict:
    if isinstance(gold, Relation) and isinstance(answer, Relation):
        return _compare_two_relations(gold, answer, policy)
    if isinstance(answer, Relation) and answer.operator == "=" and _is_name(answer.left):
        return _compare(gold, answer.right, policy)
    if isinstance(gold, Relation) and gold.operator == "=" and _is_name(gold.left):
        return _compare(gold.right, answer, policy)
    for relation, pair in ((answer, lambda side: (gold, side)), (gold, lambda side: (side, answer))):
        if isinstance(relation, Relation) and relation.operator == "=" and not _has_symbols(relation):
            return _compare_constant_equation(relation, pair, policy)
    intervals = [as_interval(each) if isinstance(each, Relation) else each for each in (gold, answer)]
    if all(isinstance(each, Sequence | Union) for each in intervals):
        return compare_structures(intervals[0], intervals[1], partial(_compare, policy=policy))
    return Verdict("wrong", "a relation against a value")


def _has_symbols(relation: Relation) -> bool:
    sides = relation.left, relation.right
    return not all(isinstance(side, Number | Operation) for side in sides) or any(map(evaluate.symbols, sides))


def _compare_constant_equation(relation: Relation, pair: Callable[[Value], tuple[Value, Value]], policy: Policy) -> Verdict:
    """Judge ``3 * 4 = 12`` or ``10/3 = 3.33``, which must hold: it states its right side, or its left where that is exact."""
    if _compare(relation.left, relation.right, LENIENT).status != "right":
        return Verdict("wrong", "an equation whose sides differ")
    verdict = _compare(*pair(relation.right), policy)
    return verdict if verdict.status == "right" else _compare(*pair(relation.left), policy)


def _is_name(value: Value) -> bool:
    """Say whether the left side of an equation only names the value: ``x``, ``f(x)``, ``A``, ``(x, y)``."""
    if isinstance(value, Operation) and value.name == "multiply" and len(value.arguments) == 2:
        return all(isinstance(argument, Symbol) for argument in value.arguments)
    if isinstance(value, Sequence):
        return value.brackets == "()" and all(isinstance(item, Symbol) for item in value.items)
    return isinstance(value, Symbol) or (isinstance(value, Choice) and value.value is None)


def _compare_two_relations(gold: Relation, answer: Relation, policy: Policy) -> Verdict:
    if gold.operator != answer.operator:
        return Verdict("wrong", f"{answer.operator} for {gold.operator}")
    if not all(isinstance(side, Number | Symbol | Operation) for side in (gold.left, gold.right, answer.left, answer.right)):
        sides = [_compare(g, a, policy) for g, a in ((gold.left, answer.left), (gold.right, answer.right))]
        return all_of(sides, "the same sides")
    if _is_name(gold.left) and _is_name(answer.left) and not evaluate.symbols(gold.right):
        same = gold.left == answer.left or _compare(gold.left, answer.left, policy).status == "right"
        return _compare(gold.right, answer.right, policy) if same else Verdict("wrong", "another variable")
    if [isinstance(each.left, Symbol) and each.left.name.endswith(")") for each in (gold, answer)] in (
        [True, False],
        [False, True],
    ):
        return _compare(gold.right, answer.right, policy)
    first, second = (Operation("add", (each.left, Operation("negative", (each.right,)))) for each in (gold, answer))
    if not evaluate.symbols(first) or not evaluate.symbols(second):
        return right_if(not evaluate.symbols(first) and not evaluate.symbols(second) and gold == answer, "the same relation")
    renamed = with_names_of(first, second)
    return right_if(evaluate.proportional(first, renamed, gold.operator in ("<", "<=")), "the same relation up to a factor")
