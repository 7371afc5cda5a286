"""The user's own corpora: JSONL (plain, gzip, zstd) and parquet files with a text field.

Decides: what of a row becomes the document (text, id, the rest as metadata) and what its provenance says.
Does not: change the text, or judge it; filters do. What cannot be read is dropped with file, line and reason.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from data_tools.document import Document, Dropped
from data_tools.inputs import InputSlice, find_files
from data_tools.rows import BadRow, Row, RowReader, check_text_field, text_of
from data_tools.stage import scan_inputs

NAME = "record_files"


@dataclass(frozen=True, slots=True)
class RecordSlice:
    """A slice of one file, with the names of the fields to read."""

    piece: InputSlice
    text_field: str
    id_field: str

    @property
    def bytes(self) -> int:
        """Size of the slice on disk."""
        return self.piece.bytes

    def documents(self, report_bytes: Callable[[int], None]) -> Iterator[Document | Dropped]:
        """Yield one item per row that is not blank."""
        reader = RowReader(self.piece)
        for row in reader:
            text = row if isinstance(row, BadRow) else text_of(row, self.text_field)
            place = f"{self.piece.path}:{row.line}"
            if isinstance(text, str) and isinstance(row, Row):
                yield self._document(row, text, place)
            elif isinstance(text, BadRow):
                yield Dropped(place, text.reason, self.piece.path, row.line)
            report_bytes(reader.bytes_read)

    def _document(self, row: Row, text: str, place: str) -> Document:
        rest = _without(row.value, self.text_field.split("."))
        given_id = rest.pop(self.id_field, None)
        # A document that comes out of another stage keeps its metadata where it was, provenance included.
        metadata: dict[str, Any] = rest.pop("metadata") if isinstance(rest.get("metadata"), dict) else {}
        metadata = {**rest, **metadata}
        metadata.setdefault("provenance", {"source": NAME, "file": self.piece.path, "line": row.line})
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
    """Source of the files and folders in ``inputs``.

    Raises DataError when they cannot be found (see ``find_files``).
    """

    counts_rejected = True

    def __init__(self, inputs: Sequence[str], text_field: str, id_field: str, workers: int) -> None:
        files = scan_inputs(find_files(inputs), workers)
        # Ids may be made from paths, so the paths as typed belong to what makes two outputs the same.
        self.settings: dict[str, Any] = {
            "source": NAME,
            "text_field": text_field,
            "id_field": id_field,
            "files": [file.path for file in files],
        }
        self.inputs = [file.manifest_entry() for file in files]
        self.slices = [RecordSlice(piece, text_field, id_field) for file in files for piece in file.slices]
        if self.slices:
            check_text_field(self.slices[0].piece, text_field)
