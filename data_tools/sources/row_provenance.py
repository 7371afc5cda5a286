"""Finds in a row of somebody's corpus where its text came from.

Decides: under which names corpora keep URL, date and licence, at the top of a row or in a ``metadata`` or ``meta`` field,
which may be an object or JSON in a string (OpenWebMath).
Does not: remove anything from the row; it is all carried as metadata too.
"""

from collections.abc import Iterator
from typing import Any

import orjson

_NAMES = {
    "url": ("url", "source_url", "uri", "warc_target_uri", "link"),
    "date": ("date", "timestamp", "crawl_date", "fetch_time", "created"),
    "licence": ("licence", "license", "licenses", "max_stars_repo_licenses"),
}
_NESTED = ("metadata", "meta")
_TELLING = frozenset((*_NESTED, *(name for names in _NAMES.values() for name in names)))


def known_origin(row: dict[str, Any]) -> dict[str, str]:
    """Return those of ``url``, ``date`` and ``licence`` that ``row`` has, as text."""
    if _TELLING.isdisjoint(row):
        return {}
    levels = list(_levels(row))
    found: dict[str, str] = {}
    for key, names in _NAMES.items():
        for value in (level[name] for level in levels for name in names if level.get(name)):
            found[key] = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            break
    return found


def _levels(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield row
    for name in _NESTED:
        value = row.get(name)
        if isinstance(value, str) and value.startswith("{"):
            try:
                value = orjson.loads(value)
            except orjson.JSONDecodeError:
                continue
        if isinstance(value, dict):
            yield value
