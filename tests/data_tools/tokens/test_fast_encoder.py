from pathlib import Path

import numpy as np
import pytest

from data_tools.tokens import tokenize_slice
from data_tools.tokens.fast_encoder import FastEncoder, ParityError, fast_encoder
from data_tools.tokens.tokenize import run
from data_tools.tokens.tokenize_slice import with_markers
from data_tools.tokens.tokenizer import EncodeError, Tokenizer, load_tokenizer
from tests.data_tools.conftest import write_documents


def lists(encoder: FastEncoder | Tokenizer, texts: list[str]) -> list[list[int]]:
    ids, ends = encoder.encode_flat(texts)
    return [part.tolist() for part in np.split(ids, ends[:-1])]


@pytest.mark.parametrize("name", ["mistral_v1.model", "mistral_v3.model"])
def test_real_vocabularies_give_the_references_ids_on_real_text(name: str, shared_data: Path, sources: list[str]) -> None:
    reference = load_tokenizer(str(shared_data / "tokenizers" / name))
    encoder = fast_encoder(reference)
    assert encoder is not None
    pages = [path.read_text(errors="replace") for path in sorted((shared_data / "markdown").rglob("*.md"))[:25]]
    texts = [*pages, *sources[:10], "é∑ 漢字 🙂", " leading", "trailing ", "\n\n\n", "a\tb", "<0x0A>"]
    assert lists(encoder, texts) == [list(ids) for ids in reference.encode_batch(texts)]


def test_control_strings_in_a_document_stay_text(shared_data: Path) -> None:
    reference = load_tokenizer(str(shared_data / "tokenizers/mistral_v3.model"))
    encoder = fast_encoder(reference)
    assert encoder is not None
    texts = ["plain", "ends </s> here", "<s>", "x [INST] y", "[", "", "plain again"]
    found = lists(encoder, texts)
    assert found == [list(ids) for ids in reference.encode_batch(texts)]
    assert not {reference.bos_id, reference.eod_id, 3} & {token for ids in found for token in ids}


def test_what_the_reference_cannot_encode_is_its_to_say(tokenizer_model: Path) -> None:
    encoder = fast_encoder(load_tokenizer(str(tokenizer_model)))
    assert encoder is not None
    with pytest.raises(EncodeError):
        encoder.encode_flat(["fine", "a\ud800b"])


class Shifted(Tokenizer):
    """A reference whose ids are one more: what a wrong fast encoder looks like."""

    def __init__(self, other: Tokenizer) -> None:
        self.other = other
        self.kind, self.path, self.sha256 = other.kind, other.path, other.sha256
        self.vocab_size, self.bos_id, self.eod_id = other.vocab_size, other.bos_id, other.eod_id

    def encode_batch(self, texts):
        return [[token + 1 for token in ids] for ids in self.other.encode_batch(texts)]

    def decode(self, ids):
        return self.other.decode(ids)


def test_a_difference_sends_the_slice_to_the_reference(
    tokenizer_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shifted = Shifted(load_tokenizer(str(tokenizer_model)))
    encoder = fast_encoder(shifted)
    assert encoder is not None
    with pytest.raises(ParityError, match="some text"):
        encoder.encode_flat(["some text"])
    monkeypatch.setattr(tokenize_slice, "process_tokenizer", lambda path, eod: shifted)
    monkeypatch.setattr(tokenize_slice, "_process_encoder", lambda path, eod: encoder)
    corpus = write_documents(tmp_path / "in.jsonl", ["some text", "more"])
    given = [str(corpus), "--tokenizer", str(tokenizer_model), "--output", str(tmp_path / "out"), "--workers", "1"]
    assert run(given) == 0
    assert "the fast encoder differs on 'some text'" in capsys.readouterr().err
    expected = [token for text in ("some text", "more") for token in (1, *shifted.encode_batch([text])[0], 2)]
    assert np.fromfile(tmp_path / "out.bin", dtype="<u2").tolist() == expected


def test_markers_stand_around_every_document() -> None:
    ids, ends = np.array([5, 6, 7], dtype=np.uint32), np.array([2, 2, 3])
    tokens, lengths = with_markers(ids, ends, 1, 2, np.dtype("<u2"))
    assert (tokens.tolist(), lengths.tolist()) == ([1, 5, 6, 2, 1, 2, 1, 7, 2], [4, 2, 3])
    tokens, lengths = with_markers(ids, ends, None, 9, np.dtype("<i4"))
    assert (tokens.tolist(), lengths.tolist()) == ([5, 6, 9, 9, 7, 9], [3, 1, 2])
    tokens, lengths = with_markers(ids[:0], ends[:0], 1, 2, np.dtype("<u2"))
    assert (len(tokens), len(lengths)) == (0, 0)
