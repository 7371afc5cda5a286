import json
from pathlib import Path

import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st

from data_tools.tokens.tokenizer import load_tokenizer
from data_tools.tokens.train_tokenizer import DocumentSample, run, train
from megatron_mathcoder.config.errors import DataError
from tests.data_tools.conftest import write_documents


@pytest.fixture(scope="session")
def processor(tokenizer_model: Path) -> sentencepiece.SentencePieceProcessor:
    return sentencepiece.SentencePieceProcessor(model_file=str(tokenizer_model))


@settings(deadline=None)
@given(text=st.text(st.characters(exclude_characters="\u2581", exclude_categories=("Cs",))))
def test_any_text_comes_back(processor: sentencepiece.SentencePieceProcessor, text: str) -> None:
    assert processor.decode(processor.encode(text)) == text


@settings(deadline=None)
@given(text=st.text("  \t\n\r01ab=_(", max_size=60))
def test_code_like_text_comes_back(processor: sentencepiece.SentencePieceProcessor, text: str) -> None:
    assert processor.decode(processor.encode(text)) == text


def test_the_one_character_that_does_not_come_back(processor: sentencepiece.SentencePieceProcessor) -> None:
    assert processor.decode(processor.encode("a\u2581b")) == "a b"


def test_pieces_are_numbered_as_llamas_and_digits_stand_alone(processor: sentencepiece.SentencePieceProcessor) -> None:
    assert [processor.id_to_piece(token) for token in range(4)] == ["<unk>", "<s>", "</s>", "<0x00>"]
    assert (processor.unk_id(), processor.bos_id(), processor.eos_id(), processor.pad_id()) == (0, 1, 2, -1)
    assert [piece for piece in processor.encode_as_pieces("1234") if piece != "▁"] == ["1", "2", "3", "4"]
    indentation = [piece for token in range(512) if set(piece := processor.id_to_piece(token)) == {"▁"}]
    assert len(indentation) > 2


def test_sample_is_bounded_and_does_not_depend_on_the_order() -> None:
    texts = [f"{number} " * 20 for number in range(500)]
    forward, backward, other = DocumentSample(5000, 0), DocumentSample(5000, 0), DocumentSample(5000, 1)
    for text in texts:
        forward.offer(text)
        other.offer(text)
    for text in reversed(texts):
        backward.offer(text)
    assert list(forward.lines()) == list(backward.lines())
    assert list(forward.lines()) != list(other.lines())
    assert 4800 < forward.bytes <= 5000
    assert forward.bytes == sum(len(line) for line in forward.lines())


def test_the_same_documents_give_the_same_bytes_and_a_finished_model_is_kept(
    tmp_path: Path, sources: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    write_documents(one / "a.jsonl", sources)
    write_documents(two / "a.jsonl", sources[::-1])
    for folder in (one, two):
        assert run([str(folder), "--output", str(folder / "t.model"), "--vocab-size", "400"]) == 0
    assert (one / "t.model").read_bytes() == (two / "t.model").read_bytes()
    manifest = json.loads((one / "t.manifest.json").read_bytes())
    assert manifest["documents"] == manifest["sample_documents"] == len(sources)
    assert manifest["tokenizer"] == load_tokenizer(str(one / "t.model")).manifest_entry()
    before = (one / "t.model").stat().st_mtime_ns
    capsys.readouterr()
    assert run([str(one), "--output", str(one / "t.model"), "--vocab-size", "400"]) == 0
    assert "is already there, from the same documents and settings; nothing to do" in capsys.readouterr().out
    assert (one / "t.model").stat().st_mtime_ns == before
    with pytest.raises(DataError, match=r"setting vocab_size: 400 there, 500 now\); choose another --output or add --overwrite"):
        run([str(one), "--output", str(one / "t.model"), "--vocab-size", "500"])
    assert run([str(one), "--output", str(one / "t.model"), "--vocab-size", "500", "--overwrite"]) == 0
    assert load_tokenizer(str(one / "t.model")).vocab_size == 500


def test_too_little_text_names_the_size_that_works() -> None:
    lines = ["the quick brown fox jumps over the lazy dog"] * 3
    with pytest.raises(DataError) as error:
        train(iter(lines), 4096)
    prefix = "the sample holds too little text for --vocab-size 4096; at most "
    assert str(error.value).startswith(prefix)
    possible = int(str(error.value).removeprefix(prefix).split()[0])
    assert sentencepiece.SentencePieceProcessor(model_proto=train(iter(lines), possible)).vocab_size() == possible


def test_too_small_a_vocabulary_names_the_size_needed() -> None:
    with pytest.raises(DataError) as error:
        train(iter(["abc def"]), 100)
    assert str(error.value) == "--vocab-size 100 is too small; the bytes and single characters of this sample alone need 266"


def test_no_documents(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"")
    arguments = [str(tmp_path / "a.jsonl"), "--output", str(tmp_path / "t.model"), "--vocab-size", "300"]
    with pytest.raises(DataError, match="the 1 input files are empty; there is nothing to learn from"):
        run(arguments)
    (tmp_path / "a.jsonl").write_text('{"text": ""}\n')
    with pytest.raises(DataError, match=r"1 of 1 rows \(100.0%\) could not be read, more than --max-reject-fraction 0.01"):
        run(arguments)
    with pytest.raises(DataError, match=r"no documents in 1 input files \(1 rejected rows\); see "):
        run([*arguments, "--max-reject-fraction", "1"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "t.rejected.jsonl"]
    (row,) = map(json.loads, (tmp_path / "t.rejected.jsonl").read_text().splitlines())
    assert row == {"file": str(tmp_path / "a.jsonl"), "line": 1, "reason": "empty text"}


def test_stopped_between_manifest_and_model_and_run_again(
    tmp_path: Path, sources: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    documents = write_documents(tmp_path / "a.jsonl", sources)
    given = [str(documents), "--output", str(tmp_path / "t.model"), "--vocab-size"]
    run([*given, "400"])
    model = (tmp_path / "t.model").read_bytes()
    replace = Path.replace

    def stop(self: Path, target: Path) -> Path:
        if Path(target).name == "t.model":
            raise KeyboardInterrupt
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", stop)
        with pytest.raises(KeyboardInterrupt):
            run([*given, "500", "--overwrite"])
    assert not (tmp_path / "t.model").exists()
    assert run([*given, "400"]) == 0
    assert (tmp_path / "t.model").read_bytes() == model
    (tmp_path / "t.model").write_bytes(model[:-1])
    with pytest.raises(DataError, match="is not the model its manifest describes; make it again with --overwrite"):
        run([*given, "400"])
