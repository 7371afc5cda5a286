"""One slice of documents to ids: the unit of work of ``mathcoder tokenize``.

Decides: what a document becomes (BOS when asked for, its ids, exactly one EOD), the batches that are encoded together, and the
files of a slice: its ids, the length of each document, and the rows that were rejected.
Does not: choose the slices or merge them (``tokenize.py``), read files (``rows.py``), encode (``tokenizer.py``).
"""

import functools
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from data_tools.document import reason_kind
from data_tools.inputs import InputSlice
from data_tools.parts import atomic_file
from data_tools.pool import Report
from data_tools.rows import BadRow, RowReader, text_of
from data_tools.stage import Record
from data_tools.tokens.fast_encoder import FastEncoder, ParityError, fast_encoder
from data_tools.tokens.indexed_writer import dtype_name
from data_tools.tokens.tokenizer import EncodeError, FlatIds, Tokenizer, load_tokenizer

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
    max_tokens: int = 0
    """Longest conversation that is not rejected; 0 = any length."""


@dataclass(frozen=True, slots=True)
class SliceFiles:
    """Where a slice's output is kept until the merge."""

    tokens: Path
    """The ids of its documents, in the type of the dataset."""
    lengths: Path
    """Tokens per document, int32."""
    rejected: Path
    """JSON lines of ``file``, ``line``, ``reason``."""
    mask: Path
    """The loss mask of conversations, uint8; other documents have none."""

    @classmethod
    def of(cls, folder: Path, index: int) -> "SliceFiles":
        """Name the files of slice ``index`` in ``folder``."""
        return cls(*(folder / f"slice-{index:05d}.{suffix}" for suffix in ("tokens", "lengths", "rejected.jsonl", "mask")))


@functools.lru_cache(maxsize=1)
def process_tokenizer(path: str, eod_token: str | None) -> Tokenizer:
    """Load once per process; a worker gets many slices."""
    return load_tokenizer(path, eod_token)


@functools.lru_cache(maxsize=1)
def _process_encoder(path: str, eod_token: str | None) -> FastEncoder | None:
    return fast_encoder(process_tokenizer(path, eod_token))


class SliceWriter:
    """Gathers texts into batches, and sends each to the ids or, when it cannot be encoded, to the rejected rows."""

    def __init__(self, task: TokenizeTask, tokenizer: Tokenizer, encoder: Tokenizer | FastEncoder) -> None:
        self._task, self._tokenizer, self._encoder = task, tokenizer, encoder
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
            ids, ends = self._encoder.encode_flat([text for _, text in self._batch])
        except EncodeError:
            ids, ends = self._encode_one_by_one()
        self._batch, self._batch_characters = [], 0
        tokens, lengths = with_markers(ids, ends, self._task.bos_id, self._tokenizer.eod_id, self._dtype)
        self._tokens_file.write(tokens.tobytes())
        self._lengths_file.write(lengths.tobytes())
        self.documents += len(lengths)
        self.tokens += len(tokens)

    def _encode_one_by_one(self) -> FlatIds:
        encoded: list[Sequence[int]] = []
        for line, text in self._batch:
            try:
                encoded += self._tokenizer.encode_batch([text])
            except EncodeError as error:
                self.reject(BadRow(line, f"tokenizer failed: {' '.join(str(error).split())[:200]}"))
        ends = np.cumsum([len(ids) for ids in encoded], dtype=np.int64)
        return np.array([token for ids in encoded for token in ids], dtype=np.uint32), ends


def with_markers(
    ids: NDArray[np.uint32], ends: NDArray[np.int64], bos_id: int | None, eod_id: int, dtype: np.dtype[Any]
) -> tuple[NDArray[Any], NDArray[np.int32]]:
    """Return all documents' ids with BOS (when not None) before and EOD behind each, and the length of each (int32)."""
    before = 0 if bos_id is None else 1
    lengths = np.diff(ends, prepend=0) + before + 1
    last = np.cumsum(lengths) - 1
    tokens = np.empty(int(lengths.sum()), dtype=dtype)
    is_text = np.ones(len(tokens), dtype=bool)
    is_text[last] = False
    tokens[last] = eod_id
    if bos_id is not None:
        is_text[last - lengths + 1] = False
        tokens[last - lengths + 1] = bos_id
    tokens[is_text] = ids
    return tokens, lengths.astype("<i4")


def tokenize_slice(task: TokenizeTask, report: Report) -> Record:
    """Write the ids, lengths and rejected rows of one slice; return its counts.

    A slice on which the fast encoder differs from the reference is done again by the reference alone, whoever does it, so that
    the ids depend on the slice and nothing else.
    """
    reference = process_tokenizer(task.tokenizer_path, task.eod_token)
    encoder = _process_encoder(task.tokenizer_path, task.eod_token)
    if encoder is not None:
        try:
            return _tokenize(task, encoder, report)
        except ParityError as error:
            print(f"the fast encoder differs on {str(error)!r}; {task.piece.path} goes by {reference.kind}", file=sys.stderr)
    return _tokenize(task, reference, report) | {"by_reference": 1}


def _tokenize(task: TokenizeTask, encoder: Tokenizer | FastEncoder, report: Report) -> Record:
    rows = 0
    reader = RowReader(task.piece, columns=[task.text_field.split(".")[0]])
    with SliceWriter(task, process_tokenizer(task.tokenizer_path, task.eod_token), encoder) as writer:
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
