"""One slice of documents to ids: the unit of work of ``mathcoder tokenize``.

Decides: what a document becomes (BOS when asked for, its ids, exactly one EOD), the batches that are encoded together, and the
files of a slice: its ids, the length of each document, and the rows that were rejected.
Does not: choose the slices or merge them (``tokenize.py``), read files (``rows.py``), encode (``tokenizer.py``).
"""

import functools
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from data_tools.document import reason_kind
from data_tools.inputs import InputSlice
from data_tools.parts import atomic_file
from data_tools.pool import Report
from data_tools.rows import BadRow, RowReader, text_of
from data_tools.stage import Record
from data_tools.tokens.indexed_writer import dtype_name
from data_tools.tokens.tokenizer import EncodeError, Tokenizer, load_tokenizer

BATCH_CHARACTERS = 2**20
BATCH_DOCUMENTS = 1024


@dataclass(frozen=True, slots=True)
class TokenizeTask:
    """One slice to tokenize into ``folder``; ``bos_id`` None adds no BOS."""

    index: int
    piece: InputSlice
    text_field: str
    tokenizer_path: str
    eod_token: str | None
    bos_id: int | None
    folder: str


@dataclass(frozen=True, slots=True)
class SliceFiles:
    """Where a slice's output is kept until the merge."""

    tokens: Path
    """The ids of its documents, in the type of the dataset."""
    lengths: Path
    """Tokens per document, int32."""
    rejected: Path
    """JSON lines of ``file``, ``line``, ``reason``."""

    @classmethod
    def of(cls, folder: Path, index: int) -> "SliceFiles":
        """Name the files of slice ``index`` in ``folder``."""
        return cls(*(folder / f"slice-{index:05d}.{suffix}" for suffix in ("tokens", "lengths", "rejected.jsonl")))


@functools.lru_cache(maxsize=1)
def process_tokenizer(path: str, eod_token: str | None) -> Tokenizer:
    """Load once per process; a worker gets many slices."""
    return load_tokenizer(path, eod_token)


class _SliceWriter:
    """Gathers texts into batches, and sends each to the ids or, when it cannot be encoded, to the rejected rows."""

    def __init__(self, task: TokenizeTask, tokenizer: Tokenizer) -> None:
        self._task, self._tokenizer = task, tokenizer
        self._dtype = np.dtype(dtype_name(tokenizer.vocab_size)).newbyteorder("<")
        self._batch: list[tuple[int, str]] = []
        self._batch_characters = 0
        self._stack = ExitStack()
        self.documents = self.tokens = 0
        self.rejected: Counter[str] = Counter()

    def __enter__(self) -> Self:
        files = SliceFiles.of(Path(self._task.folder), self._task.index)
        with ExitStack() as stack:
            self._tokens_file = stack.enter_context(atomic_file(files.tokens))
            self._lengths_file = stack.enter_context(atomic_file(files.lengths))
            self._rejected_file = stack.enter_context(atomic_file(files.rejected))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._stack.__exit__(kind, error, traceback)

    def add(self, line: int, text: str) -> None:
        """Take in a document; its ids are written when the batch is full, or by ``flush``."""
        self._batch.append((line, text))
        self._batch_characters += len(text)
        if self._batch_characters >= BATCH_CHARACTERS or len(self._batch) >= BATCH_DOCUMENTS:
            self.flush()

    def reject(self, bad: BadRow) -> None:
        """Write down a row that does not become a document."""
        self._rejected_file.write(bad.to_json_line(self._task.piece.path))
        self.rejected[reason_kind(bad.reason)] += 1

    def flush(self) -> None:
        """Encode and write the documents taken in."""
        try:
            encoded = self._tokenizer.encode_batch([text for _, text in self._batch])
        except EncodeError:
            encoded = self._encode_one_by_one()
        self._batch, self._batch_characters = [], 0
        before = () if self._task.bos_id is None else (self._task.bos_id,)
        for ids in encoded:
            document = np.array((*before, *ids, self._tokenizer.eod_id), dtype=self._dtype)
            self._tokens_file.write(document.tobytes())
            self._lengths_file.write(np.array(len(document), dtype="<i4").tobytes())
            self.documents += 1
            self.tokens += len(document)

    def _encode_one_by_one(self) -> list[Sequence[int]]:
        encoded: list[Sequence[int]] = []
        for line, text in self._batch:
            try:
                encoded += self._tokenizer.encode_batch([text])
            except EncodeError as error:
                self.reject(BadRow(line, f"tokenizer failed: {' '.join(str(error).split())[:200]}"))
        return encoded


def tokenize_slice(task: TokenizeTask, report: Report) -> Record:
    """Write the ids, lengths and rejected rows of one slice; return its counts."""
    rows = 0
    reader = RowReader(task.piece, columns=[task.text_field.split(".")[0]])
    with _SliceWriter(task, process_tokenizer(task.tokenizer_path, task.eod_token)) as writer:
        for row in reader:
            rows += 1
            text = row if isinstance(row, BadRow) else text_of(row, task.text_field)
            if isinstance(text, BadRow):
                writer.reject(text)
            else:
                writer.add(row.line, text)
            report(reader.bytes_read, writer.tokens)
        writer.flush()
    report(task.piece.bytes, writer.tokens)
    return {
        "bytes": task.piece.bytes,
        "count": writer.tokens,
        "rows": rows,
        "documents": writer.documents,
        "rejected_by_reason": dict(writer.rejected),
    }
