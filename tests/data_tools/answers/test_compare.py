"""Which answers mean the same, and which do not however alike they look."""

import itertools
import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from data_tools.answers.compare import LENIENT, STRICT, Policy, compare, compare_values
from data_tools.answers.extract import final_answer
from data_tools.answers.read import read_answer
from data_tools.answers.surface import MAX_ANSWER_CHARACTERS, boxed
from data_tools.answers.values import Unreadable
from tests.data_tools.answers.answer_pairs import OTHER, SAME, UNDECIDED

EQUAL = [
    (r"\frac{1}{2004!}", "1/2004!"),
    ("[2,3]", "2,3"),
    ("2600", "2600{g}"),
    ("77", "€77"),
    (r"\text{Tuesday}", "Tuesday"),
    ("50", r"50\%"),
    (r"50\%", "50"),
    ("18", "18 dollars"),
    ("18", "$18.00"),
    ("18", "The answer is 18."),
    ("1,234", "1234"),
    ("1,234", "1234.0"),
    ("90{,}900{,}909", "90,900,909"),
    (r"11,\! 111,\! 111,\! 100", "11111111100"),
    (r"\frac{1}{2}", "0.5"),
    (r"\frac12", "1/2"),
    ("x^2+1", "1+x**2"),
    (r"\sin^2 x+\cos^2 x", "1"),
    (r"\sqrt{2}/2", r"\frac{1}{\sqrt{2}}"),
    (r"\left[0,\infty\right)", "[0, oo)"),
    (r"\left[0,\infty\right)", "Interval.Ropen(0, oo)"),
    (r"\begin{pmatrix} 1/5 \\ -3/5 \end{pmatrix}", "Matrix([[1/5], [-3/5]])"),
    (r"\begin{pmatrix} 0 & -15 \\ -2 & -4 \end{pmatrix}", "[[0, -15], [-2, -4]]"),
    (r"\{1\pm\sqrt{5},-2\}", "{1+sqrt(5), 1-sqrt(5), -2}"),
    ("x=9", "9"),
    ("9", "x = 9"),
    ("5x - 7y + 11z + 4 = 0", "-10x+14y-22z-8=0"),
    ("y=2x+3", "2x - y + 3 = 0"),
    (r"x \le 5", r"(-\infty,5]"),
    (r"-2 < x \le 7", "(-2,7]"),
    (r"(5,\infty)", "x>5"),
    (r"3\frac{1}{2}", "7/2"),
    ("1 1/2", "1.5"),
    ("-12+15i", "15*I - 12"),
    (r"\log_2 8", "3"),
    (r"6.02\times 10^{23}", "6.02e23"),
    (r"30^\circ", "30 degrees"),
    ("25 ft", "300 inches"),
    (r"\text{(E)}", "E"),
    ("A", "(A) 12"),
    ("0.3", "(b) 0.3"),
    ("4,6,14,15", "15, 4, 6, and 14"),
    (r"19 \text{ and }43", "43, 19"),
    (r"7, -2, \text{ and } -5", "-2, -5, 7"),
    ("152A_{11}", "152a_{11}"),
    ("664_7", "664"),
    (r"8\sqrt{3}", "8*sqrt(3)"),
    ("0.3", "0.30000000000000004"),
    ("4", "3.9999999999999996"),
    (r"0.\overline{3}", "1/3"),
    (r"\binom{5}{2}", "10"),
    (r"3 \pm 2\sqrt{2}", r"3+2\sqrt2, 3-2\sqrt2"),
    ("e^{2}", "exp(2)"),
    ("a^2", "A^2"),
    (r"[-3,-2] \cup [0,1]", "Union(Interval(-3, -2), Interval(0, 1))"),
    (r"12\text{ cm}^2", "12"),
    ("6 4 0", "[6,4,0]"),
    (r"\text{C,E}", "E, C"),
    ("9.22", r"\boxed{9.2195}"),
]
DIFFERENT = [
    ("1/2004!", "1/2006!"),
    ("1/2^{99}", "1/2^{98}"),
    ("1-1/e", "1+1/e"),
    ("3x-y+13=0", "3x+4y+14=0"),
    ("20x+23y+26z-69=0", "0"),
    ("128", "128 children and 150 adults"),
    ("12345", "b"),
    ("12345", "a"),
    (r"\frac{11+9a}{20}", "1"),
    ("45.0", "{(b)}"),
    ("5", "x="),
    ("5", ""),
    ("2^3", "2"),
    ("x^2+1", "x+1"),
    ("0.005", "0.001"),
    ("0.048", "0.0"),
    ("0.0", "0.0018"),
    (r"\frac{1}{12}", r"\frac{1}{13}"),
    ("117649", "117650"),
    ("(1,2)", "[1,2]"),
    ("[0,1)", "[0,1]"),
    ("25 ft", "25 cm"),
    ("12", "12.003"),
    ("50", "5000"),
    ("62", "0.62"),
    ("-5", "5"),
    ("x>3", "x<3"),
    (r"\text{M}", r"\text{N}"),
    ("2", "2,-5"),
    ("1,2", "1,2,3"),
    ("(1,2)", "(2,1)"),
    ("6 4 0", "0,4,6"),
    ("15.62", "15.63"),
    ("x=9", "y=9+z"),
]


