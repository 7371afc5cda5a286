"""One slice of documents to ids, for one or several tokenizers: the unit of work of ``mathcoder tokenize``.

Decides: what a document becomes (BOS when asked for, its ids, exactly one EOD), the batches that are encoded together, and the
files of a slice: its ids, the length of each document, and the rows that were rejected. Rows are read once for all tokenizers.
Does not: choose the slices or merge them (``tokenize.py``), read files (``rows.py``), encode (``tokenizer.py``).
"""

import functools
import sys
from collections import Counter
from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from data_tools import in_hand
from data_tools.document import reason_kind
from data_tools.inputs import InputSlice
from data_tools.manifest import Record
from data_tools.parts import atomic_file
from data_tools.pool import Report
from data_tools.row_fields import text_of
from data_tools.rows import BadRow, RowReader
from data_tools.tokens.fast_encoder import FastEncoder, ParityError, fast_encoder
from data_tools.tokens.indexed_writer import dtype_name
from data_tools.tokens.tokenizer import EncodeError, FlatIds, Tokenizer, flat, load_tokenizer

BATCH_CHARACTERS = 2**20
BATCH_DOCUMENTS = 1024


@dataclass(frozen=True, slots=True)
class Target:
    """A tokenizer and the folder that its slices are written to; ``bos_id`` None adds no BOS."""

    tokenizer_path: str
    eod_token: str | None
    bos_id: int | None
    folder: str


@dataclass(frozen=True, slots=True)
class TokenizeTask:
    """One slice to tokenize for each of ``targets``."""

    index: int
    piece: InputSlice
    text_field: str
    targets: tuple[Target, ...]
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


@functools.cache
def process_tokenizer(path: str, eod_token: str | None) -> Tokenizer:
    """Load once per process; a worker gets many slices."""
    return load_tokenizer(path, eod_token)


@functools.cache
def _process_encoder(path: str, eod_token: str | None) -> FastEncoder | None:
    return fast_encoder(process_tokenizer(path, eod_token))


class SliceWriter:
    """Gathers texts into batches, and sends each to the ids or, when it cannot be encoded, to the rejected rows."""

    def __init__(self, task: TokenizeTask, target: Target, encoder: Tokenizer | FastEncoder) -> None:
        self._task, self._target, self._encoder = task, target, encoder
        self._tokenizer = process_tokenizer(target.tokenizer_path, target.eod_token)
        self._dtype = np.dtype(dtype_name(self._tokenizer.vocab_size)).newbyteorder("<")
        self._batch: list[tuple[int, str]] = []
        self._batch_characters = 0
        self._key = in_hand.key_of(f"{task.piece.path} for {target.tokenizer_path}")
        self._stack = ExitStack()
        self.documents = self.tokens = 0
        self.rejected: Counter[str] = Counter()

    def __enter__(self) -> Self:
        files = SliceFiles.of(Path(self._target.folder), self._task.index)
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
        if self.ended(line):
            return
        self._batch.append((line, text))
        self._batch_characters += len(text)
        if self._batch_characters >= BATCH_CHARACTERS or len(self._batch) >= BATCH_DOCUMENTS:
            self.flush()

    def key_of(self, line: int) -> int:
        """Return the key under which this tokenizer has the document of ``line`` in hand."""
        return (self._key + line) % 2**64 or 1

    def ended(self, line: int) -> bool:
        """Say whether the document of ``line`` ended this tokenizer's process before; then it is rejected."""
        ending = in_hand.ending_of(self.key_of(line))
        if ending is not None:
            self.reject(BadRow(line, f"tokenizer failed: it {in_hand.ENDED} ({ending})"))
        return ending is not None

    def reject(self, bad: BadRow) -> None:
        """Write down a row that does not become a document."""
        self._rejected_file.write(bad.to_json_line(self._task.piece.path))
        self.rejected[reason_kind(bad.reason)] += 1

    def flush(self) -> None:
        """Encode and write the documents taken in."""
        try:
            ids, ends = self._encoder.encode_flat([text for _, text in self._batch], self._take)
        except EncodeError:
            ids, ends = self._encode_one_by_one()
        in_hand.put_down()
        self._batch, self._batch_characters = [], 0
        tokens, lengths = with_markers(ids, ends, self._target.bos_id, self._tokenizer.eod_id, self._dtype)
        self._tokens_file.write(tokens.data)
        self._lengths_file.write(lengths.data)
        self.documents += len(lengths)
        self.tokens += len(tokens)

    def _take(self, number: int) -> None:
        in_hand.take(self.key_of(self._batch[number][0]))

    def _encode_one_by_one(self) -> FlatIds:
        encoded: list[NDArray[np.uint32]] = []
        for number, (line, text) in enumerate(self._batch):
            self._take(number)
            try:
                encoded.append(self._tokenizer.encode(text))
            except EncodeError as error:
                self.reject(BadRow(line, f"tokenizer failed: {' '.join(str(error).split())[:200]}"))
        return flat(encoded)

    def record(self, rows: int) -> Record:
        """Return the counts of the slice, of which ``rows`` were read."""
        return {
            "bytes": self._task.piece.bytes,
            "count": self.tokens,
            "rows": rows,
            "documents": self.documents,
            "rejected_by_reason": dict(self.rejected),
            **({} if isinstance(self._encoder, FastEncoder) else {"by_reference": 1}),
        }


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


def tokenize_slice(task: TokenizeTask, report: Report) -> list[Record]:
    """Write the ids, lengths and rejected rows of one slice for every target; return the counts of each.

    A slice on which a fast encoder differs from its reference is done again by the reference alone, whoever does it, so that
    the ids depend on the slice and nothing else.
    """
    slow: set[Target] = set()
    while True:
        try:
            return _tokenize(task, slow, report)
        except ParityError as error:
            target = next(target for target in task.targets if _encoder(target, slow) is error.encoder)
            slow.add(target)
            kind = process_tokenizer(target.tokenizer_path, target.eod_token).kind
            print(f"the fast encoder differs on {str(error)!r}; {task.piece.path} goes by {kind}", file=sys.stderr)


def _encoder(target: Target, slow: Collection[Target]) -> Tokenizer | FastEncoder:
    fast = None if target in slow else _process_encoder(target.tokenizer_path, target.eod_token)
    return fast or process_tokenizer(target.tokenizer_path, target.eod_token)


def _tokenize(task: TokenizeTask, slow: Collection[Target], report: Report) -> list[Record]:
    rows = 0
    reader = RowReader(task.piece, columns=[task.text_field])
    with ExitStack() as stack:
        writers: list[SliceWriter] = []
        for target in task.targets:
            encoder = _encoder(target, slow)
            if isinstance(encoder, FastEncoder):
                encoder.begin_slice()
            writers.append(stack.enter_context(SliceWriter(task, target, encoder)))
        for row in reader:
            rows += 1
            text = row if isinstance(row, BadRow) else text_of(row, task.text_field)
            for writer in writers:
                if isinstance(text, BadRow):
                    writer.reject(text)
                else:
                    writer.add(row.line, text)
            report(reader.bytes_read, writers[0].tokens)
        for writer in writers:
            writer.flush()
    report(task.piece.bytes, writers[0].tokens)
    return [writer.record(rows) for writer in writers]
