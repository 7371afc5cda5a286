"""Positions and document bounds of packed samples, and the shares of context-parallel ranks."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from megatron_mathcoder.dataset.batch import BatchShape, MicroBatch, micro_batches
from megatron_mathcoder.dataset.token_stream import TokenStream, open_dataset
from tests.dataset.conftest import DOCUMENT_LENGTH, TOKENS

VOCAB = 2000
LENGTH = 64


def first_batch(prefix: str, chunks: tuple[tuple[int, int], ...] = ((0, LENGTH),), document_mask: bool = True) -> MicroBatch:
    stream = TokenStream(open_dataset(prefix, VOCAB), prefix, 0, TOKENS, LENGTH, VOCAB)
    shape = BatchShape(2, 0, 1, chunks, document_mask, torch.device("cpu"))
    [batch] = micro_batches(lambda number: stream.sample(number, offset=10), 0, 1, shape)
    return batch


def test_positions_begin_again_with_each_document(write: Callable[..., str]) -> None:
    batch = first_batch(write("a"))
    # Documents are 25 tokens long and token t has id t; the samples begin at tokens 10 and 74.
    assert batch.document_starts == ((0, 15, 40), (0, 1, 26, 51))
    assert batch.positions[0].tolist() == [*range(15), *range(25), *range(24)]
    assert batch.positions[1].tolist() == [0, *range(25), *range(25), *range(13)]


def test_every_bound_is_a_document_of_the_index(write: Callable[..., str]) -> None:
    batch = first_batch(write("a"))
    for tokens, starts in zip(batch.tokens, batch.document_starts, strict=True):
        assert [int(token) % DOCUMENT_LENGTH == 0 for token in tokens].count(True) == len(starts) - 1
        assert all(int(tokens[start]) % DOCUMENT_LENGTH == 0 for start in starts[1:])


def test_without_a_mask_a_sample_is_one_stream(write: Callable[..., str]) -> None:
    batch = first_batch(write("a"), document_mask=False)
    assert batch.document_starts == ((0,), (0,))
    assert batch.positions.tolist() == [list(range(LENGTH))] * 2


def test_the_end_of_the_circle_is_a_bound(write: Callable[..., str]) -> None:
    prefix = write("a")
    stream = TokenStream(open_dataset(prefix, VOCAB), prefix, 0, TOKENS, LENGTH, VOCAB)
    sample = stream.sample(0, offset=TOKENS - 5)
    assert sample.document_starts == (0, 5, 30, 55)


@pytest.mark.parametrize("ranks", [2, 4])
def test_context_parallel_ranks_share_the_sequence(write: Callable[..., str], ranks: int) -> None:
    prefix = write("a")
    whole = first_batch(prefix)
    size = LENGTH // (2 * ranks)
    seen = []
    for rank in range(ranks):
        late = 2 * ranks - 1 - rank
        share = first_batch(prefix, ((rank * size, (rank + 1) * size), (late * size, (late + 1) * size)))
        assert share.document_starts == whole.document_starts
        for name in ("tokens", "labels", "loss_mask", "positions"):
            mine, all_of_them = getattr(share, name), getattr(whole, name)
            expected = np.concatenate([all_of_them[:, rank * size :][:, :size], all_of_them[:, late * size :][:, :size]], axis=1)
            assert (mine.numpy() == expected).all()
        seen += share.tokens.flatten().tolist()
    assert sorted(seen) == sorted(whole.tokens.flatten().tolist())
