import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sentencepiece

from data_tools.tokens.tokenize import run
from megatron_mathcoder.config.errors import DataError
from tests.data_tools.conftest import command, write_documents

CONTRACT = {
    "format",
    "documents",
    "tokens",
    "dtype",
    "rejected",
    "tokenizer",
    "inputs",
    "mathcoder_version",
    "git_commit",
    "created",
}


def arguments(inputs: object, tokenizer: Path, prefix: Path, *more: object) -> list[str]:
    return [str(argument) for argument in (inputs, "--tokenizer", tokenizer, "--output", prefix, *more)]


def read_dataset(prefix: Path) -> list[list[int]]:
    manifest = manifest_of(prefix)
    ids = np.fromfile(f"{prefix}.bin", dtype=manifest["dtype"])
    lengths = np.frombuffer(Path(f"{prefix}.idx").read_bytes(), "<i4", manifest["documents"], 34)
    return [part.tolist() for part in np.split(ids, np.cumsum(lengths)[:-1])]


def manifest_of(prefix: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(Path(f"{prefix}.manifest.json").read_bytes())
    return value


def rejects_of(prefix: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(f"{prefix}.rejected.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(("bos", "before"), [((), [1]), (("--bos",), [1]), (("--no-bos",), [])])
def test_each_document_is_bos_ids_and_one_eod(
    tmp_path: Path, tokenizer_model: Path, sources: list[str], bos: tuple[str, ...], before: list[int]
) -> None:
    texts = [*sources, "<s> first </s>", "</s>", "ends with </s>"]
    documents = write_documents(tmp_path / "a.jsonl", texts)
    assert run(arguments(documents, tokenizer_model, tmp_path / "d", *bos)) == 0
    reference = sentencepiece.SentencePieceProcessor(model_file=str(tokenizer_model))
    assert read_dataset(tmp_path / "d") == [[*before, *reference.encode(text), 2] for text in texts]
    manifest = manifest_of(tmp_path / "d")
    assert manifest.keys() >= CONTRACT
    assert manifest["tokens"] == (tmp_path / "d.bin").stat().st_size // 2
    assert (manifest["documents"], manifest["rejected"], manifest["dtype"]) == (len(texts), 0, "uint16")
    assert not (tmp_path / "d.partial").exists()
    assert rejects_of(tmp_path / "d") == []


def test_stock_megatron_opens_it_and_would_have_written_the_same_bytes(shared_data: Path, tmp_path: Path) -> None:
    from megatron.core.datasets.indexed_dataset import IndexedDataset, IndexedDatasetBuilder

    questions = shared_data / "benchmarks/gsm8k_train.jsonl"
    for name, dtype in [("mistral_v1.model", np.uint16), ("tekken.json.gz", np.int32)]:
        prefix = tmp_path / name
        assert run(arguments(questions, shared_data / "tokenizers" / name, prefix, "--text-field", "question")) == 0
        dataset = IndexedDataset(str(prefix))
        assert (len(dataset), dataset.index.dtype) == (7473, dtype)
        builder = IndexedDatasetBuilder(str(tmp_path / "stock.bin"), dtype=dtype)
        for index in range(len(dataset)):
            builder.add_document(dataset[index].astype(np.int64), [len(dataset[index])])
        builder.finalize(str(tmp_path / "stock.idx"))
        for suffix in ("bin", "idx"):
            assert (tmp_path / f"stock.{suffix}").read_bytes() == Path(f"{prefix}.{suffix}").read_bytes()
    reference = sentencepiece.SentencePieceProcessor(model_file=str(shared_data / "tokenizers/mistral_v1.model"))
    dataset = IndexedDataset(str(tmp_path / "mistral_v1.model"))
    texts = [json.loads(line)["question"] for line in questions.read_text().splitlines()]
    assert [dataset[index].tolist() for index in range(7473)] == [[1, *reference.encode(text), 2] for text in texts]
    assert dataset.document_indices.tolist() == list(range(7474))


BAD_FILES = {
    "a.jsonl": b'{"text": "one"}\nbroken\n{"text": "two"}\n{"txt": "x"}\n{"text": "three \xff"}\n\n{"text": "four"}\n',
    "b.jsonl": b"",
    "c.jsonl.gz": b"no gzip at all",
}


def test_bad_rows_are_written_down_and_the_rest_is_kept(tmp_path: Path, tokenizer_model: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name, content in BAD_FILES.items():
        (folder / name).write_bytes(content)
    assert run(arguments(folder, tokenizer_model, tmp_path / "d", "--max-reject-fraction", "0.9")) == 0
    reference = sentencepiece.SentencePieceProcessor(model_file=str(tokenizer_model))
    assert [reference.decode(ids) for ids in read_dataset(tmp_path / "d")] == ["one", "two", "four"]
    assert [(Path(row["file"]).name, row["line"], row["reason"].split(":")[0]) for row in rejects_of(tmp_path / "d")] == [
        ("a.jsonl", 2, "malformed JSON"),
        ("a.jsonl", 4, "missing field"),
        ("a.jsonl", 5, "invalid UTF-8"),
        ("c.jsonl.gz", 1, "unreadable file"),
    ]
    manifest = manifest_of(tmp_path / "d")
    assert (manifest["rows"], manifest["documents"], manifest["rejected"]) == (7, 3, 4)
    assert [entry["bytes"] for entry in manifest["inputs"]] == [len(content) for content in BAD_FILES.values()]


def test_too_many_bad_rows_are_an_error_and_raising_the_limit_goes_on(
    tmp_path: Path, tokenizer_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.jsonl").write_bytes(BAD_FILES["a.jsonl"])
    wanted = arguments(tmp_path / "a.jsonl", tokenizer_model, tmp_path / "d")
    with pytest.raises(DataError) as error:
        run(wanted)
    assert str(error.value) == (
        f"3 of 6 rows (50.0%) could not be read, more than --max-reject-fraction 0.01; see {tmp_path / 'd.rejected.jsonl'}, "
        "mend the input or raise the limit (finished work is kept)"
    )
    assert len(rejects_of(tmp_path / "d")) == 3
    assert not (tmp_path / "d.bin").exists()
    assert run([*wanted, "--max-reject-fraction", "0.5"]) == 0
    assert "resuming: 1 of 1 slices are finished" in capsys.readouterr().out


def test_a_document_the_tokenizer_cannot_encode_is_rejected_alone(shared_data: Path, tmp_path: Path) -> None:
    documents = write_documents(tmp_path / "a.jsonl", ["before", " " * 2_000_000 + "x", "after"])
    tekken = shared_data / "tokenizers/tekken.json.gz"
    assert run(arguments(documents, tekken, tmp_path / "d", "--max-reject-fraction", "0.5")) == 0
    assert manifest_of(tmp_path / "d")["documents"] == 2
    (row,) = rejects_of(tmp_path / "d")
    assert row["line"] == 2
    assert row["reason"].startswith("tokenizer failed: ")


def test_what_a_person_gets_wrong(tmp_path: Path, tokenizer_model: Path, huggingface_without_bos: Path) -> None:
    documents = write_documents(tmp_path / "a.jsonl", ["x"])
    (tmp_path / "empty.jsonl").write_bytes(b"")
    (tmp_path / "blank.jsonl").write_bytes(b"\n\n")
    (tmp_path / "taken.bin").write_bytes(b"of someone else")
    for given, message in [
        (
            arguments(tmp_path / "empty.jsonl", tokenizer_model, tmp_path / "d"),
            "the 1 input files are empty; there is nothing to tokenize",
        ),
        (arguments(tmp_path / "blank.jsonl", tokenizer_model, tmp_path / "e"), "no documents in 1 input files (0 rejected rows)"),
        (arguments(tmp_path / "gone.jsonl", tokenizer_model, tmp_path / "d"), "does not exist"),
        (arguments(documents, tmp_path / "gone.model", tmp_path / "d"), "does not exist; name a SentencePiece .model"),
        (arguments(documents, tokenizer_model, tmp_path / "d", "--text-field", "body"), "name it with --text-field"),
        (arguments(documents, tokenizer_model, tmp_path / "taken"), "exists without a manifest, so it is not known what it is"),
        (arguments(documents, huggingface_without_bos, tmp_path / "d", "--bos"), "has no BOS token; leave --bos out"),
    ]:
        with pytest.raises(DataError) as error:
            run(given)
        assert message in str(error.value)
        assert "\n" not in str(error.value)


@pytest.fixture
def huggingface_without_bos(tmp_path: Path) -> Path:
    import tokenizers

    model = tokenizers.models.WordLevel({"<|endoftext|>": 0, "x": 1, "[UNK]": 2}, unk_token="[UNK]")
    path = tmp_path / "tokenizer.json"
    tokenizers.Tokenizer(model).save(str(path))
    return path


def test_without_a_bos_token_none_is_written(tmp_path: Path, huggingface_without_bos: Path) -> None:
    documents = write_documents(tmp_path / "a.jsonl", ["x"])
    assert run(arguments(documents, huggingface_without_bos, tmp_path / "d")) == 0
    assert read_dataset(tmp_path / "d") == [[1, 0]]
    assert manifest_of(tmp_path / "d")["tokenizer"]["bos_id"] is None


def test_a_finished_dataset_is_reused_and_another_is_not_replaced_unasked(
    tmp_path: Path, tokenizer_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    documents = write_documents(tmp_path / "a.jsonl", ["one", "two"])
    wanted = arguments(documents, tokenizer_model, tmp_path / "d")
    run(wanted)
    before = (tmp_path / "d.manifest.json").read_bytes()
    capsys.readouterr()
    moved = documents.rename(tmp_path / "b.jsonl")
    assert run(arguments(moved, tokenizer_model, tmp_path / "d")) == 0
    assert "is already there, from the same inputs and tokenizer: 2 rows = 2 documents + 0 rejected" in capsys.readouterr().out
    assert (tmp_path / "d.manifest.json").read_bytes() == before
    write_documents(moved, ["one", "three"])
    with pytest.raises(DataError) as error:
        run(arguments(moved, tokenizer_model, tmp_path / "d"))
    assert str(error.value).startswith(f"{tmp_path / 'd.manifest.json'} belongs to another output (made from other inputs); ")
    assert str(error.value).endswith("choose another --output or add --overwrite")
    assert run([*arguments(moved, tokenizer_model, tmp_path / "d"), "--overwrite"]) == 0
    (tmp_path / "d.bin").write_bytes(b"")
    with pytest.raises(DataError, match=r"should have \d+ bytes by its manifest but has 0; make it again with --overwrite"):
        run(arguments(moved, tokenizer_model, tmp_path / "d"))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory, sources: list[str]) -> Path:
    """Ten files, each half a second of work, with a bad line in each."""
    folder = tmp_path_factory.mktemp("corpus")
    for number in range(10):
        path = write_documents(folder / f"{number}.jsonl", [f"# {number}\n{text}" for text in sources * 8])
        path.write_text(path.read_text() + "broken\n")
    return folder


@pytest.fixture(scope="module")
def uninterrupted(corpus: Path, tokenizer_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    prefix = tmp_path_factory.mktemp("uninterrupted") / "d"
    assert run(arguments(corpus, tokenizer_model, prefix, "--workers", 1)) == 0
    return prefix


def assert_same(prefix: Path, reference: Path) -> None:
    for suffix in (".bin", ".idx", ".rejected.jsonl"):
        assert Path(f"{prefix}{suffix}").read_bytes() == Path(f"{reference}{suffix}").read_bytes(), suffix
    # When and from which commit: another commit may be made while the tests run.
    of_the_run = {"created": None, "git_commit": None}
    assert manifest_of(prefix) | of_the_run == manifest_of(reference) | of_the_run
    assert not Path(f"{prefix}.partial").exists()


def test_the_number_of_workers_changes_nothing(corpus: Path, tokenizer_model: Path, uninterrupted: Path, tmp_path: Path) -> None:
    assert run(arguments(corpus, tokenizer_model, tmp_path / "d", "--workers", 3)) == 0
    assert_same(tmp_path / "d", uninterrupted)


def start_and_wait(tmp_path: Path, given: list[str], ready: Callable[[], bool]) -> subprocess.Popen[str]:
    process = subprocess.Popen(command("tokenize", *given), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not ready():
        assert process.poll() is None, "it finished too early to be killed"
        assert time.monotonic() < deadline
        time.sleep(0.002)
    return process


@pytest.mark.parametrize(("workers", "kills"), [(1, (0, 1, 5)), (2, (0, 3, 7))])
def test_killed_and_run_again_gives_the_same_bytes(
    corpus: Path, tokenizer_model: Path, uninterrupted: Path, tmp_path: Path, workers: int, kills: tuple[int, ...]
) -> None:
    given = arguments(corpus, tokenizer_model, tmp_path / "d", "--workers", workers)
    records = tmp_path / "d.partial" / "records"
    for finished in kills:
        process = start_and_wait(
            tmp_path, given, lambda finished=finished: records.exists() and len(list(records.glob("slice-*"))) >= finished
        )
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kept = len(list(records.glob("slice-*")))
        assert kept >= finished
        assert not (tmp_path / "d.manifest.json").exists()
    after = subprocess.run(command("tokenize", *given), capture_output=True, text=True, timeout=120, check=True)
    assert f"resuming: {kept} of 10 slices are finished" in after.stdout or kept == 0
    assert_same(tmp_path / "d", uninterrupted)


@pytest.mark.parametrize("stop_before", ["merged.bin", "merged.idx", "d.manifest.json"])
def test_stopped_while_publishing_and_run_again(
    corpus: Path, tokenizer_model: Path, uninterrupted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop_before: str
) -> None:
    given = arguments(corpus, tokenizer_model, tmp_path / "d", "--workers", 2)
    replace = Path.replace

    def stop(self: Path, target: Path) -> Path:
        if stop_before in (self.name, Path(target).name):
            raise KeyboardInterrupt
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", stop)
        with pytest.raises(KeyboardInterrupt):
            run(given)
    assert not (tmp_path / "d.manifest.json").exists()
    assert run(given) == 0
    assert_same(tmp_path / "d", uninterrupted)


def test_two_runs_do_not_share_a_folder(corpus: Path, tokenizer_model: Path, tmp_path: Path) -> None:
    given = arguments(corpus, tokenizer_model, tmp_path / "d", "--workers", 1)
    process = start_and_wait(tmp_path, given, (tmp_path / "d.partial" / "records").exists)
    try:
        with pytest.raises(DataError, match=r"another run is working in .*; wait for it, or choose another --output"):
            run(given)
    finally:
        process.kill()
        process.communicate()


def test_unfinished_work_for_another_output_is_not_thrown_away(tokenizer_model: Path, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(BAD_FILES["a.jsonl"])
    given = arguments(tmp_path / "a.jsonl", tokenizer_model, tmp_path / "d")
    with pytest.raises(DataError, match="could not be read"):
        run(given)
    with pytest.raises(
        DataError, match=r"holds unfinished work for another output \(setting bos: True there, False now\); remove it or add"
    ):
        run([*given, "--no-bos"])
    assert run([*given, "--no-bos", "--overwrite", "--max-reject-fraction", "0.5"]) == 0
    assert 2 * manifest_of(tmp_path / "d")["tokens"] == (tmp_path / "d.bin").stat().st_size


def test_what_a_run_killed_at_its_very_end_left_is_removed(tokenizer_model: Path, tmp_path: Path) -> None:
    documents = write_documents(tmp_path / "a.jsonl", ["one", "two"])
    given = arguments(documents, tokenizer_model, tmp_path / "d")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("data_tools.partial_folder.PartialFolder.remove", lambda self: None)
        run(given)
    assert (tmp_path / "d.partial").exists()
    run(given)
    assert not (tmp_path / "d.partial").exists()
