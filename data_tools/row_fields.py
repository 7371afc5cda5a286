"""The fields of a row: where its text and its id stand, and what is wrong with a text that cannot be used.

Decides: that a name with dots is that of a nested field unless the row has that very name; what a usable text is (a string with
something in it and without NUL); and that a name which no row has is an error before the run.
Does not: read rows (``rows.py``).
"""

import itertools
from typing import Any

from data_tools.document import reason_kind
from data_tools.inputs import InputSlice
from data_tools.rows import BadRow, Row, RowReader
from megatron_mathcoder.config.errors import DataError

FIRST_ROWS = 100
"""Rows in which a named field must be found at least once."""

MISSING_FIELD = "missing field"
NOT_A_STRING = "text is not a string"


def keys_of(value: dict[str, Any], name: str) -> list[str]:
    """Return the keys, one inside the other, that a field's name stands for in a row."""
    return [name] if name in value else name.split(".")


def value_at(value: Any, keys: list[str]) -> Any:
    """Return what stands at the nested ``keys``, None when nothing does."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def text_of(row: Row, text_field: str) -> str | BadRow:
    """Return the row's text, found by a name with dots for nested fields, or a ``BadRow`` that says what was there instead."""
    value: Any = row.value
    for key in keys_of(row.value, text_field):
        if not isinstance(value, dict) or key not in value:
            return BadRow(row.line, f"{MISSING_FIELD}: no {text_field!r} among {_field_names(row.value)}")
        value = value[key]
    if not isinstance(value, str):
        return BadRow(row.line, f"{NOT_A_STRING}: {text_field!r} is {type(value).__name__}")
    if not value or value.isspace():
        return BadRow(row.line, "empty text")
    if "\0" in value:
        # Tools that end strings at NUL would drop the rest of the document without a word.
        return BadRow(row.line, "NUL character in text")
    return value


def check_text_field(piece: InputSlice, text_field: str, remedy: str = "name it with --text-field") -> None:
    """Raise DataError when none of the first rows has the field: a mistyped name should not cost a whole run."""
    found = [text_of(row, text_field) for row in itertools.islice(RowReader(piece), FIRST_ROWS) if isinstance(row, Row)]
    wrong = [text for text in found if isinstance(text, BadRow) and reason_kind(text.reason) in (MISSING_FIELD, NOT_A_STRING)]
    if wrong and len(wrong) == len(found):
        raise DataError(f"none of the first {len(found)} rows of {piece.path} has a text ({wrong[0].reason}); {remedy}")


def check_id_field(piece: InputSlice, id_field: str) -> None:
    """Raise DataError when none of the first rows has the field: a mistyped name would cost every document its id."""
    found = [row.value for row in itertools.islice(RowReader(piece), FIRST_ROWS) if isinstance(row, Row)]
    if found and all(value_at(value, keys_of(value, id_field)) is None for value in found):
        raise DataError(
            f"none of the first {len(found)} rows of {piece.path} has {id_field!r} among {_field_names(found[0])}; name the id's "
            f"field with --id-field, or leave it out: then rows are named FILE:LINE"
        )


def _field_names(value: dict[str, Any]) -> str:
    names = sorted(value)
    return ", ".join(name[:40] for name in names[:8]) + (", …" if len(names) > 8 else "") if names else "no fields"
