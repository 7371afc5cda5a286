"""What flows between the stages: a document, or the record of one that was dropped.

Decides: the fields of a row in ``documents/part-*.jsonl.zst`` and ``dropped/part-*.jsonl``, and their order.
Does not: read or write files (``parts.py``), or say why something is dropped (the source or filter does).
"""

from dataclasses import dataclass, field
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class Document:
    """One text with an id that it keeps through every stage.

    ``metadata`` is JSON data; ``metadata["provenance"]`` says where the text came from (source, file, line, package …).
    """

    id: str
    text: str
    metadata: dict[str, Any] = field(default_factory=dict)

    def to_json_line(self) -> bytes:
        """Return the row as UTF-8 JSON with a newline. Key order is fixed, so equal documents give equal bytes."""
        row = {"id": self.id, "text": self.text, "metadata": self.metadata}
        # Parquet metadata may hold what JSON has no form for (decimals, bytes); their text is kept.
        return orjson.dumps(row, default=str, option=orjson.OPT_APPEND_NEWLINE)

    def dropped(self, reason: str, **details: Any) -> "Dropped":
        """Return the record of dropping this document, with the place it once came from."""
        provenance = self.metadata.get("provenance")
        place = provenance if isinstance(provenance, dict) else {}
        line = place.get("line")
        return Dropped(self.id, reason, str(place.get("file", "")), line if isinstance(line, int) else 0, details)


@dataclass(frozen=True, slots=True)
class Dropped:
    """A document that was not kept: ``reason`` is a fixed kind, then optionally ``: `` and what was seen.

    ``line`` is 1-based (for parquet: the row); 0 stands for the whole file. ``details`` are further keys of the row: what the
    decision was made from, such as a score or the passage that was found.
    """

    id: str
    reason: str
    file: str
    line: int
    details: dict[str, Any] = field(default_factory=dict)

    def to_json_line(self) -> bytes:
        """Return the row as UTF-8 JSON with a newline."""
        row = {"id": self.id, "reason": self.reason, "file": self.file, "line": self.line, **self.details}
        return orjson.dumps(row, default=str, option=orjson.OPT_APPEND_NEWLINE)


@dataclass(frozen=True, slots=True)
class SideRow:
    """What a filter has to say beside the documents: a row of ``DIR/FOLDER/part-*.jsonl.zst``, and numbers to add up."""

    folder: str
    row: dict[str, Any]
    counts: dict[str, int] = field(default_factory=dict)

    def to_json_line(self) -> bytes:
        """Return the row as UTF-8 JSON with a newline."""
        return orjson.dumps(self.row, default=str, option=orjson.OPT_APPEND_NEWLINE)


def reason_kind(reason: str) -> str:
    """Return the part of a reason that is counted: ``malformed JSON: unexpected end …`` counts as ``malformed JSON``."""
    return reason.split(":", 1)[0]
