"""Benchmark files as they are published: one item is a question, its choices, and its solution.

Decides: which fields of a row mean what, by the names the well-known files use (GSM8K, MATH, MMLU, SVAMP, OCW, OlympiadBench …);
that an instruction which every question of a file begins with is no part of the questions.
Does not: say how an item is asked or graded, or normalise its text.

Readable are ``.json`` (an array of objects, or one object) and ``.jsonl``, plain or ``.gz``, and ``.parquet``. A benchmark has
its file's name without suffixes.
"""

import gzip
import json
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from megatron_mathcoder.config.errors import DataError

SUFFIXES = (".json", ".jsonl", ".json.gz", ".jsonl.gz", ".parquet")
NOT_BENCHMARKS = re.compile(r"(^|[_/-])(train|negatives?)([_./-]|$)")
"""Files and folders of a benchmark folder that one trains on; they are read when named, and passed over when their folder is."""

QUESTION_FIELDS = ("question", "problem", "Question", "Problem", "query", "prompt", "input")
SOLUTION_FIELDS = ("solution", "cot", "explanation", "rationale", "answer", "Answer")
CHOICE_FIELDS = ("choices", "options")
MIN_SHARED_PREFIX_WORDS = 4
MIN_ITEMS_FOR_PREFIX = 20


@dataclass(frozen=True, slots=True)
class BenchmarkItem:
    """``solution`` and ``choices`` are "" where the benchmark has none; ``id`` is the row's own, or its place from 0."""

    benchmark: str
    id: str
    question: str
    choices: str
    solution: str


def find_benchmarks(paths: Sequence[str]) -> tuple[list[Path], list[Path]]:
    """Return the benchmark files that files and folders name, and those passed over: training sets and negatives.

    Raises DataError: nothing there, or no readable file.
    """
    taken: list[Path] = []
    passed: list[Path] = []
    for name in paths:
        path = Path(name)
        if path.is_dir():
            files = sorted(file for file in path.rglob("*") if file.name.endswith(SUFFIXES) and not file.name.startswith("."))
            if not files:
                raise DataError(f"benchmark folder {name!r} holds no {', '.join(SUFFIXES)} file")
            others = [file for file in files if NOT_BENCHMARKS.search(file.relative_to(path).as_posix())]
            if len(others) == len(files):
                raise DataError(
                    f"benchmark folder {name!r} holds only training files ({others[0].name}); name a file to have it read"
                )
            taken += [file for file in files if file not in others]
            passed += others
        elif path.is_file():
            taken.append(path)
        else:
            raise DataError(f"benchmark {name!r} does not exist; name files, or a folder of them")
    return taken, passed


def read_benchmarks(paths: Sequence[str | Path]) -> dict[str, list[BenchmarkItem]]:
    """Return each file's items by the benchmark's name; files of one name in several folders have the folder's before it.

    Raises DataError as ``read_benchmark`` does.
    """
    files = [Path(path) for path in paths]
    times = Counter(map(benchmark_name, files))
    names = [name if times[name := benchmark_name(file)] == 1 else (file.parent / name).as_posix() for file in files]
    return {name: read_benchmark(file, name) for name, file in zip(names, files, strict=True)}


def read_benchmark(path: Path, name: str = "") -> list[BenchmarkItem]:
    """Return the items of one file, under the name of the file unless another is given.

    Raises DataError: no row, or a row is not a JSON object, or has none of the known fields for a question.
    """
    name = name or benchmark_name(path)
    items = [_item(name, str(index), row, path) for index, row in enumerate(rows_of(path))]
    if not items:
        raise DataError(f"benchmark {path.as_posix()!r} has no items; fetch the file again, or remove it")
    prefix = _shared_prefix([item.question for item in items])
    return [replace(item, question=item.question[len(prefix) :].strip()) for item in items] if prefix else items


