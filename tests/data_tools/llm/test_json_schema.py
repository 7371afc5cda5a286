from typing import Any

import pytest

from data_tools.llm.json_schema import fits

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 1}},
    "required": ["name"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("value", "fit"),
    [
        ({"name": "x"}, True),
        ({"name": "x", "tags": ["a", "b"]}, True),
        ({"name": 5}, False),
        ({}, False),
        ({"name": "x", "more": 1}, False),
        ({"name": "x", "tags": []}, False),
        ({"name": "x", "tags": ["c"]}, False),
        ([], False),
        ("name", False),
    ],
)
def test_objects(value: Any, fit: bool) -> None:
    assert fits(value, PERSON) is fit


@pytest.mark.parametrize(
    ("value", "schema", "fit"),
    [
        (True, {"type": "integer"}, False),
        (True, {"type": "boolean"}, True),
        (1, {"type": "number"}, True),
        (1.5, {"type": "integer"}, False),
        (None, {"type": "null"}, True),
        (3, {"const": 4}, False),
        ([1, "x"], {"type": "array", "items": {"type": "integer"}}, False),
        ([1, 2, 3], {"maxItems": 2}, False),
    ],
)
def test_scalars_and_arrays(value: Any, schema: dict[str, Any], fit: bool) -> None:
    assert fits(value, schema) is fit


def test_a_keyword_that_is_not_checked_is_refused() -> None:
    with pytest.raises(ValueError, match="pattern"):
        fits("x", {"type": "string", "pattern": "y"})
