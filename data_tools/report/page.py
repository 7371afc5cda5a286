"""The report as one HTML page that needs nothing beside it.

Decides: what is shown, in which order, and that text from documents is escaped.
Does not: count (``survey.py``) or draw (``pictures.py``).
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from data_tools.report.pictures import COLOURS, bars, columns, shares
from data_tools.report.published import PUBLISHED_TOKENS
from data_tools.report.survey import ComponentSurvey, StageSurvey

TOP = 10
_STYLE = """
body { font: 15px/1.5 sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; color: #222 }
table { border-collapse: collapse; margin: .8em 0 } td, th { padding: .2em .8em; border-bottom: 1px solid #ddd; text-align: left }
td.n { text-align: right; font-variant-numeric: tabular-nums }
pre { background: #f5f5f5; padding: .6em; white-space: pre-wrap; overflow-wrap: anywhere }
h2 { margin-top: 2em; border-top: 2px solid #ccc; padding-top: .5em }
svg { max-width: 100%; height: auto } details { margin: .4em 0 }
"""


def html_page(title: str, components: Sequence[ComponentSurvey], version: dict[str, Any]) -> str:
    """Return the whole page."""
    made = f"made {version['created']} by mathcoder {version['mathcoder_version']}, commit {version['git_commit'] or 'unknown'}"
    body = [f"<h1>{escape(title)}</h1><p>{escape(made)}</p>", _overview(components), _composition(components)]
    body += [_component(component, COLOURS[index % len(COLOURS)]) for index, component in enumerate(components)]
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    return f"<!DOCTYPE html><html lang='en'><head>{head}</head><body>{''.join(body)}</body></html>\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    def cell(text: str) -> str:
        number = text.replace(",", "").rstrip("%").replace(".", "", 1).isdigit()
        return f"<td class='n'>{escape(text)}</td>" if number else f"<td>{escape(text)}</td>"

    lines = "".join(f"<tr>{''.join(map(cell, row))}</tr>" for row in rows)
    return f"<table><tr>{''.join(f'<th>{escape(name)}</th>' for name in head)}</tr>{lines}</table>"


def _overview(components: Sequence[ComponentSurvey]) -> str:
    head = ["component", "documents", "characters", "tokens", "duplicates", "dropped", "formulas", "formula recall"]
    rows = []
    for each in components:
        dropped = sum(stage.dropped for stage in each.stages)
        counts = [each.content.documents, each.content.characters]
        after = [f"{each.duplicates:,}", f"{dropped:,}", f"{each.content.formulas:,}", _recall(each)]
        rows.append([each.name, *(f"{count:,}" for count in counts), _tokens(each), *after])
    return "<h2>All components</h2>" + _table(head, rows)


def _tokens(component: ComponentSurvey) -> str:
    named = len(component.tokens) > 1
    counts = [f"{count:,} ({name})" if named else f"{count:,}" for name, count in component.tokens.items()]
    return ", ".join(counts) or "not tokenized"


def _recall(component: ComponentSurvey) -> str:
    pages = component.content.formulas_in_pages
    return f"{component.content.formulas_kept / pages:.2%}" if pages else "no pages"


def _composition(components: Sequence[ComponentSurvey]) -> str:
    """Put the published shares beside ours: by tokens where all are tokenized, else by characters."""
    used = [each for each in components if each.content.documents]
    by_tokens = bool(used) and all(each.tokens for each in used)
    unit = "tokens" if by_tokens else "characters"
    ours = {each.name: next(iter(each.tokens.values())) if by_tokens else each.content.characters for each in used}
    names = [*PUBLISHED_TOKENS, *(name for name in ours if name not in PUBLISHED_TOKENS)]
    total, all_published = sum(ours.values()) or 1, sum(PUBLISHED_TOKENS.values())
    rows = [
        [
            name,
            f"{PUBLISHED_TOKENS.get(name, 0):,}",
            f"{PUBLISHED_TOKENS.get(name, 0) / all_published:.1%}",
            f"{ours.get(name, 0):,}",
            f"{ours.get(name, 0) / total:.1%}",
        ]
        for name in names
    ]
    rows.append(["total", f"{all_published:,}", "100.0%", f"{sum(ours.values()):,}", "100.0%"])
    published = [PUBLISHED_TOKENS.get(name, 0) for name in names]
    picture = shares([("published", published), ("here", [ours.get(name, 0) for name in names])], names)
    table = _table(["component", "published tokens", "share", f"{unit} here", "share"], rows)
    return f"<h2>MathCode-Pile as published, and here</h2>{picture}{table}"


def _component(component: ComponentSurvey, colour: str) -> str:
    content = component.content
    lengths = [(_length_label(power), content.lengths[power]) for power in sorted(content.lengths)]
    summary = (
        f"{content.documents:,} documents, {content.characters:,} characters, tokens: {_tokens(component)}. "
        f"{component.duplicates:,} duplicates dropped. Formulas: {content.formulas:,}; "
        f"formula recall of pages: {_recall(component)}."
    )
    parts = [
        f"<h2>{escape(component.name)}</h2><p>{escape(summary)}</p>",
        columns(lengths, "documents by length in characters", colour),
        _stages(component.stages),
        _counted("kinds", content.kinds, colour),
        _counted("languages", content.languages, colour),
        _counted("licences", content.licences, colour),
        _counted("top domains", content.domains, colour),
        _samples("Samples of what is kept", content.samples),
    ]
    return "".join(parts)


def _length_label(power: int) -> str:
    lower = 1 << (power - 1)
    return f"{lower}+" if lower < 1024 else f"{lower >> 10}k+" if lower < 1 << 20 else f"{lower >> 20}M+"


def _stages(stages: Sequence[StageSurvey]) -> str:
    rows = [[stage.name, f"{stage.documents_in:,}", f"{stage.documents:,}", f"{stage.dropped:,}"] for stage in stages]
    parts = [_table(["stage", "documents in", "out", "dropped"], rows)]
    for stage in stages:
        for kind, count in sorted(stage.reasons.items(), key=lambda item: -item[1]):
            shown = [" ".join(f"{key}={value}" for key, value in row.items())[:400] for row in stage.samples.get(kind, [])]
            parts.append(_samples(f"{stage.name}: {count:,} dropped: {kind}", shown))
    return "".join(parts)


def _samples(title: str, texts: Sequence[str]) -> str:
    body = "".join(f"<pre>{escape(text)}</pre>" for text in texts)
    return f"<details><summary>{escape(title)}</summary>{body}</details>" if texts else f"<p>{escape(title)}</p>"


def _counted(title: str, counts: Counter[str], colour: str) -> str:
    total = counts.total()
    if not total:
        return ""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    rows = [(name, float(count), f"{count:,} ({count / total:.1%})") for name, count in ordered[:TOP]]
    more = f"<p>and {len(ordered) - TOP:,} more</p>" if len(ordered) > TOP else ""
    return f"<h3>{escape(title)}</h3>{bars(rows, colour)}{more}"
