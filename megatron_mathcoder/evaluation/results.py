"""From predictions to numbers: verdicts, shares with intervals, comparisons of models.

Decides: each prediction is judged by strict, by lenient and by the benchmark's published rule; what is undecided counts as not
right and is reported; two models are compared on the items both answered.
Does not: print or draw (``report``).
"""

import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from megatron_mathcoder.config.errors import DataError
from megatron_mathcoder.evaluation.benchmarks import BENCHMARKS
from megatron_mathcoder.evaluation.graders import Graders
from megatron_mathcoder.evaluation.predictions import Task
from megatron_mathcoder.evaluation.statistics import mcnemar_exact, wilson


@dataclass(frozen=True, slots=True)
class Judged:
    """A prediction with its verdicts by grader. ``contaminated`` is None where it is not known."""

    row: dict[str, Any]
    verdicts: dict[str, str]
    reason: str
    contaminated: bool | None

    @property
    def right(self) -> bool:
        """Whether the headline grader finds it right."""
        return self.verdicts[headline(self.row["benchmark"])] == "right"


def headline(benchmark: str) -> str:
    """Return the grader of a benchmark's headline number."""
    return BENCHMARKS[benchmark].grader


def graders_of(benchmark: str) -> tuple[str, ...]:
    """Return the graders a benchmark is judged by, the headline's first."""
    return tuple(dict.fromkeys((headline(benchmark), "lenient", BENCHMARKS[benchmark].published)))


def judge(
    task: Task, rows: dict[str, dict[str, Any]], graders: Graders, contaminated: set[tuple[str, str]] | None
) -> list[Judged]:
    """Return the judged predictions of a task's items, in their order."""
    judged = []
    for item in task.items:
        row = rows[task.row_id(item)]
        found = {name: graders.grade(name, item.gold, _text(task, row), task.entry.name) for name in graders_of(task.entry.name)}
        verdicts: dict[str, str] = {name: graded.verdict.status for name, graded in found.items()}
        known = None if contaminated is None else (task.entry.name, item.id) in contaminated
        judged.append(Judged(row, verdicts, found[headline(task.entry.name)].verdict.reason, known))
    return judged


def _text(task: Task, row: dict[str, Any]) -> str:
    if task.protocol.style == "letter" and row["completion"]:
        # A letter chosen by likelihood is an answer; written out, every grader finds it.
        return f"The final answer is ({row['completion']}). I hope it is correct."
    return str(row["completion"])


def summary(judged: list[Judged]) -> dict[str, Any]:
    """Return a task's numbers as JSON data."""
    benchmark, total = judged[0].row["benchmark"], len(judged)
    right = sum(each.right for each in judged)
    low, high = wilson(right, total)
    numbers: dict[str, Any] = {"benchmark": benchmark, "items": total, "right": right, "share": right / total}
    numbers["interval_95"] = [low, high]
    numbers["undecided"] = sum(each.verdicts[headline(benchmark)] == "undecided" for each in judged)
    numbers["failed"] = sum(each.row["ended"] == "failed" for each in judged)
    numbers["cut_off"] = sum(each.row["ended"] == "length" for each in judged)
    numbers["graders"] = {name: sum(each.verdicts[name] == "right" for each in judged) / total for name in graders_of(benchmark)}
    if all(each.contaminated is not None for each in judged):
        clean = [each.right for each in judged if not each.contaminated]
        numbers["contaminated"] = total - len(clean)
        numbers["clean_share"] = sum(clean) / len(clean) if clean else None
    return numbers


def comparisons(by_model: dict[str, dict[str, list[Judged]]]) -> list[dict[str, Any]]:
    """Return, for each pair of models and each task of both, who alone was right how often, and McNemar's exact p."""
    found = []
    for first, second in itertools.combinations(by_model, 2):
        for key in by_model[first]:
            pairs = list(zip(by_model[first][key], by_model[second][key], strict=True))
            alone = sum(a.right and not b.right for a, b in pairs), sum(b.right and not a.right for a, b in pairs)
            row = {"first": first, "second": second, "task": key, "only_first": alone[0], "only_second": alone[1]}
            found.append(row | {"p": mcnemar_exact(*alone)})
    return found


def not_clearly_best(name: str, by_model: dict[str, dict[str, dict[str, Any]]]) -> list[str]:
    """Return why the model ``name`` is not clearly the best, one line for each task and model whose interval its own touches.

    Takes summaries by model and task. Intervals that do not touch are more than a test at 5 % asks for.
    """
    found = []
    for key, numbers in by_model[name].items():
        for other, tasks in by_model.items():
            low, high = numbers["interval_95"][0], tasks[key]["interval_95"][1]
            if other != name and low <= high:
                found.append(f"{key}: the interval of {name} begins at {low:.1%}, that of {other} ends at {high:.1%}")
    return found


def read_contamination(path: str) -> set[tuple[str, str]] | None:
    """Return (benchmark, id) of the contaminated items a file lists, None for no file.

    Raises DataError: the file cannot be read, or a row lacks one of the two.
    """
    if not path:
        return None
    try:
        # Not by splitlines, to which a separator within a string is the end of a line.
        rows = [json.loads(line) for line in Path(path).read_bytes().split(b"\n") if line.strip()]
        return {(str(row["benchmark"]), str(row["id"])) for row in rows}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"evaluation.contamination = {path!r}: {error}; give JSONL rows with benchmark and id") from None
