"""Pieces of HTML that the report's parts share: tables, cards of numbers, samples of text.

Decides: that text from documents is escaped, and numbers stand to the right.
Does not: know what is shown.
"""

from collections.abc import Iterable, Sequence
from html import escape


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; a column of numbers stands to the right, its title too."""
    titles = "".join(_cell("th", name, any(_is_number(row[place]) for row in rows)) for place, name in enumerate(head))
    lines = "".join(f"<tr>{''.join(_cell('td', text, _is_number(text)) for text in row)}</tr>" for row in rows)
    return f"<div class='wide'><table><tr>{titles}</tr>{lines}</table></div>"


def _cell(tag: str, text: str, right: bool) -> str:
    return f"<{tag} class='n'>{escape(text)}</{tag}>" if right else f"<{tag}>{escape(text)}</{tag}>"


def _is_number(text: str) -> bool:
    return text.replace(",", "").rstrip("%").replace(".", "", 1).isdigit()


def cards(numbers: Iterable[tuple[str, str]]) -> str:
    """Return numbers with their names, side by side."""
    made = "".join(f"<div><b>{escape(value)}</b><span>{escape(name)}</span></div>" for name, value in numbers)
    return f"<div class='cards'>{made}</div>"


def samples(title: str, texts: Sequence[str]) -> str:
    """Return texts that open under their title."""
    body = "".join(f"<pre>{escape(text)}</pre>" for text in texts)
    return f"<details><summary>{escape(title)}</summary>{body}</details>" if texts else f"<p>{escape(title)}</p>"
