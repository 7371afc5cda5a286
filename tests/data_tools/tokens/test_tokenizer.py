import base64
import gzip
import json
from pathlib import Path

import pytest
import sentencepiece
import tokenizers
from tokenizers import decoders, models, pre_tokenizers, processors, trainers

from data_tools.tokens.tokenizer import KINDS, EncodeError, Tokenizer, load_tokenizer
from megatron_mathcoder.config.errors import DataError

CONTROL_STRINGS = "<s> </s> <unk> <|begin_of_text|> <|end_of_text|> <|endoftext|> [INST]"
TEXTS = [
    "def f(x):\n\treturn  x ** 2\n\n\n",
    "   leading, trailing   ",
    "a\r\nb\rc",
    "∫ x² dx = ⅓x³, 数学 \u00a0\u200b é e\u0301 😀",
    "1234567.89",
    CONTROL_STRINGS,
    " " * 70 + "x",
]


@pytest.fixture(scope="session")
def huggingface_folder(sources: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A byte-level BPE as Hugging Face folders carry it: a post-processor that adds BOS and EOS, truncation and padding on."""
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    specials = ["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=specials, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(sources, trainer)
    ends = [(name, tokenizer.token_to_id(name)) for name in specials[:2]]
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{specials[0]} $A {specials[1]}", special_tokens=ends)
    tokenizer.enable_truncation(8)
    tokenizer.enable_padding(length=64)
    folder = tmp_path_factory.mktemp("huggingface")
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {"bos_token": {"content": "<|begin_of_text|>"}, "eos_token": "<|end_of_text|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="session")
def llama3_model(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file in the form of Llama 3's ``tokenizer.model``, with the first 128,000 ranks of tekken."""
    vocabulary = json.loads(gzip.decompress((shared_data / "tokenizers/tekken.json.gz").read_bytes()))["vocab"][:128_000]
    path = tmp_path_factory.mktemp("llama3") / "tokenizer.model"
    path.write_text("".join(f"{entry['token_bytes']} {entry['rank']}\n" for entry in vocabulary))
    return path


@pytest.fixture(scope="session")
def each_kind(shared_data: Path, tokenizer_model: Path, huggingface_folder: Path, llama3_model: Path) -> dict[str, Tokenizer]:
    paths = {
        "trained here": tokenizer_model,
        "mistral": shared_data / "tokenizers/mistral_v1.model",
        "mistral v3": shared_data / "tokenizers/mistral_v3.model",
        "hugging face": huggingface_folder,
        "llama 3": llama3_model,
        "tekken": shared_data / "tokenizers/tekken.json.gz",
    }
    return {name: load_tokenizer(str(path)) for name, path in paths.items()}


@pytest.mark.parametrize(
    ("name", "kind", "bos_id", "eod_id", "vocab_size"),
    [
        ("trained here", "sentencepiece", 1, 2, 512),
        ("mistral", "sentencepiece", 1, 2, 32_000),
        ("mistral v3", "sentencepiece", 1, 2, 32_768),
        ("hugging face", "huggingface", 0, 1, 600),
        ("llama 3", "tiktoken", 128_000, 128_001, 128_256),
        ("tekken", "tiktoken", 1, 2, 131_072),
    ],
)
def test_kind_and_ids(each_kind: dict[str, Tokenizer], name: str, kind: str, bos_id: int, eod_id: int, vocab_size: int) -> None:
    tokenizer = each_kind[name]
    assert (tokenizer.kind, tokenizer.bos_id, tokenizer.eod_id, tokenizer.vocab_size) == (kind, bos_id, eod_id, vocab_size)
    assert len(tokenizer.sha256) == 64


@pytest.mark.parametrize("name", ["trained here", "mistral", "mistral v3", "hugging face", "llama 3", "tekken"])
def test_text_comes_back_and_nothing_is_added_or_becomes_a_control_token(each_kind: dict[str, Tokenizer], name: str) -> None:
    tokenizer = each_kind[name]
    encoded = tokenizer.encode_batch(TEXTS)
    assert [tokenizer.decode(ids) for ids in encoded] == TEXTS
    for ids in encoded:
        assert not {tokenizer.bos_id, tokenizer.eod_id} & set(ids)
        assert all(0 <= token < tokenizer.vocab_size for token in ids)
    assert [list(ids) for ids in encoded] == [list(tokenizer.encode_batch([text])[0]) for text in TEXTS]


def test_sentencepiece_ids_are_the_librarys_own(shared_data: Path, each_kind: dict[str, Tokenizer]) -> None:
    reference = sentencepiece.SentencePieceProcessor(model_file=str(shared_data / "tokenizers/mistral_v1.model"))
    assert each_kind["mistral"].encode_batch(TEXTS) == [reference.encode_as_ids(text) for text in TEXTS]


def test_tekken_ids_follow_its_special_tokens(each_kind: dict[str, Tokenizer]) -> None:
    assert each_kind["tekken"].encode_batch(["\0\1"]) == [[1000, 1001]]


def test_a_text_the_pattern_cannot_split_is_an_encode_error(each_kind: dict[str, Tokenizer]) -> None:
    with pytest.raises(EncodeError, match="StackOverflow"):
        each_kind["tekken"].encode_batch(["fine", " " * 2_000_000 + "x"])


def test_end_of_document_token_by_name(huggingface_folder: Path, tmp_path: Path) -> None:
    assert load_tokenizer(str(huggingface_folder), eod_token="<|eot_id|>").eod_id == 2
    alone = tmp_path / "tokenizer.json"
    alone.write_bytes((huggingface_folder / "tokenizer.json").read_bytes())
    assert (load_tokenizer(str(alone)).bos_id, load_tokenizer(str(alone)).eod_id) == (0, 1)
    with pytest.raises(DataError) as error:
        load_tokenizer(str(alone), eod_token="<eos>")
    assert (
        str(error.value) == f"tokenizer {alone.as_posix()!r} has no end-of-document token (tried <eos>); name it with --eod-token"
    )
    (tmp_path / "tokenizer_config.json").write_text('{"bos_token": null, "eos_token": "<|eot_id|>"}')
    assert (load_tokenizer(str(alone)).bos_id, load_tokenizer(str(alone)).eod_id) == (None, 2)
    for broken in ('{"eos_token": ', '{"eos_token": {}}', "7"):
        (tmp_path / "tokenizer_config.json").write_text(broken)
        with pytest.raises(DataError, match=r"tokenizer_config.json' does not name BOS and EOS .* fetch it again, or remove it"):
            load_tokenizer(str(alone))


def ranks(count: int) -> bytes:
    return b"".join(base64.b64encode(number.to_bytes(3, "big")) + b" %d\n" % number for number in range(count))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.model", b"hello\n", f"is of no known format; name {KINDS}"),
        ("a.model", b"", f"is of no known format; name {KINDS}"),
        ("a.json", b"{}", f"is of no known format; name {KINDS}"),
        ("a.json", b'{"model": ', "is not valid JSON"),
        ("a.json", b'{"model": {"type": "Nonsense"}}', "cannot be read by tokenizers"),
        (
            "a.model",
            ranks(300),
            "has 300 ranks; the split pattern is known for 128000 (llama3); use the model's tokenizer.json instead",
        ),
        ("a.model", ranks(3) + b"AAAA x\n", "line 4 is not 'BASE64 RANK'; fetch the file again"),
        ("a.json", b'{"model": "x"}', "cannot be read by tokenizers"),
        ("a.json", b'{"model": {"vocab": {"a": "b"}}}', "cannot be read by tokenizers"),
        ("a.json", b'{"model": {"vocab": {}}, "added_tokens": [{}]}', "cannot be read by tokenizers"),
        ("a.json", b'{"model": "\xff"}', "is not valid JSON"),
        ("tekken.json", b'{"vocab": [], "config": {}}', "is damaged (KeyError: 'default_num_special_tokens'); fetch it again"),
        ("a.model", b"\x1f\x8bcut off", "is damaged (EOFError: "),
        ("a.model", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xff\xff\xff", "is damaged (error: Error -3 while decompressing"),
    ],
)
def test_what_is_no_tokenizer(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        load_tokenizer(str(path))
    assert str(error.value).startswith(f"tokenizer {path.as_posix()!r} ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_no_tokenizer_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist; name a SentencePiece"):
        load_tokenizer(str(tmp_path / "gone"))
    with pytest.raises(DataError, match=r"holds no tokenizer.json, tokenizer.model or tekken.json"):
        load_tokenizer(str(tmp_path))
