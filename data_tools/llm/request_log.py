"""What was asked and answered, on disk: a request that has a final answer is never sent again.

Decides: that a request is known by its content (``Request.key``), the fields of a row, that a torn last line (``kill -9``, a full
disk) is cut off, that the last row of a key counts, and that ``asked = ok + failed + dead`` at the end.
Does not: send requests (a ``LanguageModel`` does).

A folder holds one append-only ``*.jsonl`` per writer, so tasks of a job array write side by side and each reads all. Beside them
``dead_letters.jsonl`` has every request that got no answer, whole, with its error: to be looked at, and sent again by hand.
"""

import fcntl
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import orjson

from data_tools.llm.interface import Choice, LanguageModel, Reply, Request
from data_tools.llm.wire import body_of
from megatron_mathcoder.config.errors import DataError

SYNC_SECONDS = 1.0
DEAD_LETTERS = "dead_letters.jsonl"
KEY = re.compile(r"[0-9a-f]{64}")


@dataclass(slots=True)
class Accounting:
    """How the distinct requests of a run ended. ``earlier`` were answered by a run before; ``tokens`` counts this run's alone;
    ``error`` is one of the reasons why some got no reply."""

    asked: int = 0
    earlier: int = 0
    ok: int = 0
    failed: int = 0
    dead: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    error: str = ""

    def count(self, reply: Reply) -> None:
        """Add one request's end."""
        setattr(self, reply.outcome, getattr(self, reply.outcome) + 1)
        self.prompt_tokens += reply.prompt_tokens
        self.completion_tokens += reply.completion_tokens
        self.error = self.error or reply.error

    def check(self) -> None:
        """Hold the law that no request is lost. A breach is a defect, not a user's mistake."""
        if self.asked != self.ok + self.failed + self.dead:
            raise RuntimeError(f"requests were lost: {self.asked} asked, {self.ok} ok + {self.failed} failed + {self.dead} dead")

    def __str__(self) -> str:
        rate = self.completion_tokens / self.seconds if self.seconds else 0.0
        return (
            f"{self.asked} requests asked = {self.ok} ok + {self.failed} failed + {self.dead} dead; "
            f"{self.earlier} answered before; "
            f"{self.prompt_tokens:,} prompt and {self.completion_tokens:,} completion tokens, {rate:,.0f} tokens/s"
        )


