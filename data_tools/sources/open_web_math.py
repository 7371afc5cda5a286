"""OpenWebMath: parquet files with ``url``, ``text``, ``date`` and ``metadata`` (JSON in a string).

Decides: ``metadata`` is opened, and of it only the number of formulas found and the place in the crawl are kept; the rest
describes the extraction that made the corpus. URL and date are in the provenance.
Does not: judge a document; the published pipeline lets a model do that (``mathcoder filter``).

Source of the layout: the dataset's card (open-web-math/open-web-math) and arXiv 2310.06786.
"""

import argparse
from typing import Any

import orjson

from data_tools.document import Document
from data_tools.sources.record_files import RecordFiles, add_row_arguments

NAME = "open_web_math"
add_arguments = add_row_arguments


def open_metadata(document: Document) -> Document:
    """Replace the string ``metadata`` by the parts of it that matter later."""
    metadata = dict(document.metadata)
    raw = metadata.pop("metadata", None)
    try:
        opened: Any = orjson.loads(raw) if isinstance(raw, str) else raw
    except orjson.JSONDecodeError:
        opened = {"unreadable_metadata": raw}
    if isinstance(opened, dict):
        extraction = opened.get("extraction_info")
        found = extraction.get("found_math") if isinstance(extraction, dict) else None
        kept = {"warc_path": opened.get("warc_path"), "found_math": found}
        metadata |= {key: value for key, value in kept.items() if value is not None}
        if "unreadable_metadata" in opened:
            metadata |= opened
    return Document(document.id, document.text, metadata)


def from_options(options: argparse.Namespace) -> RecordFiles:
    """Make the source."""
    return RecordFiles(options.inputs, "text", "id", options.workers, source=NAME, pattern=options.files, rule=open_metadata)
