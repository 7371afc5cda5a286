"""``mathcoder grade``: recorded answers in, verdicts out.

Decides: which files are read (our ``predictions.jsonl`` and MathCoder's recorded rows, with ``completion`` and
``ground_truth``), and what is reported: one JSON object at the end, and on request every verdict with its reason.
Does not: judge (``graders``) or generate.

A file named ``…-correct`` or ``…-wrong``, as MathCoder's are, carries recorded verdicts; agreement with them is counted too.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_tools.answers.compare import Verdict
from data_tools.arguments import output_path
from data_tools.inputs import find_files, whole_file
from data_tools.parts import atomic_file
from data_tools.progress import Progress
from data_tools.rows import BadRow, RowReader
from megatron_mathcoder.config.errors import DataError
from megatron_mathcoder.evaluation.graders import Graded, Graders

BENCHMARKS = (
    "gsm8k",
    "svamp",
    "simuleq",
    "mathematics",
    "deepmind",
    "mmlu_stem",
    "mmlu_math",
    "olympiadbench",
    "ocw",
    "sat",
    "math",
)
"""Names looked for in a path, the more particular ones first."""
SHOWN_UNDECIDED = 10


@dataclass(frozen=True, slots=True)
class Recorded:
    """One row to judge. ``recorded`` is the verdict the file's name gives, None where it gives none."""

    file: str
    line: int
    gold: str
    text: str
    benchmark: str
    recorded: bool | None


def run(argv: list[str]) -> int:
    """Run ``mathcoder grade``."""
    parser = argparse.ArgumentParser(prog="mathcoder grade", description="Judge recorded answers; ends with one JSON object.")
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help=".jsonl, .jsonl.gz or .jsonl.zst with completion and ground_truth"
    )
    parser.add_argument("--grader", choices=Graders.NAMES, default="strict", help="default: %(default)s")
    parser.add_argument(
        "--json", action="store_true", help="print nothing but the JSON object; what is undecided goes to standard error"
    )
    parser.add_argument("--verdicts", type=output_path, metavar="FILE", help="write every verdict with its reason (JSONL)")
    parser.add_argument(
        "--disagreements", type=output_path, metavar="FILE", help="write the rows judged otherwise than recorded (JSONL)"
    )
    arguments = parser.parse_args(argv)
    for path in filter(None, (arguments.verdicts, arguments.disagreements)):
        path.parent.mkdir(parents=True, exist_ok=True)
    with Graders() as graders:
        rows, counts = _judged(arguments.files, graders, arguments.grader)
    for path, wanted in ((arguments.verdicts, rows), (arguments.disagreements, [row for row in rows if _disagrees(row)])):
        if path is not None:
            with atomic_file(path) as stream:
                stream.writelines(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in wanted)
    if not arguments.json:
        _print_summary(counts)
    _print_undecided(rows)
    print(json.dumps(counts))
    return 0


def _judged(files: list[str], graders: Graders, name: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    pieces = [whole_file(path) for path in find_files(files)]
    done = 0
    with Progress("grade", sum(piece.bytes for piece in pieces), "rows") as progress:
        for piece in pieces:
            reader = RowReader(piece)
            for item in _rows(piece.path, reader):
                graded = (
                    graders.grade(name, item.gold, item.text, item.benchmark) if isinstance(item, Recorded) else _unreadable(item)
                )
                rows.append(_record(piece.path, item, graded))
                progress.show(done + reader.bytes_read, len(rows))
            done += piece.bytes
    if not rows:
        raise DataError(f"{', '.join(piece.path for piece in pieces)}: no row in it; name a file of predictions")
    if all(row["gold"] is None for row in rows):
        first = f"{rows[0]['file']}:{rows[0]['line']}: {rows[0]['reason']}"
        raise DataError(f"{first}; of all {len(rows)} rows none can be; name a file of predictions")
    counts: dict[str, Any] = {"grader": name, "total": len(rows)}
    counts |= {status: sum(row["verdict"] == status for row in rows) for status in ("right", "wrong", "undecided")}
    if any(row["recorded"] for row in rows):
        counts["disagree"] = sum(map(_disagrees, rows))
        counts["agree"] = sum(row["recorded"] is not None for row in rows) - counts["disagree"]
    return rows, counts


def _unreadable(bad: BadRow) -> Graded:
    return Graded(Verdict("undecided", f"the row cannot be judged: {bad.reason}"), None)


def _record(path: str, item: Recorded | BadRow, graded: Graded) -> dict[str, Any]:
    known = isinstance(item, Recorded)
    recorded = item.recorded if isinstance(item, Recorded) else None
    return {
        "file": Path(path).name,
        "line": item.line,
        "gold": item.gold if known else None,  # type: ignore[union-attr]
        "answer": graded.answer,
        "verdict": graded.verdict.status,
        "reason": graded.verdict.reason,
        "recorded": None if recorded is None else "right" if recorded else "wrong",
    }


def _disagrees(row: dict[str, Any]) -> bool:
    return row["recorded"] is not None and row["recorded"] != row["verdict"]


def _rows(path: str, reader: RowReader) -> Iterator[Recorded | BadRow]:
    name = Path(path).name
    recorded = True if "-correct." in name else False if "-wrong." in name else None
    of_path = benchmark_of(path)
    for row in reader:
        if isinstance(row, BadRow):
            yield row
            continue
        text, gold = row.value.get("completion"), gold_of(row.value)
        if not isinstance(text, str) or gold is None:
            yield BadRow(row.line, "it needs completion (text) and ground_truth or gold (an answer)")
            continue
        yield Recorded(path, row.line, gold, text, str(row.value.get("benchmark", of_path)).lower(), recorded)


def gold_of(row: dict[str, Any]) -> str | None:
    """Return a row's gold answer: ``ground_truth`` as text, number, or an object with ``answer``."""
    gold = row.get("ground_truth", row.get("gold"))
    gold = gold.get("answer") if isinstance(gold, dict) else gold
    return str(gold) if isinstance(gold, str | int | float) else None


def benchmark_of(path: str) -> str:
    """Return the benchmark whose name is in the path, or ""; ``…/GSM8K/GSM8K_test_result.jsonl`` is ``gsm8k``."""
    places = Path(path).name.lower(), path.lower()
    return next((name for place in places for name in BENCHMARKS if name in place.replace("-", "_")), "")


def _print_summary(counts: dict[str, Any]) -> None:
    total = max(counts["total"], 1)
    shares = ", ".join(
        f"{counts[status]} {status} ({100 * counts[status] / total:.2f} %)" for status in ("right", "wrong", "undecided")
    )
    print(f"{counts['total']} rows by {counts['grader']}: {shares}")


def _print_undecided(rows: list[dict[str, Any]]) -> None:
    undecided = [row for row in rows if row["verdict"] == "undecided"]
    for row in undecided[:SHOWN_UNDECIDED]:
        print(f"undecided: {row['file']}:{row['line']}: {row['reason']}", file=sys.stderr)
    if len(undecided) > SHOWN_UNDECIDED:
        print(f"undecided: {len(undecided) - SHOWN_UNDECIDED} more; --verdicts FILE writes them all", file=sys.stderr)