def benchmark_name(path: Path) -> str:
    """Return ``gsm8k_test`` for ``…/gsm8k_test.jsonl.gz``."""
    return path.name.removesuffix(".gz").removesuffix(".jsonl").removesuffix(".json").removesuffix(".parquet")


def rows_of(path: Path) -> Iterator[Any]:
    """Yield the rows of a file. Raises DataError when it cannot be read."""
    try:
        if path.suffix == ".parquet":
            import pyarrow.parquet as pq

            yield from pq.read_table(path).to_pylist()
            return
        # The standard library's reader, because published files hold NaN, which is no JSON.
        raw = path.read_bytes()
        raw = gzip.decompress(raw) if path.name.endswith(".gz") else raw
        if raw.lstrip()[:1] == b"[":
            yield from json.loads(raw)
            return
        if raw.lstrip()[:2] in (b"{\n", b"{\r"):
            yield json.loads(raw)
            return
        yield from (json.loads(line) for line in raw.split(b"\n") if line.strip())
    except (ValueError, OSError, EOFError, RecursionError, zlib.error) as error:  # pyarrow's errors are among them
        raise DataError(f"benchmark {path.as_posix()!r} cannot be read: {error}; fetch the file again") from None


def _item(benchmark: str, place: str, row: Any, path: Path) -> BenchmarkItem:
    question = question_of(row) if isinstance(row, dict) else ""
    if not question:
        known = ", ".join(QUESTION_FIELDS)
        fields = ", ".join(row) if isinstance(row, dict) else type(row).__name__
        raise DataError(
            f"benchmark {path.as_posix()!r} item {place} has no question among {fields}; known fields are {known}: rename it"
        )
    truth = row.get("ground_truth")
    solutions = [row[name] for name in SOLUTION_FIELDS if isinstance(row.get(name), str)]
    if isinstance(truth, dict) and isinstance(truth.get("solution"), str):
        solutions.append(truth["solution"])
    found = row.get("id", row.get("ID", row.get("idx", place)))
    return BenchmarkItem(benchmark, str(found), question, _choices(row), max(solutions, key=len, default=""))


def question_of(row: dict[str, Any]) -> str:
    """Return the question of a row, or "" when no known field has one."""
    if isinstance(row.get("Body"), str) and isinstance(row.get("Question"), str):
        return f"{row['Body'].rstrip(' .')}. {row['Question']}"
    text = next((row[name] for name in QUESTION_FIELDS if isinstance(row.get(name), str) and row[name].strip()), "")
    return text.strip() or _last_user_message(row.get("messages"))


def _last_user_message(messages: Any) -> str:
    for message in reversed(messages if isinstance(messages, list) else []):
        if isinstance(message, dict) and message.get("role") == "user":
            content = message.get("content")
            parts = content if isinstance(content, list) else [content]
            return " ".join(filter(None, map(_text_of_part, parts))).strip()
    return ""


def _text_of_part(part: Any) -> str:
    """Return the text of a message's part, which is a string or has one as ``content`` (MathCoder) or ``text`` (OpenAI)."""
    given = [part.get("content"), part.get("text")] if isinstance(part, dict) else [part]
    return next((text for text in given if isinstance(text, str)), "")


def _choices(row: dict[str, Any]) -> str:
    for name in CHOICE_FIELDS:
        value = row.get(name)
        if isinstance(value, str):
            return value
        if isinstance(value, dict):
            value = list(value.values())
        if isinstance(value, list):
            return " ".join(str(choice) for choice in value)
    return ""


def _shared_prefix(questions: list[str]) -> str:
    """Return the instruction that all questions begin with: at least four words, up to a word's end; "" when there is none."""
    if len(questions) < MIN_ITEMS_FOR_PREFIX:
        return ""
    first, last = min(questions), max(questions)
    length = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    prefix = first[:length]
    prefix = prefix[: max(prefix.rfind(" "), prefix.rfind("\n")) + 1]
    return prefix if len(prefix.split()) >= MIN_SHARED_PREFIX_WORDS else ""
