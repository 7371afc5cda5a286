"""Sources: one corpus per file. A source plans its slices; a slice reads itself and yields documents or says what it drops.

A source writes nothing and knows no other source; ``data_tools.prepare`` drives it.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from data_tools.document import Document, Dropped


class SourceSlice(Protocol):
    """A piece of a source that one worker reads: picklable, and the same whatever the number of workers."""

    @property
    def bytes(self) -> int:
        """Its size on disk, for progress."""

    def documents(self, report_bytes: Callable[[int], None]) -> Iterator[Document | Dropped]:
        """Yield what the slice holds, in a fixed order; call ``report_bytes`` with the bytes read so far."""


class Source(Protocol):
    """A corpus: how it is described in the manifest, and its slices."""

    settings: dict[str, Any]
    """What was asked for; JSON data."""
    inputs: list[dict[str, Any]]
    """What it is made from, with sizes and hashes."""
    counts_rejected: bool
    """Whether what it drops counts towards ``--max-reject-fraction``: rows that should have been readable, not a choice."""

    @property
    def slices(self) -> Sequence[SourceSlice]:
        """Its pieces, in the order of the output."""
