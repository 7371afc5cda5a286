"""One .bin/.idx dataset as a circle of tokens, cut into samples.

Decides: what a sample is: ``seq_length`` tokens and, for each, the token after it. An epoch cuts the whole circle once,
starting at its own offset, so that every token is an input once and a label once; what the last sample lacks is masked.
Where documents begin inside a sample is read from the index, a few entries at a time: its arrays lie unaligned in the file, and
NumPy's own searches would copy all of it first (0.16 GB for 20 million documents).
Does not: choose the order of samples (``blend.py``), or decide what boundaries mean for attention (``batch.py``).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from megatron.core.datasets.indexed_dataset import IndexedDataset
from numpy.typing import NDArray

from megatron_mathcoder.config.errors import DataError
from megatron_mathcoder.config.index_header import read_index_header
from megatron_mathcoder.dataset.part_identity import read_manifest


class Sample(NamedTuple):
    """Arrays of ``seq_length``."""

    tokens: NDArray[np.int64]
    labels: NDArray[np.int64]
    loss_mask: NDArray[np.float32]
    """1 where the label counts, 0 in the tail of an epoch."""
    document_starts: tuple[int, ...]
    """Ascending positions in the sample at which a document, or the rest of one, begins; the first is 0."""


def open_dataset(prefix: str, vocab_size: int) -> IndexedDataset:
    """Open ``prefix.bin`` and ``prefix.idx`` and check that they belong together and to the model.

    Raises:
        DataError: a file is missing, the .bin is not as long as the .idx says, there is no token, or the tokenizer named
            in ``prefix.manifest.json`` has more pieces than the model's vocabulary.
    """
    for suffix in (".idx", ".bin"):
        if not Path(prefix + suffix).is_file():
            raise DataError(f"dataset {prefix}: {prefix}{suffix} is missing; make it with mathcoder tokenize --output {prefix}")
    _check_tokenizer(prefix, vocab_size)
    actual = Path(prefix + ".bin").stat().st_size
    if actual == 0:
        raise DataError(f"dataset {prefix}: it holds no token; give mathcoder tokenize documents with text")
    broken = DataError(f"dataset {prefix}: {prefix}.idx is no whole Megatron index; run mathcoder tokenize again")
    if read_index_header(Path(prefix + ".idx")) is None:  # a dataset that fails half made is a second error when it is collected
        raise broken
    try:
        dataset = IndexedDataset(prefix)
    except AssertionError as error:  # its arrays contradict each other
        raise broken from error
    expected = _total_tokens(dataset) * dataset.index.dtype_size
    if actual != expected:
        raise DataError(f"dataset {prefix}: its .bin has {actual} bytes, its .idx needs {expected}; run mathcoder tokenize again")
    return dataset


def _check_tokenizer(prefix: str, vocab_size: int) -> None:
    tokenizer = read_manifest(prefix).get("tokenizer")
    # A stock Megatron dataset has none; TokenStream.sample checks the ids it reads.
    if tokenizer and tokenizer["vocab_size"] > vocab_size:
        raise DataError(
            f"dataset {prefix}: made with {tokenizer['path']} of {tokenizer['vocab_size']} pieces, more than "
            f"model.vocab_size = {vocab_size}; use the model's own tokenizer, or set model.vocab_size"
        )


def _total_tokens(dataset: IndexedDataset) -> int:
    index = dataset.index
    if len(index.sequence_lengths) == 0:
        return 0
    return int(index.sequence_pointers[-1]) // index.dtype_size + int(index.sequence_lengths[-1])


def split_at_document(dataset: IndexedDataset, validation_fraction: float) -> int:
    """Return the token offset where validation begins: the first document start in the last ``validation_fraction``."""
    total = _total_tokens(dataset)
    if validation_fraction == 0:
        return total
    wanted = int(total * (1 - validation_fraction)) * dataset.index.dtype_size
    document = bisect_left(dataset.index.sequence_pointers, wanted)
    pointers = dataset.index.sequence_pointers
    return int(pointers[document]) // dataset.index.dtype_size if document < len(pointers) else total


class TokenStream:
    """Tokens ``[start, end)`` of a dataset, closed to a circle."""

    def __init__(self, dataset: IndexedDataset, prefix: str, start: int, end: int, seq_length: int, vocab_size: int) -> None:
        """Cut ``end - start`` tokens into samples of ``seq_length``; ids must be below ``vocab_size``.

        Raises:
            DataError: there is no token between start and end.
        """
        if end <= start:
            raise DataError(f"dataset {prefix}: no token is left to train on; lower dataset.validation_fraction or add documents")
        self._dataset = dataset
        self._prefix = prefix
        self._start = start
        self.num_tokens = end - start
        self._seq_length = seq_length
        self._vocab_size = vocab_size

    @property
    def num_samples(self) -> int:
        """Samples of one epoch, the last one perhaps partly masked."""
        return -(-self.num_tokens // self._seq_length)

    def sample(self, number: int, offset: int = 0) -> Sample:
        """Read sample ``number`` of the epoch whose first token is token ``offset`` of the circle."""
        length = self._seq_length
        position = (offset + number * length) % self.num_tokens
        window = self._read(position, length + 1).astype(np.int64)
        largest = int(window.max())
        if largest >= self._vocab_size:
            raise DataError(
                f"dataset {self._prefix}: it holds token id {largest}, model.vocab_size = {self._vocab_size}; "
                "tokenize with the model's own tokenizer"
            )
        present = min(length, self.num_tokens - number * length)
        mask = np.zeros(length, dtype=np.float32)
        mask[:present] = 1.0
        return Sample(window[:-1], window[1:], mask, self._document_starts(position, length))

    def documents(self, number: int, offset: int = 0) -> list[tuple[int, int]]:
        """Return the documents that sample ``number`` has tokens of, as (first, last) numbers in the index."""
        index = self._dataset.index
        position = (offset + number * self._seq_length) % self.num_tokens
        found = []
        for token, here in self._straight_pieces(position, self._seq_length):
            sequences = [bisect_right(index.sequence_pointers, each * index.dtype_size) - 1 for each in (token, token + here - 1)]
            # A stock dataset may have several sequences in a document.
            first, last = (bisect_right(self._dataset.document_indices, each) - 1 for each in sequences)
            found.append((first, last))
        return found

    def _straight_pieces(self, position: int, count: int) -> Iterator[tuple[int, int]]:
        """Yield (token of the dataset, count) of the pieces that ``count`` tokens of the circle from ``position`` fall into."""
        while count > 0:
            here = min(count, self.num_tokens - position)
            yield self._start + position, here
            position, count = 0, count - here

    def _read(self, position: int, count: int) -> NDArray[np.integer]:
        index, reader = self._dataset.index, self._dataset.bin_reader
        pieces = [
            reader.read(dtype=index.dtype, count=here, offset=token * index.dtype_size)
            for token, here in self._straight_pieces(position, count)
        ]
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def _document_starts(self, position: int, count: int) -> tuple[int, ...]:
        pointers, size = self._dataset.index.sequence_pointers, self._dataset.index.dtype_size
        starts: list[int] = []
        done = 0
        for token, here in self._straight_pieces(position, count):
            first, last = (bisect_left(pointers, each * size) for each in (token + 1, token + here))
            starts.append(done)
            starts.extend((pointers[first:last] // size - token + done).tolist())
            done += here
        return tuple(starts)
