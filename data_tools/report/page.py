"""The report as one HTML page that needs nothing beside it.

Decides: what is shown of all components together, its order and its style; the dates and versions are those of the data, so equal
data make equal pages.
Does not: show one component (``component_page.py``), count (``survey.py``) or draw (``pictures.py``).
"""

from collections.abc import Sequence
from html import escape

from data_tools.report.component_page import component_section, recall_text, tokens_text
from data_tools.report.pictures import COLOURS, shares
from data_tools.report.published import PUBLISHED_TOKENS
from data_tools.report.survey import ComponentSurvey
from data_tools.report.tables import cards, table

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2230; --dim: #667085; --line: #e3e6ec; --card: #f6f7f9; --page: #fff }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e8ee; --dim: #9aa3b5; --line: #2c3240; --card: #1b202b; --page: #12161e } }
body { font: 15px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--page); margin: 0 }
main { max-width: 62em; margin: 0 auto; padding: 1.5em 1.2em 5em }
h1 { font-size: 1.9em; margin: .6em 0 0 } h2 { margin: 2.6em 0 .6em; padding-left: .5em; border-left: 6px solid var(--line) }
h3 { font-size: 1em; margin: 1.6em 0 .4em; color: var(--dim); font-weight: 600 }
p.made { color: var(--dim); margin: .2em 0 1.2em }
nav { position: sticky; top: 0; background: var(--page); border-bottom: 1px solid var(--line); z-index: 1 }
nav div { max-width: 62em; margin: 0 auto; padding: .6em 1.2em; display: flex; flex-wrap: wrap; gap: .2em 1.2em; font-size: .9em }
nav a { color: inherit; text-decoration: none } nav a:hover { text-decoration: underline }
section, #all { scroll-margin-top: 4.5em }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(9em, 1fr)); gap: .7em; margin: .8em 0 }
.cards div { background: var(--card); border-radius: 8px; padding: .7em .9em }
.cards b { display: block; font-size: 1.25em; font-variant-numeric: tabular-nums } .cards span { color: var(--dim); font-size:
.85em } .pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(22em, 1fr)); gap: 0 2em } .wide { overflow-x:
auto } table { border-collapse: collapse; margin: .6em 0; font-size: .93em } td, th { padding: .35em .8em; border-bottom: 1px
solid var(--line); text-align: left } th { color: var(--dim); font-weight: 600 } td.n, th.n { text-align: right;
font-variant-numeric: tabular-nums } pre { background: var(--card); border-radius: 6px; padding: .7em; white-space: pre-wrap;
overflow-wrap: anywhere; font-size: .85em } svg { max-width: 100%; height: auto; display: block } details { margin: .35em 0 }
summary { cursor: pointer }
"""


def html_page(title: str, components: Sequence[ComponentSurvey]) -> str:
    """Return the whole page."""
    ordered = sorted(components, key=lambda each: _place(each.name))
    links = "".join(f"<a href='#{escape(each.name)}'>{escape(each.name)}</a>" for each in ordered)
    body = [
        f"<nav><div><a href='#all'><b>{escape(title)}</b></a>{links}</div></nav>",
        f"<main><h1 id='all'>{escape(title)}</h1><p class='made'>{escape(_made(ordered))}</p>",
        _overview(ordered),
        _composition(ordered),
        *(component_section(component, _colour(component.name, number)) for number, component in enumerate(ordered)),
        "</main>",
    ]
    head = (
        f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style>"
    )
    return f"<!DOCTYPE html><html lang='en'><head>{head}</head><body>{''.join(body)}</body></html>\n"


def _place(name: str) -> tuple[int, str]:
    names = list(PUBLISHED_TOKENS)
    return (names.index(name) if name in names else len(names), name)


def _colour(name: str, number: int) -> str:
    """Return a component's colour, which is that of its share in the composition."""
    place = _place(name)[0]
    return COLOURS[(place if place < len(PUBLISHED_TOKENS) else number) % len(COLOURS)]


def _made(components: Sequence[ComponentSurvey]) -> str:
    manifests = [stage.manifest for each in components for stage in each.stages]
    dates = sorted(str(manifest["created"])[:16].replace("T", " ") for manifest in manifests if manifest.get("created"))
    commits = sorted({str(manifest["git_commit"])[:12] for manifest in manifests if manifest.get("git_commit")})
    when = (
        f"data made {dates[0]}" + (f" to {dates[-1]}" if dates[-1] != dates[0] else "") + " UTC"
        if dates
        else "data without dates"
    )
    return f"{when}, by mathcoder at commit {', '.join(commits) or 'unknown'}"


def _overview(components: Sequence[ComponentSurvey]) -> str:
    contents = [each.content for each in components]
    kept, pages = sum(each.formulas_kept for each in contents), sum(each.formulas_in_pages for each in contents)
    numbers = [
        ("documents", f"{sum(each.documents for each in contents):,}"),
        ("characters", f"{sum(each.characters for each in contents):,}"),
        ("tokens", f"{sum(next(iter(each.tokens.values()), 0) for each in components):,}"),
        ("dropped by a stage", f"{sum(each.dropped for each in components):,}"),
        ("duplicates among them", f"{sum(each.duplicates for each in components):,}"),
        ("formula recall of pages", f"{kept / pages:.2%}" if pages else "no pages"),
    ]
    head = ["component", "documents", "characters", "tokens", "duplicates", "dropped", "formulas", "formula recall"]
    rows = []
    for each in components:
        counts = [each.content.documents, each.content.characters]
        after = [f"{each.duplicates:,}", f"{each.dropped:,}", f"{each.content.formulas:,}", recall_text(each)]
        rows.append([each.name, *(f"{count:,}" for count in counts), tokens_text(each), *after])
    return cards(numbers) + "<h2>All components</h2>" + table(head, rows)


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
    lines = table(["component", "published tokens", "share", f"{unit} here", "share"], rows)
    return f"<h2>MathCode-Pile as published, and here</h2>{picture}{lines}"
