"""A file of finished rows that grows by one line at a time and survives ``kill -9``.

Decides: a row counts when its whole line is in the file; half a line at the end, which a kill can leave, is cut off before the
next row is written. Rows are found again by ``id``, so a resumed run repeats and loses nothing.
Does not: know what a row means.
"""

import os
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from megatron_mathcoder.config.errors import DataError


class PredictionLog:
    """Appends rows with an ``id`` to a JSONL file. ``rows`` are those that were there, by id, and those appended since."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: dict[str, dict[str, Any]] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("r+b" if path.exists() else "w+b")
        whole = 0
        for number, line in enumerate(self._file, 1):
            if not line.endswith(b"\n"):
                break
            self._remember(line, number)
            whole += len(line)
        self._file.truncate(whole)
        self._file.seek(whole)

    def _remember(self, line: bytes, number: int) -> None:
        try:
            row = orjson.loads(line)
            self.rows[row["id"]] = row
        except (orjson.JSONDecodeError, TypeError, KeyError):
            raise DataError(f"{self.path}: line {number} is no row of ours; name another file, or remove this one") from None

    def append(self, row: dict[str, Any]) -> None:
        """Write a row and flush it, so that only a crash of the machine can lose it."""
        self._file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
        self._file.flush()
        self.rows[row["id"]] = row

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        os.fsync(self._file.fileno())
        self._file.close()