@pytest.mark.parametrize(("gold", "answer"), EQUAL)
def test_equal_answers_in_other_spellings_are_right(gold: str, answer: str) -> None:
    assert compare(gold, answer, STRICT).status == "right"
    assert compare(gold, answer, LENIENT).status == "right"


@pytest.mark.parametrize(("gold", "answer"), DIFFERENT)
def test_different_answers_are_wrong_under_every_policy(gold: str, answer: str) -> None:
    assert compare(gold, answer, STRICT).status == "wrong"
    assert compare(gold, answer, LENIENT).status == "wrong"


@pytest.mark.parametrize(
    ("pairs", "status"),
    [*((pairs, "right") for pairs in SAME.values()), *((pairs, "wrong") for pairs in OTHER.values())],
    ids=[*SAME, *(f"other {theme}" for theme in OTHER)],
)
def test_spellings_of_one_theme_are_told_apart(pairs: list[tuple[str, str]], status: str) -> None:
    for policy in (STRICT, LENIENT):
        assert [(pair, found) for pair in pairs if (found := compare(*pair, policy)).status != status] == []


@pytest.mark.parametrize(("gold", "answer"), UNDECIDED)
def test_a_scale_that_may_have_been_asked_for_is_undecided(gold: str, answer: str) -> None:
    verdict = compare(gold, answer)
    assert (verdict.status, verdict.reason.endswith("the scale asked for is not known")) == ("undecided", True)


@pytest.mark.parametrize(("gold", "answer"), [(r"\frac{3}{7}", "0.4286"), (r"7\pi", "21.99"), (r"\sqrt{13}", "3.61")])
def test_a_rounded_decimal_of_an_exact_gold_is_right_only_leniently(gold: str, answer: str) -> None:
    assert compare(gold, answer, STRICT).status == "wrong"
    assert compare(gold, answer, LENIENT).status == "right"


@pytest.mark.parametrize(("gold", "answer"), [("1/3", "0.3"), ("7", "6.999"), (r"\frac{13}{204}", "0.0588"), ("1023/1024", "1")])
def test_a_badly_rounded_decimal_is_wrong_even_leniently(gold: str, answer: str) -> None:
    assert compare(gold, answer, LENIENT).status == "wrong"


def test_a_percentage_against_its_fraction_is_undecided_unless_the_policy_allows_it() -> None:
    assert compare("0.5", r"50\%").status == "undecided"
    assert compare("0.5", "50%", Policy(percent_is_fraction=True)).status == "right"
    assert compare("0.7", "50%", Policy(percent_is_fraction=True)).status == "wrong"


@pytest.mark.parametrize(("gold", "answer"), [(r"\sqrt{2}", "1.5e500"), ("1.5e500", r"\sqrt{2}"), ("12345", "0." + "1" * 400)])
def test_numbers_beyond_floats_are_told_apart(gold: str, answer: str) -> None:
    assert compare(gold, answer, LENIENT).status == "wrong"


def test_a_relative_tolerance_is_kept_to() -> None:
    loose = Policy(relative_tolerance=0.01)
    assert [compare("-10", answer, loose).status for answer in ("-10.09", "-10.2", "10")] == ["right", "wrong", "wrong"]


