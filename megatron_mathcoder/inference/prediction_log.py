"""A file of finished rows that grows by one line at a time and survives ``kill -9``.

Decides: a row counts when its whole line is in the file; half a line at the end, which a kill can leave, is cut off before the
next row is written. Rows are found again by ``id``, so a resumed run repeats and loses nothing. A row that says its work failed
(``ended`` is ``failed``: a server that gave up, a sandbox that did not start) is taken out when a run goes on, and done again.
Does not: know what a row means.
"""

import os
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from data_tools.parts import atomic_file
from megatron_mathcoder.config.errors import DataError


class PredictionLog:
    """Appends rows with an ``id`` to a JSONL file. ``rows`` are those that were there, by id, and those appended since.

    ``again``: take out the rows that failed, so that they are done again; without it the file is read as it is.
    """

    def __init__(self, path: Path, *, again: bool = False) -> None:
        self.path = path
        self.rows: dict[str, dict[str, Any]] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        if again and path.exists():
            self._take_out_failed()
        self._file = path.open("r+b" if path.exists() else "w+b")
        whole = 0
        for number, line in enumerate(self._file, 1):
            if not line.endswith(b"\n"):
                break
            row = self._row(line, number)
            self.rows[row["id"]] = row
            whole += len(line)
        self._file.truncate(whole)
        self._file.seek(whole)

    def _take_out_failed(self) -> None:
        with self.path.open("rb") as stream:
            lines = [line for line in stream if line.endswith(b"\n")]
        kept = [line for number, line in enumerate(lines, 1) if self._row(line, number).get("ended") != "failed"]
        if len(kept) < len(lines):
            with atomic_file(self.path) as stream:
                stream.writelines(kept)

    def _row(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            row: dict[str, Any] = orjson.loads(line)
            row["id"]
        except (orjson.JSONDecodeError, TypeError, KeyError):
            raise DataError(f"{self.path}: line {number} is no row of ours; name another file, or remove this one") from None
        return row

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
