"""One slice of a stage that makes documents: read, judged and written into parts. The unit of work of every such verb.

Decides: which items of a source are damage and which its choice, that a document which ended the process that judged it is
dropped, and what a slice's record counts.
Does not: choose the slices, or lay out the folder around the parts (``document_stage.py``).

A filter is a function from documents to documents and ``Dropped``, one for each, in the same order. It works on an iterator, so
it may look at some documents together. It is pickled into the workers, and loads what is large at its first document.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from data_tools.document import Document, Dropped, SideRow, reason_kind
from data_tools.in_hand import SetAside, in_hand
from data_tools.manifest import Record
from data_tools.parts import PartWriter
from data_tools.pool import Report
from data_tools.sources import SourceSlice

REPORT_EVERY_DOCUMENTS = 64
DOCUMENTS = "documents"


class KeptRow(Protocol):
    """What a filter keeps: a document, or a row made from one."""

    @property
    def text(self) -> str:
        """The document's text, for counting."""

    def to_json_line(self) -> bytes:
        """Return the row as UTF-8 JSON with a newline."""


class DocumentFilter(Protocol):
    """Keeps or drops documents. Picklable."""

    @property
    def settings(self) -> dict[str, Any]:
        """All that decides beside the documents, as JSON data; filters with equal settings give equal output."""

    def __call__(self, documents: Iterable[Document]) -> Iterator[KeptRow | Dropped | SideRow]:
        """Yield one item for each document, in order; ``SideRow`` items come in addition."""


@dataclass(frozen=True, slots=True)
class DocumentTask:
    """One slice to turn into parts under ``output``, in its folders ``rows`` and ``dropped``."""

    index: int
    piece: SourceSlice
    judge: DocumentFilter | None
    choices: frozenset[str]
    output: str
    rows: str = DOCUMENTS


class _SliceOutput:
    """The files of a slice, and what is counted while they are written. Used as a context manager: its end names the files."""

    def __init__(self, task: DocumentTask) -> None:
        self._task = task
        self._files = ExitStack()
        self._sides: dict[str, PartWriter] = {}
        self._counts: Counter[str] = Counter()
        self._unreadable: Counter[str] = Counter()
        self._rejected: Counter[str] = Counter()
        self._text_bytes = 0

    def __enter__(self) -> Self:
        self._documents, self._dropped = self._writer(self._task.rows), self._writer("dropped", ".jsonl")
        return self

    def _writer(self, name: str, suffix: str = ".jsonl.zst") -> PartWriter:
        folder = Path(self._task.output) / name
        folder.mkdir(exist_ok=True)
        return self._files.enter_context(PartWriter(folder, self._task.index, suffix))

    def take(self, item: KeptRow | Dropped | SideRow) -> None:
        """Write what a filter has made of a document, or said beside it."""
        if isinstance(item, SideRow):
            if item.folder not in self._sides:
                self._sides[item.folder] = self._writer(item.folder)
            self._sides[item.folder].write(item.to_json_line())
            self._counts.update(item.counts)
        elif isinstance(item, Dropped):
            self._drop(item, self._rejected)
        else:
            self._documents.write(item.to_json_line())
            text = item.text
            self._text_bytes += len(text) if text.isascii() else len(text.encode())

    def drop_unread(self, item: Dropped) -> None:
        """Write what the source could not read, or chose to leave out."""
        self._drop(item, self._rejected if reason_kind(item.reason) in self._task.choices else self._unreadable)

    def _drop(self, item: Dropped, reasons: Counter[str]) -> None:
        self._dropped.write(item.to_json_line())
        reasons[reason_kind(item.reason)] += 1

    def record(self, read: int) -> Record:
        """Return the counts of the slice, of which ``read`` items were read."""
        return {
            "bytes": self._task.piece.bytes,
            "count": read,
            "documents": self._documents.rows,
            "unreadable": self._unreadable.total(),
            "dropped": self._dropped.rows,
            "dropped_by_reason": dict(sorted((self._unreadable + self._rejected).items())),
            "text_bytes": self._text_bytes,
            "counts": dict(self._counts),
            "parts": self._documents.parts,
        }

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._files.__exit__(kind, error, traceback)


class _SliceInput:
    """The documents of a slice, counted and reported as they are read; what else the source yields goes to ``output``."""

    def __init__(self, task: DocumentTask, output: _SliceOutput, report: Report) -> None:
        self._task, self._output, self._report = task, output, report
        self._bytes = 0
        self.read = 0

    def _note_bytes(self, done: int) -> None:
        self._bytes = done

    def __iter__(self) -> Iterator[Document]:
        for item in self._task.piece.documents(self._note_bytes):
            self.read += 1
            if self.read % REPORT_EVERY_DOCUMENTS == 0:
                self._report(self._bytes, self.read)
            if isinstance(item, Document):
                try:
                    with in_hand(item.id):
                        yield item
                except SetAside as ending:
                    self._output.drop_unread(item.dropped(f"judging stopped: {ending}"))
            else:
                self._output.drop_unread(item)


def document_slice(task: DocumentTask, report: Report) -> Record:
    """Write the documents and the dropped rows of one slice; return its counts."""
    with _SliceOutput(task) as output:
        documents = _SliceInput(task, output, report)
        for item in documents if task.judge is None else task.judge(documents):
            output.take(item)
    report(task.piece.bytes, documents.read)
    return output.record(documents.read)
