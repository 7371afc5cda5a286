"""An epoch of a stream gives every token once as an input and once as a label; broken datasets are named."""

import gc
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from megatron_mathcoder.config.errors import DataError
from megatron_mathcoder.dataset.token_stream import TokenStream, open_dataset, split_at_document
from tests.dataset.conftest import DOCUMENT_LENGTH, DOCUMENTS, TOKENS

VOCAB = 2000


def stream_of(prefix: str, seq_length: int, start: int = 0, end: int = TOKENS) -> TokenStream:
    return TokenStream(open_dataset(prefix, VOCAB), prefix, start, end, seq_length, VOCAB)


@pytest.mark.parametrize("seq_length", [1, 7, 100, 128, TOKENS, TOKENS + 5])
@pytest.mark.parametrize("offset", [0, 1, 999])
def test_epoch_covers_each_token_once(write: Callable[..., str], seq_length: int, offset: int) -> None:
    stream = stream_of(write("a"), seq_length)
    samples = [stream.sample(number, offset) for number in range(stream.num_samples)]
    mask = np.concatenate([sample.loss_mask for sample in samples]).astype(bool)
    for column in ("tokens", "labels"):
        seen = np.concatenate([getattr(sample, column) for sample in samples])[mask]
        assert sorted(seen) == list(range(TOKENS))
    assert all(len(sample.tokens) == len(sample.labels) == seq_length for sample in samples)


def test_labels_are_the_next_tokens(write: Callable[..., str]) -> None:
    sample = stream_of(write("a"), 64).sample(3, 10)
    assert (sample.labels == (sample.tokens + 1) % TOKENS).all()
    assert sample.tokens[0] == 10 + 3 * 64


def test_part_of_a_dataset_closes_on_itself(write: Callable[..., str]) -> None:
    stream = stream_of(write("a"), 30, start=900)
    assert stream.num_samples == 4
    assert list(stream.sample(3).tokens[8:12]) == [998, 999, 900, 901]


@pytest.mark.parametrize(("fraction", "held_out"), [(0.0, 0), (0.1, 100), (0.11, 100), (0.5, 500), (0.001, 0)])
def test_split_is_at_a_document(write: Callable[..., str], fraction: float, held_out: int) -> None:
    boundary = split_at_document(open_dataset(write("a"), VOCAB), fraction)
    assert TOKENS - boundary == held_out
    assert boundary % DOCUMENT_LENGTH == 0


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing\.idx is missing; make it with mathcoder tokenize"):
        open_dataset(str(tmp_path / "nothing"), VOCAB)


def test_truncated_bin(write: Callable[..., str]) -> None:
    prefix = write("a")
    with Path(prefix + ".bin").open("r+b") as stream:
        stream.truncate(100)
    with pytest.raises(DataError, match=r"\.bin has 100 bytes, its \.idx needs 4000"):
        open_dataset(prefix, VOCAB)


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: b"something else entirely",
        lambda whole: b"",
        lambda whole: whole[:20],
        lambda whole: whole[: len(whole) // 2],
        lambda whole: whole[:-1],
        lambda whole: whole[:-8] + (DOCUMENTS + 1).to_bytes(8, "little"),
    ],
)
def test_not_an_index(damage: Callable[[bytes], bytes], write: Callable[..., str]) -> None:
    prefix = write("a")
    index = Path(prefix + ".idx")
    index.write_bytes(damage(index.read_bytes()))
    with pytest.raises(DataError, match="is no whole Megatron index; run mathcoder tokenize again"):
        open_dataset(prefix, VOCAB)
    gc.collect()


@pytest.mark.parametrize("text", ["", '{"tokens": 1', "[]", "{}", '{"tokenizer": "x"}', '{"tokenizer": {}}'])
def test_not_a_manifest(text: str, write: Callable[..., str]) -> None:
    prefix = write("a")
    Path(prefix + ".manifest.json").write_text(text)
    with pytest.raises(DataError, match=r"a.manifest.json: is no manifest of mathcoder tokenize .*; tokenize again, or remove"):
        open_dataset(prefix, VOCAB)


def test_empty_dataset(write: Callable[..., str]) -> None:
    with pytest.raises(DataError, match="holds no token"):
        open_dataset(write("a", documents=0), VOCAB)


def test_tokenizer_larger_than_the_model(write: Callable[..., str]) -> None:
    prefix = write("a")
    manifest = {"tokenizer": {"path": "big.model", "vocab_size": 32000}}
    Path(prefix + ".manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(DataError, match=r"big\.model of 32000 pieces, more than model\.vocab_size = 2000"):
        open_dataset(prefix, VOCAB)
    assert open_dataset(prefix, 32000)


def test_token_beyond_the_vocabulary(write: Callable[..., str]) -> None:
    prefix = write("a")
    stream = TokenStream(open_dataset(prefix, 500), prefix, 0, TOKENS, 64, 500)
    stream.sample(0)
    with pytest.raises(DataError, match=r"token id 512, model\.vocab_size = 500"):
        stream.sample(7)


def test_documents_of_a_sample_are_those_its_tokens_come_from(write: Callable[..., str]) -> None:
    """Documents of 25 counted tokens, in a circle of 1000 that begins at 990; ids are token numbers."""
    prefix = write("a")
    stream = TokenStream(open_dataset(prefix, VOCAB), prefix, 0, TOKENS, 64, VOCAB)
    for number in range(stream.num_samples):
        ranges = stream.documents(number, offset=990)
        named = {document for first, last in ranges for document in range(first, last + 1)}
        assert named == set((stream.sample(number, offset=990).tokens // 25).tolist()), number
    assert stream.documents(0, offset=990) == [(39, 39), (0, 2)]


def test_a_document_of_several_sequences_is_one(tmp_path: Path) -> None:
    import torch
    from megatron.core.datasets.indexed_dataset import IndexedDatasetBuilder

    builder = IndexedDatasetBuilder(str(tmp_path / "a.bin"), dtype=np.int32)
    for _ in range(4):
        builder.add_document(torch.arange(10), [4, 6])
    builder.finalize(str(tmp_path / "a.idx"))
    prefix = str(tmp_path / "a")
    stream = TokenStream(open_dataset(prefix, VOCAB), prefix, 0, 40, 8, VOCAB)
    assert [stream.documents(number) for number in range(5)] == [[(0, 0)], [(0, 1)], [(1, 2)], [(2, 3)], [(3, 3)]]
