import gzip
import json
import os
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import zstandard

from data_tools import document_stage
from data_tools.prepare import run
from data_tools.sources import installed_packages
from megatron_mathcoder.config.errors import DataError
from tests.data_tools.conftest import command, write_documents


def rows_of(folder: Path) -> list[dict[str, Any]]:
    rows = []
    for path in sorted(folder.iterdir()):
        with zstandard.open(path) if path.suffix == ".zst" else path.open("rb") as stream:
            rows += [json.loads(line) for line in stream.read().splitlines()]
    return rows


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "manifest.json"
    }


def test_every_row_is_kept_or_dropped_with_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    Path("in/a.jsonl").write_text(
        '{"id": "one", "text": "first", "url": "u"}\n{"text": "second"}\n{"text": ""}\nbroken\n'
        '{"id": 5, "text": "fifth", "metadata": {"m": 1}}\n'
    )
    Path("in/b.jsonl.gz").write_bytes(gzip.compress(b'{"id": "", "text": "sixth"}\n'))
    assert run(["in", "--output", "out", "--max-reject-fraction", "0.5"]) == 0

    def from_file(file: str, line: int) -> dict[str, Any]:
        return {"source": "record_files", "file": file, "line": line}

    assert rows_of(Path("out/documents")) == [
        {"id": "one", "text": "first", "metadata": {"url": "u", "provenance": from_file("in/a.jsonl", 1) | {"url": "u"}}},
        {"id": "in/a.jsonl:2", "text": "second", "metadata": {"provenance": from_file("in/a.jsonl", 2)}},
        {"id": "5", "text": "fifth", "metadata": {"m": 1, "provenance": from_file("in/a.jsonl", 5)}},
        {"id": "in/b.jsonl.gz:1", "text": "sixth", "metadata": {"provenance": from_file("in/b.jsonl.gz", 1)}},
    ]
    dropped = rows_of(Path("out/dropped"))
    assert [(row["id"], row["file"], row["line"], row["reason"].split(":")[0]) for row in dropped] == [
        ("in/a.jsonl:3", "in/a.jsonl", 3, "empty text"),
        ("in/a.jsonl:4", "in/a.jsonl", 4, "malformed JSON"),
    ]
    manifest = json.loads(Path("out/manifest.json").read_bytes())
    assert (manifest["documents_in"], manifest["documents"], manifest["dropped"]) == (6, 4, 2)
    assert manifest["dropped_by_reason"] == {"empty text": 1, "malformed JSON": 1}
    assert manifest["text_bytes"] == len("firstsecondfifthsixth")
    assert not Path("out.partial").exists()


def test_documents_prepared_again_keep_id_and_provenance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.jsonl").write_text('{"key": "k1", "data": {"body": "text", "lang": "en"}, "n": [1]}\n{"data": {"body": "only"}}\n')
    assert run(["a.jsonl", "--output", "one", "--text-field", "data.body", "--id-field", "key"]) == 0
    first = rows_of(Path("one/documents"))
    assert [row["metadata"].get("data") for row in first] == [{"lang": "en"}, None]
    assert run(["one", "--output", "two"]) == 0
    assert rows_of(Path("two/documents")) == first


def test_real_benchmark_questions_become_documents(shared_data: Path, tmp_path: Path) -> None:
    questions = shared_data / "benchmarks/gsm8k_train.jsonl"
    assert run([str(questions), "--output", str(tmp_path / "out"), "--text-field", "question"]) == 0
    texts = [json.loads(line)["question"] for line in questions.read_text().splitlines()]
    assert [row["text"] for row in rows_of(tmp_path / "out/documents")] == texts


def test_columns_that_have_our_names(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "x", "meta": {"key": "k"}, "provenance": "a book", "id": null}\n')
    assert run([str(tmp_path / "a.jsonl"), "--output", str(tmp_path / "out"), "--id-field", "meta.key"]) == 0
    (row,) = rows_of(tmp_path / "out/documents")
    place = {"source": "record_files", "file": str(tmp_path / "a.jsonl"), "line": 1, "given": "a book"}
    assert (row["id"], row["metadata"]) == ("k", {"id": None, "provenance": place})


def test_names_that_are_no_utf_8(tmp_path: Path) -> None:
    name = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")
    Path(name + ".md").write_text("good")
    Path(name + ".jsonl").write_text('{"text": "good"}\n')
    assert run([str(tmp_path), "--source", "markdown", "--output", str(tmp_path / "out")]) == 0
    (row,) = rows_of(tmp_path / "out/documents")
    assert row["id"] == row["metadata"]["provenance"]["file"] == f"{tmp_path}/caf\\xe9.md"
    with pytest.raises(DataError, match="its name is no UTF-8; rename it"):
        run([str(tmp_path), "--output", str(tmp_path / "out2")])


