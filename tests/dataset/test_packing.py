"""Whole documents share samples, and what counts is what the mask says."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from megatron_mathcoder.config.errors import DataError
from megatron_mathcoder.config.schema import BlendPart, DatasetSection
from megatron_mathcoder.dataset.blend import open_blend
from megatron_mathcoder.dataset.packing import PackedStream, pack

LENGTHS = (7, 20, 3, 3, 11, 1, 16, 5)
ROOM = 20
VOCAB = 200


@pytest.fixture
def prefix(tmp_path):
    """Documents of LENGTHS holding ids 1, 2, 3, …; every third token counts."""
    import torch
    from megatron.core.datasets.indexed_dataset import IndexedDatasetBuilder

    prefix, first = str(tmp_path / "sft"), 1
    builder = IndexedDatasetBuilder(f"{prefix}.bin", dtype=np.int32)
    for length in LENGTHS:
        builder.add_document(torch.arange(first, first + length), [length])
        first += length
    builder.finalize(f"{prefix}.idx")
    (tmp_path / "sft.mask").write_bytes(bytes(number % 3 == 0 for number in range(1, sum(LENGTHS) + 1)))
    return prefix


def section(prefix: str, **changes) -> DatasetSection:
    settings = {"seq_length": ROOM, "validation_fraction": 0.0, "document_mask": True, "tokenizer": ""} | changes
    return DatasetSection(blend=(BlendPart(name="sft", prefix=prefix, epochs=1.0, weight=0.0),), **settings)


@pytest.mark.parametrize("seed", range(5))
def test_every_document_is_packed_once_and_few_places_are_left(seed):
    lengths = np.random.default_rng(seed).integers(1, 301, 2000)
    samples = pack(lengths, 300)
    assert sorted(document for documents in samples for document in documents) == list(range(2000))
    assert all(lengths[documents].sum() <= 300 for documents in samples)
    assert len(samples) <= np.ceil(11 / 9 * lengths.sum() / 300) + 1


def test_a_sample_is_whole_documents_with_their_mask(prefix):
    stream = open_blend(section(prefix), VOCAB, seed=1).parts[0].training
    assert isinstance(stream, PackedStream)
    seen = []
    for number in range(stream.num_samples):
        sample = stream.sample(number)
        bounds = (*sample.document_starts, ROOM)
        for start, end in pairwise(bounds):
            ids = sample.tokens[start:end]
            if not ids.any():  # padding
                assert not sample.loss_mask[start:end].any()
                continue
            seen.append(ids.tolist())
            assert sample.labels[start : end - 1].tolist() == ids[1:].tolist()
            assert sample.loss_mask[start : end - 1].tolist() == [float(label % 3 == 0) for label in ids[1:]]
            assert sample.loss_mask[end - 1] == 0  # the next document's first token is no label of this one
    begins = np.cumsum((1, *LENGTHS))
    assert sorted(seen) == [list(range(begin, end)) for begin, end in pairwise(begins)]


def test_held_out_documents_are_the_last_ones(prefix):
    [part] = open_blend(section(prefix, validation_fraction=0.3), VOCAB, seed=1).parts
    documents = [document for number in range(part.training.num_samples) for document in part.training.documents(number)]
    held_out = [document for number in range(part.validation.num_samples) for document in part.validation.documents(number)]
    assert sorted(documents) == [(number, number) for number in range(7)]
    assert held_out == [(7, 7)]


def test_a_document_longer_than_a_sample_is_named(prefix):
    message = "document 1 has 20 tokens, more than dataset.seq_length = 16; raise it, or tokenize again with --max-tokens 16"
    with pytest.raises(DataError, match=message):
        open_blend(section(prefix, seq_length=16), VOCAB, seed=1)


def test_a_mask_of_another_length_is_named(prefix):
    with Path(f"{prefix}.mask").open("ab") as file:
        file.write(b"\x01")
    with pytest.raises(DataError, match=r"its .mask has 67 bytes, one for each of 66 tokens is needed; run mathcoder tokenize"):
        open_blend(section(prefix), VOCAB, seed=1)


def test_another_mask_is_another_dataset(prefix):
    before = open_blend(section(prefix), VOCAB, seed=1).parts[0].identity
    with Path(f"{prefix}.mask").open("r+b") as file:
        file.write(b"\x01")
    assert open_blend(section(prefix), VOCAB, seed=1).parts[0].identity.content != before.content
