"""Web archives (WARC, as Common Crawl publishes them): every HTML response is a document, formulas as LaTeX.

Decides: a response of status 200 whose type is HTML is read as ``web_page.py`` reads a saved page; plain text of a WET file is
taken as it is. Other records are passed over and only counted. URL and date come from the record.
Does not: render pages. A damaged archive gives what stands before the damage, and one dropped row with the place.

A record's payload is taken out of its encodings (``http_body.py``); no more than ``web_page.MAX_BYTES`` of it are read.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastwarc.warc import ArchiveIterator, WarcRecordType

from data_tools.arguments import add_inputs
from data_tools.document import Document, Dropped
from data_tools.formulas.find import count_formulas
from data_tools.in_hand import in_hand
from data_tools.inputs import find_files
from data_tools.reading_limit import ReadingStopped, reading_limit
from data_tools.sources.http_body import decoded_body
from data_tools.sources.web_page import MAX_BYTES, read_page
from data_tools.stage import scan_inputs
from megatron_mathcoder.config.errors import one_line

NAME = "warc"
SUFFIXES = (".warc", ".warc.gz", ".warc.zst", ".warc.wet.gz", ".warc.wet")
NOT_A_PAGE = "not a page"
PAGE_SECONDS = 60.0
_HTML = ("text/html", "application/xhtml+xml", "application/xhtml")


@dataclass(frozen=True, slots=True)
class WarcSlice:
    """One archive; it can only be read from its beginning."""

    path: str
    bytes: int

    def documents(self, report_bytes: Callable[[int], None]) -> Iterator[Document | Dropped]:
        """Yield an item for each response and each plain text; requests and metadata of the crawl are none."""
        number = 0
        try:
            with Path(self.path).open("rb") as stream:
                kinds = WarcRecordType.response | WarcRecordType.resource | WarcRecordType.conversion
                for record in ArchiveIterator(stream, record_types=kinds, parse_http=True, auto_decode="none"):
                    number += 1
                    yield self._read(record, number)
                    report_bytes(stream.tell())
        except (OSError, ValueError, EOFError, RuntimeError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            yield Dropped(f"{self.path}:{number + 1}", f"unreadable file: {one_line(error)}", self.path, number + 1)
            return
        if number == 0:
            yield Dropped(self.path, "no documents in file", self.path, 0)

    def _read(self, record: Any, number: int) -> Document | Dropped:
        url = record.headers.get("WARC-Target-URI") or ""
        identity = (record.headers.get("WARC-Record-ID") or "").strip("<>") or f"{self.path}:{number}"
        try:
            with reading_limit(PAGE_SECONDS), in_hand(f"{self.path}:{number}"):
                return self._document(record, number, identity, url)
        except ReadingStopped as stopped:
            return Dropped(identity, f"reading stopped: {stopped}", self.path, number)
        except (ValueError, LookupError, RecursionError, MemoryError, EOFError) as error:
            return Dropped(identity, f"unreadable content: {type(error).__name__}: {one_line(error)}", self.path, number)

    def _document(self, record: Any, number: int, identity: str, url: str) -> Document | Dropped:
        place = {"source": NAME, "file": self.path, "line": number, "url": url, "date": record.headers.get("WARC-Date") or ""}
        if record.record_type == WarcRecordType.conversion:
            raw = record.reader.read(MAX_BYTES + 1)
            if len(raw) > MAX_BYTES:
                raise ValueError(f"page too large: over {MAX_BYTES} bytes")
            text = raw.decode("utf-8", errors="replace").replace("\0", "").strip()
            if not text:
                raise ValueError("page without text")
            language = (record.headers.get("WARC-Identified-Content-Language") or "").split(",")[0]
            return Document(
                identity,
                text + "\n",
                {"kind": "web_text", "language": language, "formulas": count_formulas(text), "provenance": place},
            )
        status = record.http_headers.status_code if record.http_headers is not None else 200
        kind = (record.http_content_type or record.headers.get("Content-Type") or "").split(";")[0].strip().lower()
        if status != 200 or kind not in _HTML:
            return Dropped(identity, f"{NOT_A_PAGE}: status {status}, type {kind or 'unknown'}", self.path, number)
        headers = record.http_headers or {}
        encodings = (headers.get("Transfer-Encoding") or "", headers.get("Content-Encoding") or "")
        page = read_page(decoded_body(record.reader.read(MAX_BYTES + 1), *encodings, MAX_BYTES), record.http_charset)
        origin = {key: value for key, value in page.origin.items() if key == "licence" or not place.get(key)}
        return Document(identity, page.text, {**page.metadata, "provenance": place | origin})


class WarcFiles:
    """Source of the archives in ``inputs``. Raises DataError when they cannot be found."""

    def __init__(self, inputs: list[str], workers: int) -> None:
        files = scan_inputs(find_files(inputs, SUFFIXES), workers)
        self.settings: dict[str, Any] = {"source": NAME}
        self.inputs = [file.manifest_entry() for file in files]
        self.choices = frozenset({NOT_A_PAGE})
        self.slices = [WarcSlice(file.path, file.bytes) for file in files]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add INPUT."""
    add_inputs(parser, f"{', '.join(SUFFIXES)} files or folders of them")


def from_options(options: argparse.Namespace) -> WarcFiles:
    """Make the source."""
    return WarcFiles(options.inputs, options.workers)
