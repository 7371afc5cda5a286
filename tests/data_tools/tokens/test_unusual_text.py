"""Text that tokenizers stumble over: the ids are the reference library's, or the row is rejected with its reason."""

import json
from pathlib import Path

import numpy as np
import pytest
import sentencepiece
import tiktoken
import tokenizers

from data_tools.tokens.tokenize import run
from data_tools.tokens.tokenizer import load_tokenizer

TEXTS = {
    "byte-order mark inside": "\ufeffa\ufeffb",
    "the sign that stands for a space": "▁a ▁▁b ▁",
    "the name of a byte": "<0x0A> is no newline",
    "bytes alone": "\u0001\u007f\u0080𐀀 ꙮ 𒀀",
    "combining marks": "a\u0301\u0327\u0323 e\u0308 \u0e01\u0e34",
    "joined emoji": "👩‍👩‍👧‍👦🏳️‍🌈 x",
    "unusual spaces": "a\u00a0b\u2003c\u3000d\u200be\u2028f\u0085g\u180eh",
    "newlines of all kinds": "\r\n\r\n \r a\n\n\t\n b \v\f",
    "only one kind of sign": "=" * 3000,
    "spaces in the middle": "a" + " " * 3000 + "b",
    "one long word": "wxyz" * 50_000,
    "one long number": "1234567890" * 300,
    "right to left": "שלום \u202eabc\u202c عربى",
    "control strings": "<s> a </s> <|endoftext|> <|end_of_text|> [INST] <unk> <pad>",
    "begins and ends with spaces": "  a  ",
    "the longest code point": "\U0010ffff\ue000",
}


@pytest.fixture(scope="module")
def huggingface(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A byte-level BPE with added tokens that the texts spell."""
    model = tokenizers.Tokenizer(tokenizers.models.BPE())
    model.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=400, initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    model.decoder = tokenizers.decoders.ByteLevel()
    model.train_from_iterator([text for text in [*TEXTS.values(), *TEXTS] if len(text) < 1000], trainer)
    model.add_special_tokens(["<|endoftext|>", "<s>", "</s>"])
    path = tmp_path_factory.mktemp("huggingface") / "tokenizer.json"
    model.save(str(path))
    return path


@pytest.fixture(params=["huggingface", "mistral_v1.model", "mistral_v3.model", "tekken.json.gz"])
def tokenizer(request: pytest.FixtureRequest, shared_data: Path, huggingface: Path) -> Path:
    return huggingface if request.param == "huggingface" else shared_data / "tokenizers" / request.param


def ids_of(prefix: Path) -> list[list[int]]:
    manifest = json.loads(Path(f"{prefix}.manifest.json").read_bytes())
    ids = np.fromfile(f"{prefix}.bin", dtype=manifest["dtype"])
    lengths = np.frombuffer(Path(f"{prefix}.idx").read_bytes(), "<i4", manifest["documents"], 34)
    return [part.tolist() for part in np.split(ids, np.cumsum(lengths)[:-1])]


def reference_ids(path: Path, texts: list[str]) -> list[list[int]]:
    """Ask the library itself where it can be asked without our reader."""
    if path.name.endswith(".model"):
        return [list(ids) for ids in sentencepiece.SentencePieceProcessor(model_file=str(path)).encode(texts)]
    if path.name == "tokenizer.json":
        model = tokenizers.Tokenizer.from_file(str(path))
        model.encode_special_tokens = True
        return [model.encode(text, add_special_tokens=False).ids for text in texts]
    ours = load_tokenizer(str(path))
    assert isinstance(ours._encoding, tiktoken.Encoding)  # type: ignore[attr-defined]
    return [list(ids) for ids in ours.encode_batch(texts)]


def test_ids_are_the_references(tokenizer: Path, tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS.values()))
    assert run([str(path), "--tokenizer", str(tokenizer), "--output", str(tmp_path / "d"), "--no-bos", "--workers", "1"]) == 0
    by_reference = json.loads((tmp_path / "d.manifest.json").read_bytes())["slices_by_reference"]
    assert by_reference == (1 if tokenizer.name.startswith("tekken") else 0)
    loaded = load_tokenizer(str(tokenizer))
    found, expected = ids_of(tmp_path / "d"), reference_ids(tokenizer, [*TEXTS.values()])
    for name, ids, wanted in zip(TEXTS, found, expected, strict=True):
        assert ids == [*wanted, loaded.eod_id], name
        assert loaded.eod_id not in ids[:-1], name
    assert loaded.decode(found[-1][:-1]).strip() == TEXTS["the longest code point"]


def test_rows_that_are_no_text_are_rejected_with_their_reason(shared_data: Path, tmp_path: Path) -> None:
    rows = [
        b'\xef\xbb\xbf{"text": "after a byte-order mark"}',
        b'{"text": "lone \\ud800 surrogate"}',
        b'{"text": "a\\u0000b"}',
        b'{"text": " \\t\\n\\u00a0\\u2003"}',
        b'{"text": "\\ud83d\\ude42 a pair"}',
        b'{"text": "cut \xe2\x82"}',
    ]
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"\n".join(rows) + b"\n")
    given = [str(path), "--tokenizer", str(shared_data / "tokenizers/mistral_v1.model"), "--output", str(tmp_path / "d")]
    assert run([*given, "--max-reject-fraction", "1", "--workers", "1"]) == 0
    loaded = load_tokenizer(given[2])
    assert [loaded.decode(ids) for ids in ids_of(tmp_path / "d")] == ["after a byte-order mark", "🙂 a pair"]
    rejected = [json.loads(line) for line in (tmp_path / "d.rejected.jsonl").read_text().splitlines()]
    assert [(row["line"], row["reason"].split(":")[0]) for row in rejected] == [
        (2, "malformed JSON"),
        (3, "NUL character in text"),
        (4, "empty text"),
        (6, "invalid UTF-8"),
    ]
