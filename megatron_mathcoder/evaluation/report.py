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

_STYLE = """body{font:15px/1.45 system-ui,sans-serif;margin:2.5rem auto;max-width:72rem;padding:0 1.5rem;color:#1d2129}
h1{margin-bottom:.2rem}h2{margin:2.2rem 0 .6rem;font-size:1.15rem}.n{color:#667085;font-size:12.5px}
table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #e4e7ec;padding:.55rem .7rem;text-align:left;
vertical-align:top}thead th{border-bottom:2px solid #c9ced6;font-weight:600}td.r,th.r{text-align:right}b{font-size:1.05rem}
.bar{position:relative;height:7px;border-radius:4px;background:#eef0f3;margin:.3rem 0;min-width:9rem}
.bar i{position:absolute;height:7px;border-radius:4px;background:#9db8e8}.bar u{position:absolute;width:3px;height:13px;top:-3px;
background:#1f4fa3}pre{white-space:pre-wrap;overflow-wrap:anywhere;margin:0;font-size:12.5px;max-height:18rem;overflow:auto}
.right{background:#e8f6ec}.wrong{background:#fdecec}.undecided{background:#fff6dd}
details{border:1px solid #e4e7ec;border-radius:8px;margin:.5rem 0;padding:.5rem .9rem}summary{cursor:pointer}
details table{margin-top:.6rem;table-layout:fixed}"""


def table(results: Results) -> str:
    """Return the results as text, one line a model and task."""
    head = ("model", "benchmark", "protocol", "items", "right", "95 % interval",
            "undecided", "failed", "cut off", "other graders")  # fmt: skip
    rows = [head]
    for model, tasks in results.items():
        for key, numbers in tasks.items():
            low, high = numbers["interval_95"]
            others = ", ".join(f"{name} {share:.1%}" for name, share in list(numbers["graders"].items())[1:])
            rows.append((model, *_names(key), str(numbers["items"]), f"{numbers['share']:.1%}",
                         f"{low:.1%} to {high:.1%}", str(numbers["undecided"]), str(numbers["failed"]),
                         str(numbers["cut_off"]), others))  # fmt: skip
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def _names(key: str) -> tuple[str, str]:
    """Return what a task's benchmark is called, by its label or else its title, and its protocol."""
    label, protocol = key.rsplit("/", 1)
    return (BENCHMARKS[label].title if label in BENCHMARKS else label), protocol


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
    parts.append(f"<p class=n>{_e(', '.join(f'{name} {version}' for name, version in versions.items()))}</p>")
    parts.append(_scores(results))
    if comparisons:
        parts.append(_comparisons(comparisons))
    parts.append("<h2>Items that a model got wrong</h2>")
    for key in tasks:
        parts.append(_failures(key, {model: of_model[key] for model, of_model in judged.items()}))
    return "\n".join(parts)


def _scores(results: Results) -> str:
    """Return a table with a row a task and a column a model."""
    first = next(iter(results.values()))
    head = "".join(f"<th>{_e(model)}" for model in results)
    rows = "".join(
        f"<tr><td>{_task(key)}<td class=r>{first[key]['items']:,}"
        + "".join(f"<td>{_score(of_model[key])}" for of_model in results.values())
        for key in first
    )
    note = "Share right by the headline grader with its 95 % Wilson interval (band); below it the shares by the other graders."
    return f"<table><thead><tr><th>benchmark<th class=r>items{head}</thead>{rows}</table><p class=n>{note}</p>"


def _task(key: str, between: str = "<br>") -> str:
    title, protocol = _names(key)
    return f"<b>{_e(title)}</b>{between}<span class=n>{_e(protocol)}</span>"


def _score(numbers: dict[str, Any]) -> str:
    low, high = numbers["interval_95"]
    share = f"<b>{numbers['share']:.1%}</b> <span class=n>{low:.1%} to {high:.1%}</span>"
    band = f"<i style='left:{100 * low:.1f}%;width:{100 * (high - low):.1f}%'></i>"
    bar = f"<div class=bar>{band}<u style='left:calc({100 * numbers['share']:.1f}% - 1px)'></u></div>"
    notes = [f"{name} {numbers['graders'][name]:.1%}" for name in graders_of(numbers["benchmark"])[1:]]
    notes += [f"{numbers[name]} {name.replace('_', ' ')}" for name in ("undecided", "failed", "cut_off") if numbers[name]]
    if "contaminated" in numbers:
        clean = "none clean" if numbers["clean_share"] is None else f"{numbers['clean_share']:.1%} of the clean"
        notes.append(f"{numbers['contaminated']} contaminated, {clean}")
    return f"{share}{bar}<span class=n>{_e(' · '.join(notes))}</span>"


def _comparisons(comparisons: list[dict[str, Any]]) -> str:
    rows = "".join(
        f"<tr><td>{_task(row['task'], ' ')}<td>{_e(row['first'])}<td class=r>{row['only_first']}<td>{_e(row['second'])}"
        f"<td class=r>{row['only_second']}<td class=r>{row['p']:.3g}"
        for row in comparisons
    )
    head = "<th>benchmark<th>model<th class=r>alone right<th>model<th class=r>alone right<th class=r>p (McNemar, exact)"
    return f"<h2>Paired comparisons</h2><table><thead><tr>{head}</thead>{rows}</table>"


def _failures(key: str, by_model: dict[str, list[Judged]]) -> str:
    side_by_side = [of_models for of_models in zip(*by_model.values(), strict=True) if not all(each.right for each in of_models)]
    rows = "".join(map(_failure, side_by_side[:SHOWN_FAILURES]))
    head = "<tr><th style='width:34%'>question<th style='width:12%'>gold" + "".join(f"<th>{_e(model)}" for model in by_model)
    more = f", the first {SHOWN_FAILURES} shown" if len(side_by_side) > SHOWN_FAILURES else ""
    name = "{} ({})".format(*_names(key))
    title = f"{_e(name)}: {len(side_by_side)} items not right for every model{more}"
    return f"<details><summary>{title}</summary><table>{head}{rows}</table></details>"


def _failure(of_models: tuple[Judged, ...]) -> str:
    row = of_models[0].row
    flag = " <span class=n>contaminated</span>" if of_models[0].contaminated else ""
    question = f"<span class=n>{_e(row['item'])}</span>{flag}<pre>{_e(row['question'])}</pre>"
    cells = "".join(f"<td class={_class(each)}>{_written(each)}" for each in of_models)
    return f"<tr><td>{question}<td><pre>{_e(row['ground_truth'])}</pre>{cells}"


def _class(judged: Judged) -> str:
    return "right" if judged.right else next(iter(judged.verdicts.values()))


def _written(judged: Judged) -> str:
    text = judged.row.get("text") or judged.row["completion"]
    cut = f"… {text[-SHOWN_CHARACTERS:]}" if len(text) > SHOWN_CHARACTERS else text
    verdicts = ", ".join(f"{name} {verdict}" for name, verdict in judged.verdicts.items())
    ended = "" if judged.row["ended"] == "answer" else f"; ended by {judged.row['ended']} {judged.row['error']}"
    return f"<pre>{_e(cut)}</pre><span class=n>{_e(verdicts)}: {_e(judged.reason)}{_e(ended)}</span>"


def _e(text: object) -> str:
    return html.escape(str(text))
