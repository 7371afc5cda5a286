"""Corpora whose documents are rows: JSONL (plain, gzip, zstd) and parquet files with a text field.

Decides: what of a row becomes the document (text, id, the rest as metadata) and what its provenance says.
Does not: change the text, or judge it. A corpus with rules of its own brings a ``RowRule``. What cannot be read is dropped with
file, line and reason.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from data_tools.arguments import INPUT_HELP, add_inputs, add_row_fields
from data_tools.document import Document, Dropped
from data_tools.inputs import SUFFIXES, InputSlice, find_files
from data_tools.row_fields import check_id_field, check_text_field, keys_of, text_of, value_at
from data_tools.rows import BadRow, Row, RowReader
from data_tools.sources.row_provenance import known_origin
from data_tools.stage import scan_inputs
from megatron_mathcoder.config.errors import DataError

NAME = "record_files"
ID_FIELD = "id"


class RowRule(Protocol):
    """What a corpus does with the document that a row gives; picklable."""

    def __call__(self, document: Document) -> Document | str:
        """Return the document, changed or not, or the reason why it is dropped."""


@dataclass(frozen=True, slots=True)
class RecordSlice:
    """A slice of one file, with the names of the fields to read."""

    piece: InputSlice
    source: str
    text_field: str
    id_field: str
    rule: RowRule | None = None

    @property
    def bytes(self) -> int:
        """Size of the slice on disk."""
        return self.piece.bytes

    def documents(self, report_bytes: Callable[[int], None]) -> Iterator[Document | Dropped]:
        """Yield one item per row that is not blank."""
        reader = RowReader(self.piece)
        for row in reader:
            yield self._document_or_dropped(row)
            report_bytes(reader.bytes_read)

    def _document_or_dropped(self, row: Row | BadRow) -> Document | Dropped:
        place = f"{self.piece.path}:{row.line}"
        if isinstance(row, BadRow):
            return Dropped(place, row.reason, self.piece.path, row.line)
        text = text_of(row, self.text_field)
        if isinstance(text, BadRow):
            return Dropped(place, text.reason, self.piece.path, row.line)
        document = self._document(row, text, place)
        kept = document if self.rule is None else self.rule(document)
        return Dropped(document.id, kept, self.piece.path, row.line) if isinstance(kept, str) else kept

    def _document(self, row: Row, text: str, place: str) -> Document:
        rest = _without(row.value, keys_of(row.value, self.text_field))
        id_keys = keys_of(rest, self.id_field)
        given_id = value_at(rest, id_keys)
        if given_id is not None or self.id_field in rest:
            rest = _without(rest, id_keys)
        # A document that comes out of another stage keeps its metadata where it was, provenance included.
        metadata: dict[str, Any] = rest.pop("metadata") if isinstance(rest.get("metadata"), dict) else {}
        metadata = {**rest, **metadata}
        if not isinstance(given := metadata.get("provenance"), dict):
            here = {"source": self.source, "file": self.piece.path, "line": row.line}
            metadata["provenance"] = here | known_origin(metadata) | ({} if given is None else {"given": given})
        return Document(place if given_id in (None, "") else str(given_id), text, metadata)


def _without(value: dict[str, Any], keys: list[str]) -> dict[str, Any]:
    """Copy ``value`` without the entry at the nested ``keys``; a parent that becomes empty goes too."""
    copy = dict(value)
    if len(keys) == 1:
        del copy[keys[0]]
    elif inner := _without(value[keys[0]], keys[1:]):
        copy[keys[0]] = inner
    else:
        del copy[keys[0]]
    return copy


class RecordFiles:
    """Source of the rows of the files and folders in ``inputs``; of a folder, files with a name like ``pattern``.

    Raises DataError when they cannot be found (see ``find_files``), or their first rows have no such text field; then ``remedy``
    says what to do, where the verb has one of its own.
    """

    def __init__(
        self,
        inputs: Sequence[str],
        text_field: str,
        id_field: str,
        workers: int,
        *,
        source: str = NAME,
        pattern: str = "*",
        rule: RowRule | None = None,
        rule_settings: dict[str, Any] | None = None,
        choices: frozenset[str] = frozenset(),
        remedy: str = "",
    ) -> None:
        files = scan_inputs(find_files(inputs, SUFFIXES, pattern), workers)
        # Ids may be made from paths, so the paths as typed belong to what makes two outputs the same.
        self.settings: dict[str, Any] = {
            "source": source,
            "text_field": text_field,
            "id_field": id_field,
            **(rule_settings or {}),
            "files": [file.path for file in files],
        }
        self.choices = choices
        self.inputs = [file.manifest_entry() for file in files]
        self.slices = [RecordSlice(piece, source, text_field, id_field, rule) for file in files for piece in file.slices]
        if self.slices:
            remedy = remedy or ("" if source == NAME else "name another --source; record_files takes --text-field")
            check_text_field(self.slices[0].piece, text_field, *filter(None, [remedy]))
            if source == NAME and id_field != ID_FIELD:
                check_id_field(self.slices[0].piece, id_field)


def add_file_pattern(parser: argparse.ArgumentParser, default: str = "*") -> None:
    """Add ``--files``."""
    parser.add_argument(
        "--files",
        default=default,
        metavar="A,B",
        help="names of the files to read from a folder, * for anything (default: %(default)s)",
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add INPUT and the names of the fields."""
    parser.add_argument("inputs", nargs="*", metavar="INPUT", help=INPUT_HELP)
    add_row_fields(parser)
    add_file_pattern(parser)


def add_row_arguments(parser: argparse.ArgumentParser, pattern: str = "*") -> None:
    """Add what a published corpus of rows needs: its field names are known."""
    add_inputs(parser, INPUT_HELP)
    add_file_pattern(parser, pattern)


def from_options(options: argparse.Namespace) -> RecordFiles:
    """Make the source."""
    if not options.inputs:
        raise DataError("no INPUT given; name files or folders, or use --source installed_packages")
    return RecordFiles(options.inputs, options.text_field, options.id_field, options.workers, pattern=options.files)