def test_an_output_that_is_a_link_a_mount_point_or_has_lost_a_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = [str(write_documents(tmp_path / "a.jsonl", ["x"])), "--output"]
    (tmp_path / "disk/real").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "disk/real")
    assert run([*given, str(tmp_path / "link")]) == 0
    (part,) = (tmp_path / "disk/real/documents").iterdir()
    part.unlink()
    with pytest.raises(DataError, match=r"part-.* is not there, though the manifest names it; make it again with --overwrite"):
        run([*given, str(tmp_path / "link")])
    assert run([*given, str(tmp_path / "link"), "--overwrite"]) == 0
    assert part.exists()
    monkeypatch.setattr(Path, "is_mount", lambda path: path.name == "mounted")
    with pytest.raises(DataError, match="is a mount point, which no folder can replace; name a folder in it"):
        run([*given, str(tmp_path / "mounted")])


def test_what_a_person_gets_wrong(tmp_path: Path) -> None:
    documents = str(write_documents(tmp_path / "a.jsonl", ["x"]))
    (tmp_path / "empty.jsonl").write_bytes(b"")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter.txt").write_text("dear")
    (tmp_path / "bad.jsonl").write_text('{"text": "x"}\nbroken\n')
    out = ["--output", str(tmp_path / "out")]
    for given, message in [
        (out, "no INPUT given; name files or folders, or use --source installed_packages"),
        ([documents, *out, "--source", "installed_packages"], "--source installed_packages reads no INPUT, but"),
        (
            [*out, "--source", "installed_packages", "--packages", "mpmath,nosuchpackage"],
            "package 'nosuchpackage' is not installed here; pip install nosuchpackage",
        ),
        ([str(tmp_path / "empty.jsonl"), *out], "no documents: 0 dropped of 1 inputs"),
        (
            [str(tmp_path / "bad.jsonl"), "--output", str(tmp_path / "o2")],
            "1 of 2 rows (50.0%) could not be read, more than --max-reject-fraction 0.01",
        ),
        ([documents, *out, "--text-field", "body"], "missing field: no 'body' among id, text"),
        (
            [documents, "--output", str(tmp_path / "home")],
            "exists and was not made by mathcoder; choose another or remove it",
        ),
        ([documents, "--output", str(tmp_path / "home"), "--overwrite"], "exists and was not made by mathcoder"),
    ]:
        with pytest.raises(DataError) as error:
            run(given)
        assert message in str(error.value)
        assert "\n" not in str(error.value)
    assert (tmp_path / "home" / "letter.txt").read_text() == "dear"


