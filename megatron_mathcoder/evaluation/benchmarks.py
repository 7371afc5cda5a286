"""The ten benchmarks: their files as published, read into items that can be asked and judged.

Decides: per benchmark, where a row's gold answer is, which rows belong to it (MMLU-Math is four subjects of MMLU), which shots
suit it, how it is asked unless the recipe says otherwise, and the rule its published numbers were made with.
Does not: write prompts (``protocols``) or judge.

A path may also be ``hf:NAME:CONFIG:SPLIT``, read with Hugging Face ``datasets`` where that is installed (``hugging_face_rows``).
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_tools.answers.surface import boxed
from data_tools.benchmarks import question_of, rows_of
from megatron_mathcoder.config.errors import DataError
from megatron_mathcoder.evaluation.hugging_face_rows import hugging_face_rows, is_saved

LETTERS = "ABCDEFGHIJ"
_DOLLAR = re.compile(r"(?<!\\)\$")


@dataclass(frozen=True, slots=True)
class Item:
    """One question. ``choices`` is empty where it is open; ``gold`` is then an answer, else a letter."""

    id: str
    question: str
    gold: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Benchmark:
    """``shots`` names the family of worked examples, ``grader`` the judge of its headline number, ``published`` the upstream
    rule."""

    title: str
    gold: Callable[[dict[str, Any]], str | None]
    shots: str
    protocol: str
    grader: str = "strict"
    published: str = "mathcoder2"
    keep: Callable[[dict[str, Any]], bool] = lambda row: True


def _after_hashes(row: dict[str, Any]) -> str | None:
    answer = _plain(row)
    return answer.rpartition("####")[2].strip() if answer is not None else None


def _plain(row: dict[str, Any]) -> str | None:
    truth = row.get("ground_truth")
    value = truth.get("answer") if isinstance(truth, dict) else truth
    for name in ("answer", "Answer", "final_answer"):
        value = row.get(name) if value is None else value
    return _text(value) if isinstance(value, str | int | float) else None


def _text(value: str | int | float) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _boxed(row: dict[str, Any]) -> str | None:
    return _plain(row) or (boxed(row["solution"]) if isinstance(row.get("solution"), str) else None)


def _letter(row: dict[str, Any]) -> str | None:
    answer = row.get("answer", row.get("Answer", row.get("target")))
    if isinstance(answer, int):
        return LETTERS[answer] if 0 <= answer < len(LETTERS) else None
    letter = answer.strip("() ").upper() if isinstance(answer, str) else ""
    return letter if len(letter) == 1 and letter in LETTERS else None


def _olympiad(row: dict[str, Any]) -> str | None:
    extra = row.get("extra")
    found = extra.get("final_answer") if isinstance(extra, dict) else row.get("final_answer")
    answers = [found] if isinstance(found, str) else found
    # Some answers are words with several formulas: one dollar sign taken off would turn the others round.
    return ", ".join(_DOLLAR.sub("", str(each)).strip() for each in answers) if isinstance(answers, list) and answers else None


MMLU_MATH = ("elementary_mathematics", "high_school_mathematics", "high_school_statistics", "college_mathematics")


def _is_mmlu_math(row: dict[str, Any]) -> bool:
    subject = row.get("topic", row.get("subject"))
    return subject is None or str(subject).replace(" ", "_") in MMLU_MATH


BENCHMARKS: dict[str, Benchmark] = {
    "gsm8k": Benchmark("GSM8K", _after_hashes, "word", "few-shot-cot"),
    "math": Benchmark("MATH", _boxed, "math", "few-shot-cot"),
    "sat": Benchmark("SAT-Math", _letter, "choice", "few-shot-cot"),
    "ocw": Benchmark("OCW", _plain, "math", "few-shot-cot", grader="ocw", published="ocw-published"),
    "mmlu_math": Benchmark("MMLU-Math", _letter, "choice", "log-likelihood", keep=_is_mmlu_math),
    "svamp": Benchmark("SVAMP", _plain, "word", "few-shot-cot", published="mathcoder"),
    "simuleq": Benchmark("SimulEq", _plain, "word", "few-shot-cot", published="mathcoder"),
    "mathematics": Benchmark("Mathematics", _plain, "math", "few-shot-cot", published="mathcoder"),
    "mmlu_stem": Benchmark("MMLU-STEM", _letter, "choice", "few-shot-cot"),
    "olympiadbench": Benchmark("OlympiadBench", _olympiad, "math", "few-shot-cot"),
    # Of `mathcoder word-problems`: the demo's.
    "word_problems": Benchmark("Word problems", _plain, "word", "zero-shot-lce", published="mathcoder"),
}


def load_items(name: str, path: str, limit: int = 0) -> list[Item]:
    """Return a benchmark's items in the file's order; the first ``limit`` of them, if not 0.

    Where an id comes twice, all are numbered by their places instead.

    Raises DataError: nothing there, a row without a question or a gold answer, or no row of this benchmark.
    """
    benchmark = BENCHMARKS[name]
    items = []
    for place, row in enumerate(_rows(path)):
        if not isinstance(row, dict):
            raise DataError(f"{path}: item {place} is no JSON object; fetch the file again")
        if benchmark.keep(row):
            items.append(_item(benchmark, path, place, row))
        if limit and len(items) == limit:
            break
    if not items:
        raise DataError(f"{path}: no item of {name} in it; name the file of {benchmark.title}")
    if len({item.id for item in items}) < len(items):
        items = [Item(str(place), item.question, item.gold, item.choices) for place, item in enumerate(items)]
    return items


def is_there(path: str) -> bool:
    """Say whether a benchmark's file or folder is on this disk; of a name for ``datasets`` only that package knows."""
    return path.startswith("hf:") or Path(path).exists()


