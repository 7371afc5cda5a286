"""A .bin/.idx dataset with a loss mask beside it: whole documents packed into samples.

Decides: which documents share a sample (first fit, the longest first), so that none is cut: an answer without its question
teaches nothing. What is left of a sample is padding of which nothing counts. A token counts as a label where ``PREFIX.mask``
has a 1 for it: one byte for each token of ``PREFIX.bin``, written by ``mathcoder tokenize --lce``.
Does not: choose the order of samples (``blend.py``), or keep documents from seeing each other (``batch.py``).
"""

from pathlib import Path

import numpy as np
from megatron.core.datasets.indexed_dataset import IndexedDataset
from numpy.typing import NDArray

from megatron_mathcoder.config.errors import DataError
from megatron_mathcoder.dataset.token_stream import Sample

MASK_SUFFIX = ".mask"


def open_mask(prefix: str, tokens: int) -> NDArray[np.uint8] | None:
    """Return the loss mask of a dataset of ``tokens``, mapped; None where it has none, as datasets for pretraining.

    Raises:
        DataError: the mask is of another length.
    """
    path = Path(prefix + MASK_SUFFIX)
    if not path.is_file():
        return None
    if path.stat().st_size != tokens:
        raise DataError(
            f"dataset {prefix}: its .mask has {path.stat().st_size} bytes, one for each of {tokens} tokens is needed; "
            "run mathcoder tokenize again"
        )
    return np.memmap(path, dtype=np.uint8, mode="r")


def pack(lengths: NDArray[np.integer], room: int) -> list[list[int]]:
    """Return the documents of each sample, in the order of the file: first fit, the longest document first.

    ``lengths`` must not exceed ``room``. At most 11/9 of the fewest samples possible, and one more (Johnson 1973).
    """
    samples: list[list[int]] = []
    # Of the samples that have a given room left, the first; a search over rooms instead of over samples.
    with_room: list[list[int]] = [[] for _ in range(room + 1)]
    for document in np.argsort(-lengths, kind="stable").tolist():
        length = int(lengths[document])
        left = next((each for each in range(length, room + 1) if with_room[each]), None)
        if left is None:
            samples.append([document])
            with_room[room - length].append(len(samples) - 1)
        else:
            number = with_room[left].pop()
            samples[number].append(document)
            with_room[left - length].append(number)
    return sorted(sorted(documents) for documents in samples)


class PackedStream:
    """Documents ``[first, end)`` of a dataset, packed into samples of ``seq_length``; the interface of ``TokenStream``."""

    def __init__(
        self,
        dataset: IndexedDataset,
        mask: NDArray[np.uint8],
        prefix: str,
        first: int,
        end: int,
        seq_length: int,
        vocab_size: int,
    ) -> None:
        """Pack the documents; ids must be below ``vocab_size``.

        Raises:
            DataError: there is no document, or one does not fit into a sample.
        """
        if end <= first:
            raise DataError(f"dataset {prefix}: no document is left to train on; lower dataset.validation_fraction or add some")
        self._dataset, self._mask, self._prefix, self._first = dataset, mask, prefix, first
        self._seq_length, self._vocab_size = seq_length, vocab_size
        lengths = np.asarray(dataset.index.sequence_lengths[first:end])
        if lengths.max() > seq_length:
            raise DataError(
                f"dataset {prefix}: document {first + int(lengths.argmax())} has {lengths.max()} tokens, more than "
                f"dataset.seq_length = {seq_length}; raise it, or tokenize again with --max-tokens {seq_length}"
            )
        self.num_tokens = int(lengths.sum())
        self._samples = pack(lengths, seq_length)

    @property
    def num_samples(self) -> int:
        """Samples of one epoch."""
        return len(self._samples)

    def sample(self, number: int, offset: int = 0) -> Sample:
        """Read sample ``number``; ``offset`` shifts the cut of a ``TokenStream``, and there is none here."""
        del offset
        length = self._seq_length
        tokens, labels = np.zeros(length, dtype=np.int64), np.zeros(length, dtype=np.int64)
        loss_mask = np.zeros(length, dtype=np.float32)
        starts: list[int] = []
        position = 0
        for document in self._samples[number]:
            ids, counts = self._read(self._first + document)
            end = position + len(ids)
            tokens[position:end] = ids
            labels[position : end - 1] = ids[1:]
            loss_mask[position : end - 1] = counts[1:]
            starts.append(position)
            position = end
        if position < length:
            starts.append(position)  # the padding is a document of its own
        return Sample(tokens, labels, loss_mask, tuple(starts))

    def documents(self, number: int, offset: int = 0) -> list[tuple[int, int]]:
        """Return the documents of sample ``number``, as (first, last) numbers in the index."""
        del offset
        return [(self._first + document, self._first + document) for document in self._samples[number]]

    def _read(self, document: int) -> tuple[NDArray[np.integer], NDArray[np.uint8]]:
        index = self._dataset.index
        start = int(index.sequence_pointers[document]) // index.dtype_size
        count = int(index.sequence_lengths[document])
        ids = self._dataset.bin_reader.read(dtype=index.dtype, count=count, offset=start * index.dtype_size)
        if int(ids.max()) >= self._vocab_size:
            raise DataError(
                f"dataset {self._prefix}: it holds token id {ids.max()}, model.vocab_size = {self._vocab_size}; "
                "tokenize with the model's own tokenizer"
            )
        return ids, self._mask[start : start + count]