def test_a_finished_folder_is_reused_and_replaced_only_when_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = [str(write_documents(tmp_path / "a.jsonl", ["one", "two"])), "--output", str(tmp_path / "out")]
    run(given)
    before = contents(tmp_path / "out")
    capsys.readouterr()
    assert run(given) == 0
    assert "is already there, from the same inputs: 2 documents; nothing to do" in capsys.readouterr().out
    write_documents(tmp_path / "a.jsonl", ["one"])
    with pytest.raises(
        DataError, match=r"belongs to another output \(made from other inputs\); choose another --output or add --overwrite"
    ):
        run(given)
    assert contents(tmp_path / "out") == before
    assert run([*given, "--overwrite"]) == 0
    assert [row["text"] for row in rows_of(tmp_path / "out/documents")] == ["one"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    for number in range(8):
        texts = (f"{number} {line} {line * 7919 % 104729} " * 20 for line in range(12_000))
        path = write_documents(folder / f"{number}.jsonl", texts)
        path.write_text(path.read_text() + "broken\n")
    return folder


@pytest.fixture(scope="module")
def uninterrupted(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("uninterrupted") / "out"
    assert run([str(corpus), "--output", str(output), "--workers", "1"]) == 0
    return output


def test_the_number_of_workers_changes_nothing(corpus: Path, uninterrupted: Path, tmp_path: Path) -> None:
    assert run([str(corpus), "--output", str(tmp_path / "out"), "--workers", "3"]) == 0
    assert contents(tmp_path / "out") == contents(uninterrupted)


@pytest.mark.parametrize("workers", [1, 2])
def test_killed_and_run_again_gives_the_same_bytes(corpus: Path, uninterrupted: Path, tmp_path: Path, workers: int) -> None:
    given = command("prepare", corpus, "--output", tmp_path / "out", "--workers", workers)
    records = tmp_path / "out.partial" / "records"
    for finished in (1, 5):
        process = subprocess.Popen(given, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        deadline = time.monotonic() + 60
        while not records.exists() or len(list(records.glob("slice-*"))) < finished:
            assert process.poll() is None, "it finished too early to be killed"
            assert time.monotonic() < deadline
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert not (tmp_path / "out").exists()
    subprocess.run(given, check=True, capture_output=True, timeout=120)
    assert contents(tmp_path / "out") == contents(uninterrupted)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_stopped_before_the_last_rename_and_run_again(
    corpus: Path, uninterrupted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = [str(corpus), "--output", str(tmp_path / "out"), "--workers", "2"]

    def stop(new: Path, output: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(document_stage, "_publish", stop)
        with pytest.raises(KeyboardInterrupt):
            run(given)
    (tmp_path / "out.partial/output/documents/.part-00000-000.jsonl.zst.1.tmp").write_bytes(b"torn")
    assert run(given) == 0
    assert contents(tmp_path / "out") == contents(uninterrupted)


def test_installed_packages_on_one_and_two_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("mpmath", reason="mpmath is an optional dependency")
    monkeypatch.setattr(installed_packages, "SLICE_BYTES", 2**18)
    outputs = []
    for workers in ("1", "2"):
        output = tmp_path / workers
        packages = ["--source", "installed_packages", "--packages", "mpmath"]
        assert run([*packages, "--output", str(output), "--workers", workers]) == 0
        outputs.append(contents(output))
    assert outputs[0] == outputs[1]
    documents, dropped = rows_of(tmp_path / "1/documents"), rows_of(tmp_path / "1/dropped")
    manifest = json.loads((tmp_path / "1/manifest.json").read_bytes())
    assert manifest["documents_in"] == len(documents) + len(dropped)
    assert len({row["id"] for row in documents + dropped}) == len(documents) + len(dropped)
    assert len({row["text"] for row in documents}) == len(documents) > 50
    assert Counter(row["metadata"]["kind"] for row in documents).keys() == {"code", "prose"}
    assert (
        f"{len(documents) + len(dropped)} documents in = {len(documents)} out + {len(dropped)} dropped" in capsys.readouterr().out
    )


def test_the_parts_of_a_job_array_give_the_same_bytes_whichever_ends_last(shared_data: Path, tmp_path: Path) -> None:
    inputs = sorted(str(path) for path in (shared_data / "benchmarks").glob("*.jsonl"))
    given = [*inputs, "--text-field", "question", "--max-reject-fraction", "1"]
    assert run([*given, "--output", str(tmp_path / "whole")]) == 0
    array = [[*given, "--output", str(tmp_path / "array"), "--part", f"{index}/3", "--workers", "1"] for index in (3, 1, 2)]
    assert run(array[0]) == 0
    assert run(array[1]) == 0
    assert not (tmp_path / "array").exists()
    assert run(array[2]) == 0
    assert contents(tmp_path / "array") == contents(tmp_path / "whole")
    assert not (tmp_path / "array.partial").exists()
    assert run(array[1]) == 0


def test_parts_at_the_same_time_publish_once(shared_data: Path, tmp_path: Path) -> None:
    inputs = sorted(str(path) for path in (shared_data / "benchmarks").glob("*.jsonl"))
    given = ["prepare", *inputs, "--text-field", "question", "--max-reject-fraction", "1", "--output", tmp_path / "out"]
    processes = [
        subprocess.Popen(command(*given, "--part", f"{index}/3"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for index in (1, 2, 3)
    ]
    texts = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], texts
    assert sum("documents in =" in text for text in texts) == 1
    assert json.loads((tmp_path / "out/manifest.json").read_bytes())["documents"] > 10_000
    assert not (tmp_path / "out.partial").exists()


def test_parts_of_other_settings_do_not_mix(tmp_path: Path) -> None:
    Path(tmp_path / "a.jsonl").write_text('{"text": "a"}\n')
    Path(tmp_path / "b.jsonl").write_text('{"text": "b"}\n')
    given = ["--output", str(tmp_path / "out"), "--part"]
    assert run([str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl"), *given, "1/2"]) == 0
    with pytest.raises(DataError, match=r"out.partial holds unfinished work for another output \(.*\); remove it$"):
        run([str(tmp_path / "b.jsonl"), *given, "2/2"])


@pytest.mark.parametrize("more", [[], ["--overwrite"]])
def test_an_output_never_takes_the_place_of_its_input(tmp_path: Path, more: list[str]) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "one"}\n')
    assert run([str(tmp_path / "in.jsonl"), "--output", str(tmp_path / "a")]) == 0
    before = (tmp_path / "a/manifest.json").read_bytes()
    with pytest.raises(DataError, match=r"--output '.*/a' holds the input '.*/a/documents/.*'; choose a folder beside it"):
        run([str(tmp_path / "a"), "--output", str(tmp_path / "a"), *more])
    assert (tmp_path / "a/manifest.json").read_bytes() == before


def test_an_output_is_not_made_where_the_next_run_would_read_it(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.jsonl").write_text('{"text": "one"}\n')
    with pytest.raises(
        DataError, match=r"output '.*/in/out' lies in the input folder '.*/in', where the next run would look for"
    ):
        run([str(folder), "--output", str(folder / "out")])
    assert [path.name for path in folder.iterdir()] == ["a.jsonl"]
    for output in (".out", "kept.partial"):  # what the next run passes over
        assert run([str(folder), "--output", str(folder / output)]) == 0
    (folder / "a.md").write_text("# One\n\nTwo are more than one.\n")
    notes = [str(folder), "--source", "markdown", "--output", str(folder / "notes")]
    assert run(notes) == run(notes) == 0  # this source reads no rows
