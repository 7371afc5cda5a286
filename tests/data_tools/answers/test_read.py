"""What kind of value a text is read as."""

from fractions import Fraction

import pytest

from data_tools.answers.read import read_answer
from data_tools.answers.surface import boxed, clean
from data_tools.answers.values import (
    Based,
    Choice,
    Matrix,
    Number,
    Quantity,
    Relation,
    Sequence,
    Symbol,
    Text,
    Union,
    Unreadable,
)


def number(value: object, quantum: object = None) -> Number:
    return Number(Fraction(str(value)), None if quantum is None else Fraction(str(quantum)))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", number(12)),
        ("-1,234.50", number("-1234.5", "0.01")),
        ("45.0", number(45)),
        (".5", number("0.5", "0.1")),
        ("1.70e4", number(17000, 100)),
        (r"48\text{ grams}", Quantity(number(48), "grams")),
        ("664_7", Based("664", 7)),
        (r"\text{(C)}", Choice("C")),
        ("(b) 0.3", Choice("B", number("0.3", "0.1"))),
        (r"\text{parabola}", Text("parabola")),
        ("No real solutions.", Text("no real solutions")),
        ("1, 2", Sequence("", (number(1), number(2)))),
        ("6 4 0", Sequence("", (number(6), number(4), number(0)), spaced=True)),
        ("(1, 2)", Sequence("()", (number(1), number(2)))),
        (r"\{1, 2\}", Sequence("{}", (number(1), number(2)))),
        ("[0,1)", Sequence("[)", (number(0), number(1)))),
        ("1 < x <= 2", Sequence("(]", (number(1), number(2)))),
        (r"[0,1] \cup [2,3]", Union((Sequence("[]", (number(0), number(1))), Sequence("[]", (number(2), number(3)))))),
        (r"\begin{bmatrix}1&2\\3&4\end{bmatrix}", Matrix(((number(1), number(2)), (number(3), number(4))))),
        ("Eq(x, 2)", Relation("=", Symbol("x"), number(2))),
        ("x > 2", Relation("<", number(2), Symbol("x"))),
        ("{x: 2}", number(2)),
    ],
)  # fmt: skip
def test_a_text_becomes_the_value_it_stands_for(text: str, value: object) -> None:
    assert read_answer(text) == value


@pytest.mark.parametrize("text", ["", "x^{\\prime}", "1e99999", "((((", "2 3/", "\x00", "x_", "x_{1", r"0.\overline{"])
def test_what_has_no_form_is_unreadable_with_a_reason(text: str) -> None:
    value = read_answer(text)
    assert isinstance(value, Unreadable)
    assert value.reason


def test_a_comma_separates_thousands_only_outside_brackets() -> None:
    assert read_answer("1,234") == number(1234)
    assert read_answer("(1,234)") == Sequence("()", (number(1), number(234)))
    assert read_answer("1,234", thousands=False) == Sequence("", (number(1), number(234)))


def test_the_last_box_is_found_with_its_braces_matched() -> None:
    assert boxed(r"first \boxed{1}, then $\boxed{\frac{1}{2}}$.") == r"\frac{1}{2}"
    assert boxed(r"\fbox{x}") == "x"
    assert boxed(r"\boxed 7 is it") == "7"
    assert boxed(r"cut off in \boxed{12") == "12"
    assert boxed("no box") is None


def test_cleaning_leaves_one_spelling() -> None:
    assert clean(r"$\dfrac{1}{2}\,\mathrm{cm}$.") == r"\frac{1}{2} \text{cm}"
    assert clean("Final answer: **12**") == "12"