def adjudicated(shared_data: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (shared_data / "adjudicated_answer_pairs.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(("policy", "rounded"), [(STRICT, "wrong"), (LENIENT, "right")])
def test_the_adjudicated_pairs_are_judged_as_people_did(shared_data: Path, policy: Policy, rounded: str) -> None:
    meaning = {"T": "right", "F": "wrong", "M": "wrong", "R": rounded}
    rows = [row for row in adjudicated(shared_data) if row["label"] != "A"]
    verdicts = [(compare(row["gold"], row["completion"], policy).status, meaning[row["label"]]) for row in rows]
    assert len(rows) == 298
    assert sum(seen == right for seen, right in verdicts) / len(rows) >= 0.99
    assert ("right", "wrong") not in verdicts


def math_golds(shared_data: Path) -> list[str]:
    rows = [json.loads(line) for line in (shared_data / "benchmarks/math_test.jsonl").read_text().splitlines()]
    return [boxed(row["solution"]) or "" for row in rows]


def near_miss(gold: str) -> str | None:
    """Return the gold with its integer, or its fraction's denominator, one larger."""
    if re.fullmatch(r"-?\d+", gold):
        return str(int(gold) + 1)
    found = re.search(r"\\[dt]?frac\{[^{}]*\}\{(\d+)\}", gold)
    return gold[: found.start(1)] + str(int(found.group(1)) + 1) + gold[found.end(1) :] if found else None


def test_no_near_miss_of_a_math_gold_is_accepted(shared_data: Path) -> None:
    pairs = [(gold, miss) for gold in math_golds(shared_data) if (miss := near_miss(gold)) is not None]
    assert len(pairs) >= 3800
    assert [pair for pair in pairs if compare(*pair, LENIENT).status != "wrong"] == []


def other_misses(gold: str) -> list[str]:
    """Return the gold with another digit, factor of ten, sign, bracket or variable, and with something added."""
    missed = [f"{gold}+1", f"{gold}, 7919", f"-({gold})"]
    for number in list(re.finditer(r"(?<![\d.])\d+(?![\d.])", gold))[:3]:
        missed += [gold[: number.start()] + other + gold[number.end() :] for other in (str(int(number[0]) + 1), f"{number[0]}9")]
    if variable := re.search(r"(?<![\\A-Za-z])[a-z](?![A-Za-z])", gold):
        missed.append(f"{gold[: variable.start()]}q{gold[variable.end() :]}")
    if "infty" in gold:
        missed += [gold.replace(bracket, other, 1) for bracket, other in ("([", "[(", ")]", "])") if bracket in gold]
    return missed


def test_no_other_miss_of_a_gold_is_accepted(shared_data: Path) -> None:
    """Every eighth gold of MATH and OCW; a zero's sign and factor, and words, are not missed by these changes."""
    ocw = [json.loads(line)["answer"] for line in (shared_data / "benchmarks/ocw.jsonl").read_text().splitlines()]
    golds = [gold for gold in (math_golds(shared_data) + ocw)[::8] if "text" not in gold and "mbox" not in gold]
    pairs = [(gold, miss) for gold in golds if not re.fullmatch(r"-?0", gold) for miss in other_misses(gold)]
    assert len(pairs) > 3000
    accepted = [(*pair, verdict.reason) for pair in pairs if (verdict := compare(*pair, LENIENT)).status == "right"]
    assert accepted == []


def test_every_math_and_ocw_gold_is_right_by_itself_and_nearly_all_have_a_typed_value(shared_data: Path) -> None:
    ocw = [json.loads(line)["answer"] for line in (shared_data / "benchmarks/ocw.jsonl").read_text().splitlines()]
    golds = math_golds(shared_data) + ocw
    assert [gold for gold in golds if compare(gold, gold).status != "right"] == []
    values = [read_answer(gold) for gold in golds]
    typed = [value for value in values if not isinstance(value, Unreadable)]
    assert len(typed) >= len(golds) - 8
    assert [value for value in typed if compare_values(value, value).status != "right"] == []


def test_one_problem_s_gold_is_not_accepted_for_the_next(shared_data: Path) -> None:
    golds = math_golds(shared_data)
    accepted = [(a, b) for a, b in itertools.pairwise(golds) if compare(a, b, LENIENT).status == "right"]
    assert all(compare(a, b).reason == "same text" or {a, b} in ({r"120^\circ", "120"}, {r"7\%", "7"}) for a, b in accepted)


HOSTILE = {
    "open brackets": "(" * 2000, "open braces": "{" * 4000, "one word": "x" * 3999,
    "words": "foo bar " * 499, "roots": r"\sqrt" * 700,
    "powers": "9^" * 600 + "9", "tower": "9^{9^{9^{9^9}}}", "factorials": "5!!!!!!",
    "digits": "9" * 3900, "power": "(10^{2000})^{2000}",
    "commas": "1," * 1999, "unit": "5 " + "ab " * 1300, "fractions": r"\frac" * 700, "equations": "a=" * 1999,
    "signs": r"1\pm1" * 300,
    "unions": r"[0,1]\cup" * 400, "dollars": "$" * 3999, "ands": "and " * 999, "sines": r"\sin" * 900 + "x", "bars": "|" * 3999,
    "exponents": "e^{e^{e^{e^{10}}}}", "gamma": "(10^{30})!", "subscripts": "x_{" * 1000, "minus": "-" * 3999 + "1",
    "percent": "5" + "%" * 3000, "tuples": "(1,2)," * 600, "20 kB": "1+" * 10_000, "product": "(" + "x+1)(" * 60 + "x)",
    "thousands": "1,234," * 600, "matrix": "[" * 2000, "scientific": "1e999999999", "blanks": "1" + " " * 3900 + "2",
    "initials": "5 " + "a. " * 1300 + "(", "20 kB of digits": "0." + "1" * 20_000,
    "decimal": "0." + "1" * 3990, "text on many lines": "\\text{" + "\n" * 20_000 + "x",
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_no_answer_costs_more_than_a_cpu_second_or_is_right_by_size(name: str) -> None:
    for gold in ("12345", "x+1", "1,2,3", r"\sqrt{2}"):
        begin = time.thread_time()
        final_answer(HOSTILE[name])
        verdicts = compare(gold, HOSTILE[name]), compare(HOSTILE[name], gold)
        assert time.thread_time() - begin < 1
        assert all(verdict.status != "right" for verdict in verdicts)


@pytest.mark.parametrize(
    "text",
    [
        "So.\n\n**Answer:** 42", "x\n**Answer: 42**", "**The answer is 42.**", "Answer: **42**", "text\n### Answer\n42",
        "a\n**Answer**\n\n42", "## Final Answer:\n\n$42$", "The answer is 42</s>", r"\boxed{42}<|im_end|>",
        "The answer is <<6*7=42>>42", "答案是42。", "因此答案为 42。", "There are 42 apples.", "It is 42.",
    ],
)  # fmt: skip
def test_an_answer_is_found_in_what_models_write_around_it(text: str) -> None:
    answer = final_answer(text)
    assert answer is not None
    assert compare("42", answer).status == "right"
    assert compare("43", answer).status == "wrong"


def test_long_lists_cost_little_more_than_their_elements() -> None:
    gold, answer = ([form.format(number) for number in range(2, 152)] for form in (r"\sqrt{{{}}}+1", r"1+\sqrt{{{}}}"))
    begin = time.thread_time()
    assert compare(", ".join(gold), ", ".join(reversed(answer))).status == "right"
    assert compare(r"x\cup " * 300 + "x", "x").reason == "the gold cannot be read: it has over 200 elements"
    assert time.thread_time() - begin < 3


def test_a_text_that_is_too_long_is_said_to_be(shared_data: Path) -> None:
    assert compare("1", "1" * (MAX_ANSWER_CHARACTERS + 1)).reason == "the answer cannot be read: it has over 4000 characters"


def test_verdicts_do_not_depend_on_order_or_threads(shared_data: Path) -> None:
    pairs = [(row["gold"], row["completion"]) for row in adjudicated(shared_data)] + EQUAL + DIFFERENT
    alone = [compare(*pair) for pair in pairs]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda pair: compare(*pair), pairs[::-1]))
    assert together[::-1] == alone
