"""Whether what a program printed is the result that was stated: verified, refuted, or unverifiable with a reason.

Decides: what is compared with what (the stated result, or what stands behind its last equals sign, with the last line printed,
or with all lines as one list), the tolerance for printed floats, and that a verdict must mean something: the program computes
what it prints, prints the same in a second run with another order of sets, and another result would not have passed.
Does not: read or compare values (``data_tools.answers`` does), run code, or decide what is kept.

MathCoder2's rule drops a pair only when the code failed, or both texts are short numbers that differ by more than 0.01; it
keeps ``$2$`` against 3, ``12 cm`` against 99, and anything against no output.
"""

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

from data_tools.answers.compare import LENIENT, compare
from data_tools.answers.evaluate import NoValue, agree, symbols
from data_tools.answers.read import read_answer
from data_tools.answers.tokens import FUNCTIONS
from data_tools.answers.values import Choice, Number, Operation, Symbol, Text, Unreadable, Value
from data_tools.sandbox.outcome import Outcome
from data_tools.translate.computes import computes, echoes
from data_tools.translate.forms import MAX_LINES, shown_forms, stated_forms, whole_forms

Word = Literal["verified", "refuted", "unverifiable"]

RELATIVE = 1e-7
"""Relative difference that a printed float may have: rounding errors of double arithmetic, not of a result."""
ABSOLUTE = 1e-9
"""A printed float below it stands for zero."""
EXACT = replace(LENIENT, percent_is_fraction=True)
FLOATING = replace(EXACT, relative_tolerance=RELATIVE)

FLOAT = re.compile(r"\d\.\d*[1-9]|\d[eE][-+]?\d")
CALLED = re.compile(r"\b([A-Za-z_]{3,}\w*)\(")
KNOWN_CALLS = FUNCTIONS.keys() | {"Matrix", "ImmutableMatrix", "array", "FiniteSet", "Interval", "Union", "Point", "frozenset"}
NO_VALUES = ("nan", "zoo", "None")
POSITIVE = "positive=True"
NUMBER = re.compile(r"\d+(?:\.\d+)?")
LONG_DIGITS = 1000


@dataclass(frozen=True, slots=True)
class Verification:
    """A verdict and its reason: a fixed kind, then optionally ``: `` and what was seen."""

    verdict: Word
    reason: str


def verify(result: str, code: str, first: Outcome, second: Outcome | None = None) -> Verification:
    """Judge a stated ``result`` by what its ``code`` printed in one or two runs."""
    if first.status != "ok":
        return Verification("unverifiable", f"did not run: {first.status}")
    positive = POSITIVE in code
    found = judge(result, first.output, positive)
    if found.verdict != "unverifiable" and echoes(code, first.output):
        return Verification("unverifiable", "prints its own expression")
    if found.verdict != "verified":
        return found
    if not computes(code):
        return Verification("unverifiable", "prints a literal")
    if second is not None and (second.status != "ok" or not _same_output(first.output, second.output)):
        return Verification("unverifiable", "two runs differ")
    if all(judge(other, first.output, positive).verdict == "verified" for other in others(result)):
        return Verification("unverifiable", "another result would pass too")
    return found


def judge(result: str, output: str, positive: bool = False) -> Verification:
    """Judge a stated result by a printed text alone. ``positive``: its symbols are declared to be positive."""
    lines = [line.strip() for line in output.strip().splitlines() if line.strip()]
    stated, approximate = stated_forms(result)
    if not lines:
        return Verification("unverifiable", "nothing was printed")
    if not any(stated):
        return Verification("unverifiable", "no result was stated")
    if _any_right(stated, whole_forms(output, lines), approximate):
        return Verification("verified", "")
    last = shown_forms(lines[-1])
    if _any_right(stated, last, approximate):
        return Verification("verified", "")
    if any(_any_right(stated, shown_forms(line), approximate) for line in lines[-MAX_LINES:-1]):
        return Verification("unverifiable", "an earlier line agrees and the last one does not")
    if _equal_where_positive(stated[-1], last[-1]):
        return Verification("verified", "") if positive else Verification("unverifiable", "equal for positive values alone")
    return _disagreement(stated[-1], last[-1])


def _equal_where_positive(stated: str, shown: str) -> bool:
    r"""Say whether two expressions agree for positive symbols: ``\log x + \log y`` and ``log(x*y)`` do nowhere else."""
    left, right = read_answer(stated), read_answer(shown)
    if not all(isinstance(side, Operation | Symbol) for side in (left, right)) or not symbols(left):
        return False
    try:
        return agree(_with_positive_symbols(left), _with_positive_symbols(right))
    except NoValue:
        return False


def _with_positive_symbols(value: Value) -> Value:
    if isinstance(value, Symbol):
        return Operation("abs", (value,))
    if isinstance(value, Operation):
        return Operation(value.name, tuple(map(_with_positive_symbols, value.arguments)))
    return value


def _disagreement(stated: str, shown: str) -> Verification:
    """Tell what is refuted from what cannot be judged: words, and what has no form here."""
    if shown in NO_VALUES and stated not in NO_VALUES:
        return Verification("unverifiable", "the program found no value")
    if {stated, shown} == {"True", "False"}:
        return Verification("refuted", "the output differs: the other truth value")
    for side, text in (("stated", stated), ("printed", shown)):
        if isinstance(read_answer(text), Text | Choice | Unreadable):
            return Verification("unverifiable", f"the {side} result is not a value that can be read")
    if unknown := [name for name in CALLED.findall(shown) if name not in KNOWN_CALLS]:
        return Verification("unverifiable", f"the output has a function that is not computed here: {unknown[0]}")
    verdict = compare(stated, shown, EXACT)
    refuted = verdict.status == "wrong" and "words" not in verdict.reason
    return Verification("refuted" if refuted else "unverifiable", f"the output differs: {verdict.reason}")


def _any_right(stated: list[str], shown: list[str], approximate: bool) -> bool:
    return any(_right(left, right, approximate) for left in stated for right in shown)


def _right(stated: str, shown: str, approximate: bool) -> bool:
    is_float = bool(FLOAT.search(shown))
    if compare(stated, shown, FLOATING if is_float else EXACT).status == "right":
        return True
    if not (is_float or approximate):
        return False
    left, right = read_answer(stated), read_answer(shown)
    if not isinstance(left, Number) or not isinstance(right, Number):
        return False
    distance = abs(left.value - right.value)
    # "About 33" for 33.3: right to the last digit that is stated.
    return distance <= (left.quantum or Fraction(1)) / 2 if approximate else left.value == 0 and distance <= Fraction(ABSOLUTE)


def others(result: str) -> list[str]:
    """Return results with one number changed, the last and the first: of the two at least one means something else."""
    numbers = list(NUMBER.finditer(result))
    changed = []
    for match in (numbers[-1], numbers[0]) if numbers else ():
        whole, point, digits = match[0].partition(".")
        # Of a very long number its end is enough, and Python writes no longer ones.
        begin, end = whole[:-LONG_DIGITS], whole[-LONG_DIGITS:]
        changed.append(f"{result[: match.start()]}{begin}{int(end) + 1}{point}{digits}{result[match.end() :]}")
    return changed or ["7919"]


def _same_output(first: str, second: str) -> bool:
    """Say whether two runs printed the same; a set may come in another order when each line means the same."""
    if first == second:
        return True
    lines = first.strip().splitlines(), second.strip().splitlines()
    if len(lines[0]) != len(lines[1]):
        return False
    return all(a == b or _any_right(shown_forms(a)[-1:], shown_forms(b)[-1:], False) for a, b in zip(*lines, strict=True))
