"""Files of problems: JSONL rows with a text to be asked and, if you like, an id and an answer.

Decides: which field holds the text, and which id a row without one gets.
Does not: ask.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from data_tools.inputs import find_files, whole_file
from data_tools.rows import BadRow, RowReader
from megatron_mathcoder.config.errors import DataError

PROBLEM_FIELDS = ("prompt", "question", "problem")


def read_problems(path: str) -> Iterator[tuple[str, str]]:
    """Yield (id, text) of each row of a file, as ``read_rows`` does."""
    yield from ((name, text) for name, text, _ in read_rows(path))


def read_rows(path: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield (id, text, row) of each row of a file; the id is the line's number where a row has none.

    Raises DataError: a row cannot be read or has no problem, or there is no row.
    """
    number = 0
    for name in find_files([path]):
        for row in RowReader(whole_file(name)):
            if isinstance(row, BadRow):
                raise DataError(f"{name}:{row.line}: {row.reason}; mend the row or take it out")
            text = next((row.value[field] for field in PROBLEM_FIELDS if isinstance(row.value.get(field), str)), None)
            if text is None:
                raise DataError(f"{name}:{row.line}: no {', '.join(PROBLEM_FIELDS)} in the row; name the problem's text so")
            number += 1
            yield str(row.value.get("id", row.line)), text, row.value
    if not number:
        raise DataError(f"{path}: no problem in it; name JSONL rows with {', '.join(PROBLEM_FIELDS)}")


def check_ids(names: Iterable[str]) -> None:
    """Raise DataError when an id comes twice: results are found again by it."""
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise DataError(f"problem {twice[0]!r} comes twice; give each problem an id of its own")