def _rows(path: str) -> Iterator[Any]:
    if path.startswith("hf:"):
        return hugging_face_rows(path.removeprefix("hf:"))
    place = Path(path)
    if is_saved(place):
        return hugging_face_rows(path)
    if place.is_dir():
        # MATH as its authors publish it: a folder of subjects, one JSON file a problem.
        files = sorted(place.rglob("*.json"))
        return (row | {"id": file.relative_to(place).as_posix()} for file in files for row in rows_of(file))
    if not place.is_file():
        raise DataError(f"{path}: no such file; name a benchmark's file, a folder of MATH, or hf:NAME")
    return rows_of(place)


def _item(benchmark: Benchmark, path: str, place: int, row: dict[str, Any]) -> Item:
    question, gold = question_of(row), benchmark.gold(row)
    if not question or gold is None:
        missing = "gold answer" if question else "question"
        raise DataError(f"{path}: item {place} has no {missing} of {benchmark.title} among {', '.join(row)}; name another file")
    choices = _choices(row) if benchmark.shots == "choice" else ()
    if benchmark.shots == "choice" and (len(choices) < 2 or LETTERS.index(gold) >= len(choices)):
        raise DataError(f"{path}: item {place} has {len(choices)} choices and the answer {gold}; name another file")
    found = row.get("id", row.get("ID", row.get("idx", place)))
    return Item(str(found), question, gold, choices)


def _choices(row: dict[str, Any]) -> tuple[str, ...]:
    value = row.get("options", row.get("choices"))
    if isinstance(value, dict):
        value = value.get("text", list(value.values()))
    if isinstance(value, str):
        return _options_in(value)
    return tuple(str(choice) for choice in value) if isinstance(value, list) else ()


def _options_in(text: str) -> tuple[str, ...]:
    """Take ``A) 1 B) 2`` or ``A. 1 B. 2`` apart, as SAT-Math has its options; the letters must come in order."""
    options: list[str] = []
    for letter in LETTERS:
        before, marker, rest = _cut(text, rf"(?:^|\s)\(?{letter}[).]\s*")
        if not marker:
            break
        options += [before.strip()] if options or letter != "A" else []
        text = rest
    return (*options, text.strip()) if text.strip() and letter != "A" else ()


def _cut(text: str, pattern: str) -> tuple[str, bool, str]:
    found = re.search(pattern, text)
    return (text[: found.start()], True, text[found.end() :]) if found else (text, False, "")
