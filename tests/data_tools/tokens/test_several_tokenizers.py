import json
from pathlib import Path

import pytest

from data_tools import in_hand
from data_tools.inputs import InputSlice
from data_tools.pool import run_tasks
from data_tools.progress import Progress
from data_tools.tokens import tokenize_slice
from data_tools.tokens.tokenize import run
from data_tools.tokens.tokenize_slice import SliceFiles, Target, TokenizeTask
from megatron_mathcoder.config.errors import DataError
from tests.data_tools.conftest import write_documents
from tests.data_tools.worker_tasks import tokenize_crashing


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory, sources: list[str]) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    for number in range(3):
        path = write_documents(folder / f"{number}.jsonl", [*sources[number::3], "ends with </s>", "é∑ 漢字 🙂"])
        path.write_text(path.read_text() + "broken\n")
    return folder


@pytest.fixture(scope="module")
def three(tokenizer_model: Path, shared_data: Path) -> dict[str, Path]:
    """A tokenizer of each kind: names as the verb gives them."""
    names = {"mistral_v3": "mistral_v3.model", "tekken": "tekken.json.gz"}
    return {tokenizer_model.parent.name: tokenizer_model} | {k: shared_data / "tokenizers" / v for k, v in names.items()}


def arguments(corpus: Path, tokenizers: list[object], prefix: Path, *more: str) -> list[str]:
    given = [word for tokenizer in tokenizers for word in ("--tokenizer", str(tokenizer))]
    return [str(corpus), *given, "--output", str(prefix), "--max-reject-fraction", "0.5", "--workers", "1", *more]


def assert_same_dataset(one: Path, other: Path) -> None:
    for suffix in (".bin", ".idx", ".rejected.jsonl"):
        assert Path(f"{one}{suffix}").read_bytes() == Path(f"{other}{suffix}").read_bytes(), suffix
    manifests = [json.loads(Path(f"{prefix}.manifest.json").read_bytes()) for prefix in (one, other)]
    of_the_run = {"created": None, "git_commit": None}
    assert manifests[0] | of_the_run == manifests[1] | of_the_run


def test_one_reading_makes_the_bytes_of_separate_runs(
    corpus: Path, three: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    reader = tokenize_slice.RowReader
    monkeypatch.setattr(tokenize_slice, "RowReader", lambda piece, columns: opened.append(piece.path) or reader(piece, columns))
    assert run(arguments(corpus, [*three.values()], tmp_path / "all")) == 0
    assert len(opened) == 3
    for name, path in three.items():
        assert run(arguments(corpus, [path], tmp_path / "alone" / name)) == 0
        assert_same_dataset(tmp_path / f"all-{name}", tmp_path / "alone" / name)
    assert sorted(path.name for path in tmp_path.glob("*.partial")) == []


def test_what_one_run_has_finished_the_next_does_not_repeat(
    corpus: Path, three: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, _ = three
    given = arguments(corpus, [three[first]], tmp_path / f"d-{first}")
    run(given)
    capsys.readouterr()
    run(arguments(corpus, [three[first], three[second]], tmp_path / "d"))
    said = capsys.readouterr().out
    assert f"d-{first} is already there, from the same inputs and tokenizer" in said
    assert f"d-{second}: " in said
    run(arguments(corpus, [three[first], three[second]], tmp_path / "d"))
    assert capsys.readouterr().out.count("nothing to do") == 2


def test_names_and_the_place_in_the_path(corpus: Path, three: dict[str, Path], tmp_path: Path) -> None:
    first, second, _ = three.values()
    run(arguments(corpus, [f"a={first}", f"b={second}"], tmp_path / "{tokenizer}/web"))
    assert sorted(path.parent.name for path in tmp_path.glob("*/web.bin")) == ["a", "b"]


def test_parts_make_the_datasets_of_all_tokenizers(corpus: Path, three: dict[str, Path], tmp_path: Path) -> None:
    for part in ("1/2", "2/2"):
        run(arguments(corpus, [*three.values()], tmp_path / "parts", "--part", part))
    run(arguments(corpus, [*three.values()], tmp_path / "whole"))
    for name in three:
        assert_same_dataset(tmp_path / f"parts-{name}", tmp_path / f"whole-{name}")


def test_two_tokenizers_of_one_name_are_an_error(corpus: Path, three: dict[str, Path], tmp_path: Path) -> None:
    first, second, _ = three.values()
    for given in ([first, first], [f"a={first}", f"a={second}"]):
        with pytest.raises(DataError, match=r"would be made twice; name each tokenizer once, as NAME=T if need be"):
            run(arguments(corpus, [*given], tmp_path / "d"))


def test_a_document_that_ended_one_tokenizers_process_is_rejected_for_that_one_alone(
    three: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents = write_documents(tmp_path / "in.jsonl", ["one", "two", "three"])
    first, second, _ = three
    monkeypatch.setattr(in_hand, "_endings", {in_hand.key_of(f"{documents} for {three[first]}") + 2: "SIGSEGV"})
    run(arguments(documents, [three[first], three[second]], tmp_path / "d"))
    rejected = [json.loads(line) for line in Path(f"{tmp_path}/d-{first}.rejected.jsonl").read_text().splitlines()]
    assert rejected == [{"file": str(documents), "line": 2, "reason": "tokenizer failed: it ended its process twice (SIGSEGV)"}]
    manifests = [json.loads(Path(f"{tmp_path}/d-{name}.manifest.json").read_bytes()) for name in (first, second)]
    assert [manifest["documents"] for manifest in manifests] == [2, 3]


def test_a_tokenizer_that_crashes_costs_the_document_and_not_the_slice(tokenizer_model: Path, tmp_path: Path) -> None:
    documents = write_documents(tmp_path / "in.jsonl", ["one", "abort", "two", "segfault", "three"])
    size = documents.stat().st_size
    piece = InputSlice(str(documents), 0, size, 1, size)
    target = Target(str(tokenizer_model), None, None, str(tmp_path))
    with Progress("test", size, "tokens") as progress:
        ((_, (record,)),) = run_tasks(tokenize_crashing, [TokenizeTask(0, piece, "text", (target,))], 2, progress, False)
    assert (record["rows"], record["documents"], record["rejected_by_reason"]) == (5, 3, {"tokenizer failed": 2})
    rejected = SliceFiles.of(tmp_path, 0).rejected.read_text().splitlines()
    assert [(json.loads(line)["line"], json.loads(line)["reason"].split()[-1]) for line in rejected] == [
        (2, "(SIGABRT)"),
        (4, "(SIGSEGV)"),
    ]
