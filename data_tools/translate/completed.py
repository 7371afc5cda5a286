"""A document as ``mathcoder translate`` left it, read back with its computations.

Decides: that a row without computations is parsed from the model's reply, that a row that is no completion is dropped with its
reason, and what the provenance of a document says.
Does not: run or judge anything.
"""

from dataclasses import dataclass
from typing import Any

from data_tools.document import Document, Dropped, SideRow
from data_tools.translate.computation import Completion, Computation, Unparsed
from data_tools.translate.parse import parse_reply_text

PROVENANCE = "provenance"
NO_COMPLETION = "no completion"
MALFORMED = "malformed completion"


@dataclass(frozen=True, slots=True)
class Completed:
    """A document (its metadata without the completion), the completion, and its computations."""

    document: Document
    completion: Completion
    computations: tuple[Computation, ...]
    unparsed: tuple[Unparsed, ...]

    def origin(self) -> dict[str, Any]:
        """Return what made the translation."""
        completion = self.completion
        names = ("translator", "model", "prompt_version", "finish_reason")
        return {name: getattr(completion, name) for name in names} | {"seconds": round(completion.seconds, 3)}

    def metadata(self, layout: str, kept: int) -> dict[str, Any]:
        """Return the metadata of the new document."""
        names = ("translator", "model", "prompt_version")
        made = {name: getattr(self.completion, name) for name in names} | {"layout": layout, "computations": kept}
        return self.document.metadata | {"translation": made}

    def side_row(self, computations: list[dict[str, Any]], counts: dict[str, int]) -> SideRow:
        """Return the document's row of the provenance file."""
        source = self.document.metadata.get("provenance")
        unparsed = [each.to_json() for each in self.unparsed]
        row = {"id": self.document.id, "source": source} | self.origin()
        return SideRow(PROVENANCE, row | {"computations": computations, "unparsed": unparsed}, counts)


def read_completed(document: Document) -> Completed | Dropped:
    """Read the completion out of a row's metadata, where the reader of rows put it."""
    metadata = dict(document.metadata)
    row = metadata.pop("completion", None)
    bare = Document(document.id, document.text, metadata)
    if not isinstance(row, dict):
        return bare.dropped(NO_COMPLETION)
    try:
        given = {"computations": [], "unparsed": []} | {name: value for name, value in row.items() if value is not None}
        completion = Completion.from_json(_DEFAULTS | given)
    except KeyError as error:
        return bare.dropped(f"{MALFORMED}: no {error}")
    except (TypeError, ValueError) as error:
        return bare.dropped(f"{MALFORMED}: {error}")
    computations, unparsed = completion.computations, completion.unparsed
    if not computations and not unparsed and completion.text:
        parsed = parse_reply_text(completion.text, completion.finish_reason)
        computations, unparsed = tuple(parsed[0]), tuple(parsed[1])
    return Completed(bare, completion, computations, unparsed)


_DEFAULTS: dict[str, Any] = {
    "translator": "",
    "model": "",
    "prompt_version": "",
    "seconds": 0.0,
    "finish_reason": "stop",
    "text": None,
}
