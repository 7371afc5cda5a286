"""Sources: one corpus per file. A source plans its slices; a slice reads itself and yields documents or says what it drops.

A source writes nothing and knows no other source; ``data_tools.prepare`` drives it. Its module is named in ``catalogue.py``
and has two functions: ``add_arguments(parser)`` for the options it alone knows, and ``from_options(options)``, which makes the
source.
"""

import argparse
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
    choices: frozenset[str]
    """Kinds of reasons that are this source's choice (``too short``). Every other drop is damage, and too much of it an error."""

    @property
    def slices(self) -> Sequence[SourceSlice]:
        """Its pieces, in the order of the output."""


class SourceModule(Protocol):
    """What ``prepare`` asks of a module in ``catalogue.SOURCES``."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add INPUT, where the source reads any, and the source's own options."""

    def from_options(self, options: argparse.Namespace) -> Source:
        """Make the source. Raises DataError for what a person can mend."""


def documents_of(source: Source) -> Iterator[Document]:
    """Yield the documents of all slices, for who needs them in this process; what cannot be read is left out."""
    for piece in source.slices:
        yield from (item for item in piece.documents(lambda done: None) if isinstance(item, Document))
