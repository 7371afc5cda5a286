import argparse

import pytest

from data_tools.arguments import fraction, output_path, part, positive_int


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        (positive_int, "0", "'0' is not a whole number of at least 1"),
        (positive_int, "-1", "'-1' is not a whole number of at least 1"),
        (positive_int, "1.5", "'1.5' is not a whole number of at least 1"),
        (fraction, "1.1", "'1.1' is not a number from 0 to 1"),
        (fraction, "nan", "'nan' is not a number from 0 to 1"),
        (fraction, "x", "'x' is not a number from 0 to 1"),
        (output_path, ".", "'.' does not end in a name"),
        (output_path, "a/..", "'a/..' does not end in a name"),
        (output_path, "", "'' does not end in a name"),
        (part, "0/3", "'0/3' is not I/N with I from 1 to N, such as 3/16"),
        (part, "4/3", "'4/3' is not I/N with I from 1 to N, such as 3/16"),
        (part, "3", "'3' is not I/N with I from 1 to N, such as 3/16"),
    ],
)
def test_what_is_not_allowed(parse, text: str, message: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError) as error:
        parse(text)
    assert str(error.value) == message


def test_what_is_allowed() -> None:
    assert positive_int("12") == 12
    assert [fraction(text) for text in ("0", "1", "0.25")] == [0, 1, 0.25]
    assert [index for index in range(7) if index in part("2/3")] == [1, 4]
    assert output_path("a/b/").name == "b"
