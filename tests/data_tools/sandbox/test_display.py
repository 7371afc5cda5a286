"""The text a notebook shows for a value; the expected texts are those of recorded notebook output."""

from collections import OrderedDict, namedtuple

import pytest

from data_tools.sandbox.display import plain_text

Point = namedtuple("Point", "x y")


class Lines:
    def __repr__(self) -> str:
        return "array([[1, 2],\n       [3, 4]])"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1"),
        ("a", "'a'"),
        ([], "[]"),
        ((1,), "(1,)"),
        ((15, 9), "(15, 9)"),
        ({"a": 1}, "{'a': 1}"),
        (set(), "set()"),
        ({3, 1, 2}, "{1, 2, 3}"),
        (frozenset({2, 1}), "frozenset({1, 2})"),
        (Point(1, 2), "Point(x=1, y=2)"),
        (int, "int"),
        (OrderedDict, "collections.OrderedDict"),
        (Lines(), "array([[1, 2],\n       [3, 4]])"),
        ([Lines(), 1], "[array([[1, 2],\n        [3, 4]]),\n 1]"),
        ([10**37, 10**36], f"[{10**37}, {10**36}]"),
        ([10**37, 10**37], f"[{10**37},\n {10**37}]"),
        ({"key": [10**40, 10**40]}, f"{{'key': [{10**40},\n  {10**40}]}}"),
        ([(1, 2)] * 12, "[" + ",\n ".join(["(1, 2)"] * 12) + "]"),
    ],
)
def test_layout(value, text):
    assert plain_text(value) == text


def test_a_value_that_holds_itself_ends():
    value: list[object] = [1]
    value.append(value)
    assert plain_text(value) == "[1, [...]]"


def test_long_containers_are_cut():
    assert plain_text(list(range(1500))).count("\n") == 1000
    assert plain_text(list(range(1500))).endswith(",\n 999,\n ...]")
