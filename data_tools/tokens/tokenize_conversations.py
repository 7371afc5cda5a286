"""One slice of conversations to ids and their loss mask: the unit of work of ``mathcoder tokenize --lce``.

Decides: what a conversation becomes: BOS when asked for, its special tokens and texts, exactly one EOD; and its mask, one byte a
token: 1 where the token is one that the model is trained to write (``data_tools/lce.py``). Each text between two special tokens
is encoded by itself, as it is when a model writes it.
Does not: merge slices (``tokenize.py``).
"""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import numpy as np

from data_tools import in_hand
from data_tools.lce import FormatError, Segment, read_messages, segments
from data_tools.manifest import Record
from data_tools.parts import atomic_file
from data_tools.pool import Report
from data_tools.rows import BadRow, Row, RowReader
from data_tools.tokens.tokenize_slice import SliceFiles, SliceWriter, Target, TokenizeTask, process_tokenizer
from data_tools.tokens.tokenizer import EncodeError
from megatron_mathcoder.config.lce_tokens import LCE_TOKENS


class ConversationWriter(SliceWriter):
    """Writes the mask beside what a ``SliceWriter`` writes."""

    def __init__(self, task: TokenizeTask, target: Target) -> None:
        tokenizer = process_tokenizer(target.tokenizer_path, target.eod_token)
        super().__init__(task, target, tokenizer)
        self._special = {name: found for name in LCE_TOKENS if (found := tokenizer.token_id(name)) is not None}
        self.counted = 0

    def __enter__(self) -> Self:
        super().__enter__()
        files = SliceFiles.of(Path(self._target.folder), self._task.index)
        self._mask_file = self._stack.enter_context(atomic_file(files.mask))
        return self

    def add_conversation(self, line: int, conversation: Sequence[Segment]) -> None:
        """Write a conversation, or reject it with the reason."""
        if self.ended(line):
            return
        try:
            in_hand.take(self.key_of(line))
            ids, counts = self._encode(conversation)
        except EncodeError as error:
            self.reject(BadRow(line, f"tokenizer failed: {' '.join(str(error).split())[:200]}"))
            return
        finally:
            in_hand.put_down()
        if self._task.max_tokens and len(ids) > self._task.max_tokens:
            self.reject(BadRow(line, f"too long: {len(ids)} tokens, --max-tokens {self._task.max_tokens}"))
            return
        self._tokens_file.write(np.array(ids, dtype=self._dtype).tobytes())
        self._lengths_file.write(np.array(len(ids), dtype="<i4").tobytes())
        self._mask_file.write(bytes(counts))
        self.documents += 1
        self.tokens += len(ids)
        self.counted += sum(counts)

    def _encode(self, conversation: Sequence[Segment]) -> tuple[list[int], list[int]]:
        encoded = iter(self._tokenizer.encode_batch([segment.content for segment in conversation if not segment.special]))
        ids = [] if self._target.bos_id is None else [self._target.bos_id]
        counts = [0] * len(ids)
        for segment in conversation:
            piece: Sequence[int] = [self._special[segment.content]] if segment.special else next(encoded)
            ids += piece
            counts += [int(segment.counts)] * len(piece)
        return [*ids, self._tokenizer.eod_id], [*counts, 0]

    def record(self, rows: int) -> Record:
        """Return the counts of the slice, of which ``rows`` were read."""
        return super().record(rows) | {"loss_tokens": self.counted}


def tokenize_conversations(task: TokenizeTask, report: Report) -> list[Record]:
    """Write the ids, lengths, mask and rejected rows of one slice for every target; return the counts of each."""
    rows = 0
    reader = RowReader(task.piece, columns=["messages"])
    with ExitStack() as stack:
        writers = [stack.enter_context(ConversationWriter(task, target)) for target in task.targets]
        for row in reader:
            rows += 1
            _add(row, writers)
            report(reader.bytes_read, writers[0].tokens)
    report(task.piece.bytes, writers[0].tokens)
    return [writer.record(rows) for writer in writers]


def _add(row: Row | BadRow, writers: Sequence[ConversationWriter]) -> None:
    conversation: BadRow | tuple[Segment, ...]
    try:
        conversation = row if isinstance(row, BadRow) else tuple(segments(read_messages(row.value.get("messages"))))
    except FormatError as error:
        conversation = BadRow(row.line, f"not LCE: {error}")
    for writer in writers:
        if isinstance(conversation, BadRow):
            writer.reject(conversation)
        else:
            writer.add_conversation(row.line, conversation)
