"""The exported tokenizer gives the ids the model was trained on."""

import io
import json
import re
import shutil
from pathlib import Path

import pytest

from checkpoints_convert import sentencepiece_json
from checkpoints_convert.megatron_to_hf import export
from checkpoints_convert.tokenizer_files import read_tokenizer
from data_tools.tokens.train_tokenizer import SETTINGS
from megatron_mathcoder.config.errors import CheckpointError
from tests.repository import ROOT

CODE_FOLDER = ROOT / "checkpoints_convert"


def train(folder: Path, **settings) -> Path:
    """A SentencePiece model with the data tools' settings, trained on this room's own source."""
    import sentencepiece

    model = io.BytesIO()
    lines = (line for text in documents() for line in text.split("\n"))
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=lines, model_writer=model, vocab_size=800, **SETTINGS | settings)
    (folder / "small.model").write_bytes(model.getvalue())
    return folder / "small.model"


@pytest.fixture(scope="module")
def trained_model(tmp_path_factory):
    return train(tmp_path_factory.mktemp("tokenizer"))


def documents() -> list[str]:
    """Real text, without spelled-out control tokens: only transformers takes those for tokens."""
    return [re.sub(r"<(/?s|unk)>", "", path.read_text()) for path in sorted(CODE_FOLDER.glob("*.py"))]


def auto_tokenizer_ids(folder: Path) -> list[list[int]]:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    return [tokenizer.encode(text) for text in documents()]


@pytest.mark.parametrize("which", ["trained_model", "mistral_tokenizer"])
def test_auto_tokenizer_gives_sentencepieces_ids(which, request, tmp_path):
    import sentencepiece

    path = request.getfixturevalue(which)
    tokenizer = read_tokenizer(path, 40_000)
    for name, content in tokenizer.files.items():
        (tmp_path / name).write_bytes(content)
    assert (tmp_path / "tokenizer.model").read_bytes() == path.read_bytes()
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.warning) == (1, 2, "")
    reference = sentencepiece.SentencePieceProcessor(model_file=str(path))
    assert auto_tokenizer_ids(tmp_path) == [reference.encode(text) for text in documents()]


@pytest.mark.parametrize(
    "settings", [{"user_defined_symbols": ["<|code|>"], "add_dummy_prefix": True}, {"normalization_rule_name": "nfkc"}]
)
def test_what_cannot_be_proved_equal_is_not_written(settings, tmp_path):
    """A symbol after the first space, and a normaliser of its own, have no equal in the other format."""
    tokenizer = read_tokenizer(train(tmp_path, **settings), 40_000)
    assert sorted(tokenizer.files) == ["tokenizer.model", "tokenizer_config.json"]
    assert "no tokenizer.json could be proved equal" in tokenizer.warning


def test_merges_in_the_wrong_order_are_noticed(trained_model, monkeypatch):
    real = sentencepiece_json._tokenizer_json

    def reversed_merges(model):
        translated = real(model)
        translated["model"]["merges"].reverse()
        return translated

    monkeypatch.setattr(sentencepiece_json, "_tokenizer_json", reversed_merges)
    assert sentencepiece_json.translate(trained_model) is None


def test_a_folders_tokenizer_is_copied_byte_for_byte(tmp_path, tiny_checkpoint, trained_model):
    folder = tmp_path / "source"
    folder.mkdir()
    shutil.copy(trained_model, folder / "tokenizer.model")
    vocabulary = {"<s>": 0, "a": 1, "</s>": 2}
    (folder / "tokenizer.json").write_text(json.dumps({"model": {"vocab": vocabulary}, "added_tokens": []}) + "\n\n")
    (folder / "config.json").write_text(json.dumps({"bos_token_id": 0, "eos_token_id": [2, 1]}))
    (folder / "weights.bin").write_bytes(b"no")
    export(tiny_checkpoint, tmp_path / "hf", tokenizer=str(folder))
    assert (tmp_path / "hf" / "tokenizer.json").read_bytes() == (folder / "tokenizer.json").read_bytes()
    assert (tmp_path / "hf" / "tokenizer.model").read_bytes() == (folder / "tokenizer.model").read_bytes()
    assert not (tmp_path / "hf" / "weights.bin").exists()
    assert json.loads((tmp_path / "hf" / "config.json").read_text())["eos_token_id"] == [2, 1]


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder, model: folder / "absent", r"absent: it does not exist; give its place now with --tokenizer PATH"),
        (lambda folder, model: folder, r"the folder has no tokenizer files"),
        (
            lambda folder, model: written(folder / "t.bin", "\x01\x02 nothing"),
            r"neither SentencePiece, a tokenizer.json nor",
        ),
        (lambda folder, model: written(folder / "tokenizer.json", "{").parent, r"tokenizer.json is not a Hugging Face tokenizer"),
        (lambda folder, model: model, r"has 800 ids, the model's vocabulary 120; it is another model's tokenizer"),
    ],
)
def test_a_tokenizer_that_does_not_fit_is_refused(make, message, tmp_path, trained_model):
    with pytest.raises(CheckpointError, match=message):
        read_tokenizer(make(tmp_path, trained_model), 120)


def test_a_tiktoken_file_is_copied_with_a_warning(tmp_path):
    path = tmp_path / "tokenizer.model"
    path.write_text("IQ== 0\nIg== 1\n")
    tokenizer = read_tokenizer(path, 120)
    assert tokenizer.files == {"tokenizer.model": path.read_bytes()}
    assert "transformers cannot read it" in tokenizer.warning
