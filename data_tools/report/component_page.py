"""One component's part of the report.

Decides: what is shown of it, in which order: what it holds, the way through the stages, how its filter was learned, what was
dropped with samples, what is kept.
Does not: count (``survey.py``) or draw (``pictures.py``).
"""

from collections import Counter
from collections.abc import Sequence
from html import escape

from data_tools.report.pictures import bars, columns, flow, stacked_columns
from data_tools.report.rounds import Round
from data_tools.report.survey import SCORE_BINS, ComponentSurvey, StageSurvey
from data_tools.report.tables import cards, samples, table

TOP = 10
TABLE_THRESHOLDS = (0.1, 0.3, 0.5, 0.7, 0.9)


def component_section(component: ComponentSurvey, colour: str) -> str:
    """Return the section of a component."""
    content = component.content
    lengths = [(_length_label(power), content.lengths[power]) for power in sorted(content.lengths)]
    counted = "".join(
        _counted(title, counts, colour)
        for title, counts in (
            ("kinds", content.kinds),
            ("languages", content.languages),
            ("licences", content.licences),
            ("top domains", content.domains),
        )
    )
    parts = [
        f"<h2 style='border-color:{colour}'>{escape(component.name)}</h2>",
        cards(
            [
                ("documents", f"{content.documents:,}"),
                ("characters", f"{content.characters:,}"),
                ("tokens", tokens_text(component)),
                ("duplicates dropped", f"{component.duplicates:,}"),
                ("formulas", f"{content.formulas:,}"),
                ("formula recall of pages", recall_text(component)),
            ]
        ),
        "<h3>documents through the stages</h3>",
        flow([(stage.name, stage.documents, stage.dropped) for stage in component.stages], colour),
        *(_funnel(stage, colour) for stage in component.stages),
        "<h3>documents by length in characters</h3>",
        columns(lengths, colour),
        f"<div class='pair'>{counted}</div>",
        _rounds(component, colour),
        _drops(component.stages),
        f"<h3>samples</h3>{samples('kept at the end', content.samples)}",
    ]
    return f"<section id='{escape(component.name)}'>{''.join(parts)}</section>"


def tokens_text(component: ComponentSurvey) -> str:
    """Return the tokens under each tokenizer."""
    named = len(component.tokens) > 1
    counts = [f"{count:,} ({name})" if named else f"{count:,}" for name, count in component.tokens.items()]
    return ", ".join(counts) or "not tokenized"


def recall_text(component: ComponentSurvey) -> str:
    """Return the share of the pages' formulas that are in the text."""
    pages = component.content.formulas_in_pages
    return f"{component.content.formulas_kept / pages:.2%}" if pages else "no pages"


def _length_label(power: int) -> str:
    lower = 1 << (power - 1)
    return f"{lower}+" if lower < 1024 else f"{lower >> 10}k+" if lower < 1 << 20 else f"{lower >> 20}M+"


def _counted(title: str, counts: Counter[str], colour: str) -> str:
    total = counts.total()
    if not total:
        return ""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    rows = [(name, float(count), f"{count:,} ({count / total:.1%})") for name, count in ordered[:TOP]]
    more = f"<p>and {len(ordered) - TOP:,} more</p>" if len(ordered) > TOP else ""
    return f"<div><h3>{escape(title)}</h3>{bars(rows, colour)}{more}</div>"


def _funnel(stage: StageSurvey, colour: str) -> str:
    """Show what became of the computations, where a stage ran code."""
    funnel = stage.manifest.get("funnel")
    if not isinstance(funnel, dict) or stage.manifest.get("stage") != "execute":
        return ""
    rows = [(str(name), float(row["count"]), f"{row['count']:,}") for name, row in funnel.items() if isinstance(row, dict)]
    return f"<h3>computations, from documents to verified code</h3>{bars(rows, colour)}"


def _rounds(component: ComponentSurvey, colour: str) -> str:
    parts = [_round(each) for each in component.rounds]
    for stage in component.stages:
        bins, threshold = component.content.scores.get(stage.score_name), (stage.manifest.get("settings") or {}).get("threshold")
        if bins is None or not isinstance(threshold, int | float):
            continue
        rows = [(f"{index / SCORE_BINS:.2f}", bins[index], stage.scores[index]) for index in range(SCORE_BINS)]
        title = f"{stage.name}: scores of what is kept at the end, and in grey of what it dropped; threshold {threshold:.4f}"
        parts.append(f"<h3>{escape(title)}</h3>{stacked_columns(rows, colour, float(threshold))}")
    return "".join(parts)


def _round(found: Round) -> str:
    labels = ", ".join(f"{count:,} {label}" for label, count in found.labels.items())
    lost = f"; {found.without_label:,} without a label" if found.without_label else ""
    chosen, rows = found.evaluation.get("chosen") or {}, found.evaluation.get("table") or []
    rows = [row for row in rows if row["threshold"] in TABLE_THRESHOLDS] + ([chosen] if chosen else [])
    names = ("threshold", "precision", "recall", "f1", "kept")
    lines = [
        [f"{row[name]:.4f}" for name in names] + ["chosen" if row == chosen else ""]
        for row in sorted(rows, key=lambda row: row["threshold"])
    ]
    held_out, related = found.evaluation.get("held_out", 0), found.evaluation.get("held_out_related", 0)
    text = (
        f"Labels by {found.annotator}: {labels} ({found.related:,} related){lost}. Learned from {found.training:,} documents "
        f"({found.training_related:,} related), tested on {held_out:,} held out ({related:,} related)."
    )
    return f"<h3>filter round {found.number}</h3><p>{escape(text)}</p>{table([*names, ''], lines)}"


def _drops(stages: Sequence[StageSurvey]) -> str:
    parts = []
    for stage in stages:
        for kind, count in sorted(stage.reasons.items(), key=lambda item: (-item[1], item[0])):
            shown = [" ".join(f"{key}={value}" for key, value in row.items())[:400] for row in stage.samples.get(kind, [])]
            parts.append(samples(f"{stage.name}: {count:,} dropped: {kind}", shown))
    return f"<h3>dropped, by reason</h3>{''.join(parts)}" if parts else "<h3>dropped, by reason</h3><p>nothing</p>"