class RequestLog:
    """The log in ``folder``, written to ``folder/name.jsonl``. Use as a context manager; ``retry_dead`` forgets those that got no
    reply, whether the server was at fault (dead) or refused them (failed): it may have been started with other limits since.

    Memory: about 200 bytes per answered request. Raises DataError when another run writes the same file.
    """

    def __init__(self, folder: Path, name: str = "log", retry_dead: bool = False) -> None:
        self.folder, self._path = folder, folder / f"{name}.jsonl"
        self._retry_dead = retry_dead
        self._places: dict[bytes, tuple[Path, int]] = {}
        self._sink: IO[bytes] | None = None
        self._readers: dict[Path, IO[bytes]] = {}
        self._synced = time.monotonic()

    def open_to_read(self) -> Self:
        """Read what is there, without taking the writer's place."""
        for path in sorted(self.folder.glob("*.jsonl")):
            if path.name != DEAD_LETTERS:
                self._index(path)
        return self

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._sink = self._path.open("ab")
        try:
            fcntl.flock(self._sink, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataError(f"another run is writing {self._path}; wait for it, or give this one another --part") from None
        self._cut_torn_tail()
        return self.open_to_read()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        for reader in self._readers.values():
            reader.close()
        if self._sink is not None:
            self._sink.flush()
            os.fsync(self._sink.fileno())
            self._sink.close()

    def _cut_torn_tail(self) -> None:
        """Take off what follows the last newline: a row that was being written when its run was killed."""
        with self._path.open("rb+") as stream:
            end = stream.seek(0, os.SEEK_END)
            block = 2**16
            while end > 0:
                begin = max(0, end - block)
                stream.seek(begin)
                newline = stream.read(end - begin).rfind(b"\n")
                if newline >= 0:
                    end = begin + newline + 1
                    break
                end = begin
            stream.truncate(end)

    def _index(self, path: Path) -> None:
        place = 0
        with path.open("rb") as stream:
            for line in stream:
                # A line without an end is being written by another task, or torn; a damaged one is asked again.
                if line.endswith(b"\n") and (row := _parsed(line)) is not None:
                    key = bytes.fromhex(row["key"])
                    if self._retry_dead and row["outcome"] != "ok":
                        self._places.pop(key, None)
                    else:
                        self._places[key] = (path, place)
                place += len(line)

    def __contains__(self, key: str) -> bool:
        return bytes.fromhex(key) in self._places

    def reply(self, key: str, request: Request) -> Reply | None:
        """Return the logged end of a request, None when it has none."""
        place = self._places.get(bytes.fromhex(key))
        if place is None:
            return None
        reader = self._readers.get(place[0])
        if reader is None:
            reader = self._readers[place[0]] = place[0].open("rb")
        reader.seek(place[1])
        return reply_of(orjson.loads(reader.readline()), request)

    def append(self, key: str, reply: Reply, model: str) -> None:
        """Write the end of a request; on disk (synced) a second later at most, and before the log is closed."""
        assert self._sink is not None
        self._places[bytes.fromhex(key)] = (self._path, self._sink.tell())
        self._sink.write(orjson.dumps(row_of(key, reply, model), option=orjson.OPT_APPEND_NEWLINE))
        self._sink.flush()
        if reply.outcome != "ok":
            self._write_dead_letter(key, reply, model)
        if time.monotonic() - self._synced > SYNC_SECONDS:
            os.fsync(self._sink.fileno())
            self._synced = time.monotonic()

    def _write_dead_letter(self, key: str, reply: Reply, model: str) -> None:
        row = {"key": key, "outcome": reply.outcome, "error": reply.error, "attempts": reply.attempts}
        with (self.folder / DEAD_LETTERS).open("ab") as sink:
            sink.write(orjson.dumps(row | {"body": body_of(reply.request, model)}, option=orjson.OPT_APPEND_NEWLINE))

    def fill(
        self, model: LanguageModel, requests: Iterable[Request], show: Callable[[Accounting], None] = lambda found: None
    ) -> Accounting:
        """Have every request answered that has no final answer yet. The same request twice is asked once.

        Raises what ``model.complete`` raises; what was answered until then is in the log.
        """
        found = Accounting()
        begin = time.monotonic()
        for reply in model.complete(self._unanswered(model.name, requests, found)):
            self.append(reply.request.key(model.name), reply, model.name)
            found.count(reply)
            found.seconds = time.monotonic() - begin
            show(found)
        found.check()
        return found

    def _unanswered(self, name: str, requests: Iterable[Request], found: Accounting) -> Iterator[Request]:
        asked: set[bytes] = set()
        for request in requests:
            key = bytes.fromhex(request.key(name))
            if key in asked:
                continue
            if key in self._places:
                found.earlier += 1
                continue
            asked.add(key)
            found.asked += 1
            yield request


def row_of(key: str, reply: Reply, model: str) -> dict[str, Any]:
    """Return the row of a log."""
    return {
        "key": key,
        "outcome": reply.outcome,
        "model": model,
        "choices": [{"text": each.text, "finish_reason": each.finish_reason, "fits": each.fits_schema} for each in reply.choices],
        "error": reply.error,
        "prompt_tokens": reply.prompt_tokens,
        "completion_tokens": reply.completion_tokens,
        "attempts": reply.attempts,
        "seconds": round(reply.seconds, 3),
        "response_id": reply.response_id,
        "time": round(time.time(), 1),
    }


_KEPT = ("outcome", "error", "prompt_tokens", "completion_tokens", "attempts", "seconds", "response_id")
FIELDS = {"key", "choices", *_KEPT}
"""Of a row that can be read back."""


def reply_of(row: dict[str, Any], request: Request) -> Reply:
    """Read a row of a log. Log probabilities are not kept; a task that needs them works with the reply itself."""
    choices = tuple(Choice(each["text"], each["finish_reason"], None, each["fits"]) for each in row["choices"])
    return Reply(request=request, choices=choices, **{name: row[name] for name in _KEPT})


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    known = isinstance(row, dict) and row.keys() >= FIELDS and isinstance(row["key"], str)
    return row if known and KEY.fullmatch(row["key"]) else None
