"""The report: a table for the terminal, and one HTML file that needs nothing else.

Decides: what is shown: shares with their 95 % intervals, the other graders' shares, paired comparisons, and the items that a
model got wrong, the models side by side.
Does not: compute (``results``).
"""

import html
from typing import Any

from megatron_mathcoder.evaluation.benchmarks import BENCHMARKS
from megatron_mathcoder.evaluation.results import Judged, graders_of

SHOWN_FAILURES = 100
"""Per task; the predictions hold all."""
SHOWN_CHARACTERS = 2000

Results = dict[str, dict[str, dict[str, Any]]]
"""Model → task → its summary."""

_STYLE = """body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:76rem;padding:0 1rem;color:#1d2129}
table{border-collapse:collapse;margin:.5rem 0 1.5rem}td,th{border:1px solid #d5d8de;padding:.3rem
.6rem;text-align:left;vertical-align:top}
th{background:#f2f4f7}pre{white-space:pre-wrap;margin:0;font-size:12.5px;max-height:18rem;overflow:auto}.right{background:#e8f6ec}
.wrong{background:#fdecec}.undecided{background:#fff6dd}summary{cursor:pointer}.n{color:#667085}"""


def table(results: Results) -> str:
    """Return the results as text, one line a model and task."""
    head = ("model", "benchmark", "protocol", "items", "right", "95 % interval", "undecided", "cut off", "other graders")
    rows = [head]
    for model, tasks in results.items():
        for key, numbers in tasks.items():
            benchmark, protocol = key.split("/")
            low, high = numbers["interval_95"]
            others = ", ".join(f"{name} {share:.1%}" for name, share in list(numbers["graders"].items())[1:])
            rows.append((model, BENCHMARKS[benchmark].title, protocol, str(numbers["items"]), f"{numbers['share']:.1%}",
                         f"{low:.1%} to {high:.1%}", str(numbers["undecided"]), str(numbers["cut_off"]), others))  # fmt: skip
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def comparison_lines(comparisons: list[dict[str, Any]]) -> list[str]:
    """Return one line for each paired comparison."""
    return [
        f"{row['task']}: {row['first']} alone right {row['only_first']}, {row['second']} alone {row['only_second']}, "
        f"McNemar exact p = {row['p']:.3g}"
        for row in comparisons
    ]


def page(
    results: Results, judged: dict[str, dict[str, list[Judged]]], comparisons: list[dict[str, Any]], versions: dict[str, str]
) -> str:
    """Return the HTML report."""
    tasks = list(next(iter(results.values())))
    parts = [f"<!doctype html><meta charset=utf-8><title>Evaluation</title><style>{_STYLE}</style><h1>Evaluation</h1>"]
    parts.append(_scores(results))
    if comparisons:
        lines = "".join(f"<li>{_e(line)}" for line in comparison_lines(comparisons))
        parts.append(f"<h2>Paired comparisons</h2><ul>{lines}</ul>")
    for key in tasks:
        parts.append(_failures(key, {model: of_model[key] for model, of_model in judged.items()}))
    parts.append("<p class=n>" + _e(", ".join(f"{name} {version}" for name, version in versions.items())) + "</p>")
    return "\n".join(parts)


def _scores(results: Results) -> str:
    tasks = list(next(iter(results.values())))
    head = "".join(f"<th>{_e(BENCHMARKS[key.split('/')[0]].title)}<br><small>{_e(key.split('/')[1])}</small>" for key in tasks)
    rows = []
    for model, of_model in results.items():
        cells = "".join(f"<td>{_score(key, of_model[key])}" for key in tasks)
        rows.append(f"<tr><th>{_e(model)}{cells}")
    note = "Share right with its 95 % Wilson interval by the headline grader; below, the other graders."
    return f"<table><tr><th>model{head}{''.join(rows)}</table><p class=n>{note}</p>"


def _score(key: str, numbers: dict[str, Any]) -> str:
    low, high = numbers["interval_95"]
    lines = [f"<b>{numbers['share']:.1%}</b> <small>[{low:.1%}, {high:.1%}]</small>"]
    lines += [f"<small>{_e(name)} {numbers['graders'][name]:.1%}</small>" for name in graders_of(key.split("/")[0])[1:]]
    notes = [name for name in ("undecided", "failed", "cut_off") if numbers[name]]
    lines += [f"<small>{numbers[name]} {name.replace('_', ' ')}</small>" for name in notes]
    if "contaminated" in numbers:
        clean = "none clean" if numbers["clean_share"] is None else f"{numbers['clean_share']:.1%} of the clean"
        lines.append(f"<small>{numbers['contaminated']} contaminated, {clean}</small>")
    return "<br>".join([*lines, f"<small>{numbers['items']} items</small>"])


def _failures(key: str, by_model: dict[str, list[Judged]]) -> str:
    side_by_side = [of_models for of_models in zip(*by_model.values(), strict=True) if not all(each.right for each in of_models)]
    rows = "".join(map(_failure, side_by_side[:SHOWN_FAILURES]))
    head = "<tr><th>question<th>gold" + "".join(f"<th>{_e(model)}" for model in by_model)
    more = f", the first {SHOWN_FAILURES} shown" if len(side_by_side) > SHOWN_FAILURES else ""
    title = f"{_e(key)}: {len(side_by_side)} items not right for every model{more}"
    return f"<details><summary>{title}</summary><table>{head}{rows}</table></details>"


def _failure(of_models: tuple[Judged, ...]) -> str:
    row = of_models[0].row
    flag = " <small>contaminated</small>" if of_models[0].contaminated else ""
    question = f"<small>{_e(row['item'])}</small>{flag}<pre>{_e(row['question'])}</pre>"
    cells = "".join(f"<td class={_class(each)}>{_written(each)}" for each in of_models)
    return f"<tr><td>{question}<td><pre>{_e(row['ground_truth'])}</pre>{cells}"


def _class(judged: Judged) -> str:
    return "right" if judged.right else next(iter(judged.verdicts.values()))


def _written(judged: Judged) -> str:
    text = judged.row.get("text") or judged.row["completion"]
    cut = f"… {text[-SHOWN_CHARACTERS:]}" if len(text) > SHOWN_CHARACTERS else text
    verdicts = ", ".join(f"{name} {verdict}" for name, verdict in judged.verdicts.items())
    ended = "" if judged.row["ended"] == "answer" else f"; ended by {judged.row['ended']} {judged.row['error']}"
    return f"<pre>{_e(cut)}</pre><small>{_e(verdicts)}: {_e(judged.reason)}{_e(ended)}</small>"


def _e(text: object) -> str:
    return html.escape(str(text))
