"""A file of finished rows that grows by one line at a time and survives ``kill -9``.

Decides: a row counts when its whole line is in the file; half a line at the end, which a kill can leave, is cut off before the
next row is written. Rows are found again by ``id``, so a resumed run repeats and loses nothing. A row that says its work failed
(``ended`` is ``failed``: a server that gave up, a sandbox that did not start) is taken out when a run goes on, and done again.
One run writes a log at a time, and one with other ``settings`` than its rows does not go on with it.
Does not: know what else is in a row.
"""

import fcntl
import os
from collections.abc import Collection
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import orjson

from data_tools.parts import atomic_file
from megatron_mathcoder.config.errors import ConfigError, DataError

Row = dict[str, Any]


class PredictionLog:
    """Appends rows with an ``id`` to a JSONL file. ``rows`` are those that were there and had not failed, and those appended.

    Raises DataError: another run is writing the file, or a line of it is no row.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = _open_alone(path)
        try:
            found = [(line, row) for line, row in _whole_rows(path) if row.get("ended") != "failed"]
            kept = [line for line, _ in found]
            if sum(map(len, kept)) < path.stat().st_size:
                with atomic_file(path) as stream:
                    stream.writelines(kept)
                self._file.close()
                self._file = _open_alone(path)
        except BaseException:
            self._file.close()
            raise
        self.rows: dict[str, Row] = {row["id"]: row for _, row in found}

    def check_settings(self, settings: Row, may_differ: Collection[str] = ()) -> None:
        """Raise ConfigError when a row's ``settings`` are not these; what ``may_differ`` has no part in a row's content."""
        for row in self.rows.values():
            before = row.get("settings", {})
            if other := [key for key in settings if key not in may_differ and before.get(key) != settings[key]]:
                raise ConfigError(
                    f"{self.path}: its rows have {other[0]} = {before.get(other[0])!r}, this run {settings[other[0]]!r}; "
                    "name another --output"
                )

    def append(self, row: Row) -> None:
        """Write a row and flush it, so that only a crash of the machine can lose it."""
        self._file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
        self._file.flush()
        self.rows[row["id"]] = row

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        os.fsync(self._file.fileno())
        self._file.close()


def read_log(path: Path) -> dict[str, Row]:
    """Return the rows of a log by their ids, those that failed too. The file stays as it is, and may be growing."""
    return {row["id"]: row for _, row in _whole_rows(path)}


def check_some_ended(rows: Collection[Row], whose: str = "") -> None:
    """Raise DataError when all rows say that their work failed: then what they share is to be mended, not a problem.

    ``whose`` begins the message where a run has several models.
    """
    if rows and all(row["ended"] == "failed" for row in rows):
        why = next(iter(rows))["error"] or "without a reason"
        raise DataError(f"{whose}all {len(rows)} failed, the first so: {why}; mend that, then run the same command")


def _open_alone(path: Path) -> IO[bytes]:
    file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise DataError(f"another run is writing {path}; wait for it, or name another output") from None
    return file


def _whole_rows(path: Path) -> list[tuple[bytes, Row]]:
    with path.open("rb") as stream:
        return [(line, _row(path, line, number)) for number, line in enumerate(stream, 1) if line.endswith(b"\n")]


def _row(path: Path, line: bytes, number: int) -> Row:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        row = None
    if not isinstance(row, dict) or not isinstance(row.get("id"), str):
        raise DataError(f"{path}: line {number} is no row of ours; name another file, or remove this one")
    return row
