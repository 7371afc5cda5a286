"""A Jupyter notebook as text: prose as it is, code in fenced blocks, the text that code printed after it.

Decides: cells in their order; Markdown and raw cells as they stand; outputs only as plain text, at most
``MAX_OUTPUT_CHARACTERS`` of each; pictures, HTML and error traces are left out. Formats 3 and 4 are read.
Does not: run anything, or repair a notebook that is not JSON.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

MAX_OUTPUT_CHARACTERS = 2000
MAX_HEADING = 6


@dataclass(frozen=True, slots=True)
class Notebook:
    """The text of a notebook, its code alone (cells joined by blank lines), and its language (lower case)."""

    text: str
    code: str
    language: str


def read_notebook(raw: bytes) -> Notebook:
    """Read an ``.ipynb`` file. Raises ValueError: not JSON, or JSON of another kind."""
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    try:
        notebook = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        notebook = _written_by_jupyter(raw)
        if notebook is None:
            raise ValueError(f"notebook is not JSON: {error}") from None
    if not isinstance(notebook, dict):
        raise ValueError(f"notebook is a JSON {type(notebook).__name__}, not an object")
    cells = _cells(notebook)
    if cells is None:
        raise ValueError("notebook has no list of cells")
    language = _language(notebook)
    return Notebook("\n\n".join(_rendered(cells, language)), "\n\n".join(_code(cells)), language)


def _written_by_jupyter(raw: bytes) -> Any:
    """Return what Python's reader makes of a notebook: it knows the ``NaN`` and the halves of characters that Jupyter writes."""
    try:
        return json.loads(raw.decode())
    except (ValueError, RecursionError):
        return None


def _cells(notebook: dict[str, Any]) -> list[dict[str, Any]] | None:
    cells = notebook.get("cells")
    if cells is None and isinstance(notebook.get("worksheets"), list):
        sheets = [sheet for sheet in notebook["worksheets"] if isinstance(sheet, dict)]
        cells = [cell for sheet in sheets for cell in _list(sheet.get("cells"))]
    return [cell for cell in cells if isinstance(cell, dict)] if isinstance(cells, list) else None


def _language(notebook: dict[str, Any]) -> str:
    metadata = notebook.get("metadata")
    for key in ("language_info", "kernelspec"):
        known = metadata.get(key) if isinstance(metadata, dict) else None
        name = (known.get("name") if key == "language_info" else known.get("language")) if isinstance(known, dict) else None
        if isinstance(name, str) and name:
            return _joined(name).lower().removesuffix("3").removesuffix("2")
    return "python"


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _joined(value: Any) -> str:
    """Return text that the format keeps as one string or as a list of lines; half a character becomes U+FFFD."""
    text = value if isinstance(value, str) else "".join(line for line in _list(value) if isinstance(line, str))
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _source(cell: dict[str, Any]) -> str:
    return _joined(cell.get("source", cell.get("input", ""))).strip("\n")


def _code(cells: list[dict[str, Any]]) -> Iterator[str]:
    yield from (_source(cell) for cell in cells if cell.get("cell_type") == "code")


def _rendered(cells: list[dict[str, Any]], language: str) -> Iterator[str]:
    for cell in cells:
        source = _source(cell)
        if not source.strip():
            continue
        if cell.get("cell_type") != "code":
            level = cell.get("level") if cell.get("cell_type") == "heading" else None
            yield f"{'#' * min(level, MAX_HEADING)} {source}" if isinstance(level, int) and level > 0 else source
            continue
        yield f"```{language}\n{source}\n```"
        printed = "\n".join(filter(None, map(_printed, _list(cell.get("outputs"))))).strip()
        if printed:
            yield f"```output\n{printed}\n```"


def _printed(output: Any) -> str:
    if not isinstance(output, dict) or output.get("output_type") in ("error", "pyerr"):
        return ""
    data = output.get("data")
    plain = data.get("text/plain") if isinstance(data, dict) else output.get("text")
    text = _joined(plain).strip("\n")
    if text.startswith("<") and text.endswith(">"):
        # ``<matplotlib.figure.Figure at 0x…>``: what a picture prints.
        return ""
    return text if len(text) <= MAX_OUTPUT_CHARACTERS else text[:MAX_OUTPUT_CHARACTERS].rsplit("\n", 1)[0] + "\n…"
