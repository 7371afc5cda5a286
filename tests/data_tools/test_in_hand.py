"""Native code that ends its process: the document is dropped with file, line and reason, and the stage goes on."""

import argparse
import json
import multiprocessing
import signal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_tools import in_hand
from data_tools.document_slice import DocumentFilter
from data_tools.document_stage import make_documents
from data_tools.inputs import InputSlice
from data_tools.rows import BadRow, RowReader
from data_tools.sources import Source
from data_tools.sources.record_files import RecordFiles
from data_tools.sources.whole_files import WholeFiles
from megatron_mathcoder.config.errors import DataError
from tests.data_tools.test_prepare import rows_of
from tests.data_tools.worker_tasks import CrashingFilter, CrashingReader


def make(source: Source, output: Path, judge: DocumentFilter | None = None, share: float = 1.0, workers: int = 2) -> None:
    options = argparse.Namespace(inputs=[], output=output, max_reject_fraction=share, workers=workers, part=None, overwrite=False)
    make_documents("prepare", source, judge, options)


def files(folder: Path, texts: list[str]) -> WholeFiles:
    folder.mkdir()
    for number, text in enumerate(texts):
        (folder / f"{number}.txt").write_text(text)
    return WholeFiles("test", [str(folder)], [".txt"], CrashingReader(), {}, frozenset())


def test_a_file_whose_reader_crashes_is_dropped_and_the_others_are_read(tmp_path: Path) -> None:
    make(files(tmp_path / "in", ["one", "abort", "two", "segfault", "kill", "three"]), tmp_path / "o")
    assert [row["text"] for row in rows_of(tmp_path / "o/documents")] == ["one", "two", "three"]
    assert [(row["file"], row["line"], row["reason"]) for row in rows_of(tmp_path / "o/dropped")] == [
        (str(tmp_path / f"in/{number}.txt"), 0, f"reading stopped: ended its process twice ({name})")
        for number, name in [(1, "SIGABRT"), (3, "SIGSEGV"), (4, "SIGKILL")]
    ]
    manifest = json.loads((tmp_path / "o/manifest.json").read_bytes())
    assert (manifest["documents_in"], manifest["documents"], manifest["unreadable"]) == (6, 3, 3)


def test_more_crashes_than_the_stated_share_end_the_run_with_a_summary(tmp_path: Path) -> None:
    source = files(tmp_path / "in", ["one", "abort", "two"])
    with pytest.raises(DataError, match=r"1 of 3 rows \(33.3%\) could not be read, more than --max-reject-fraction 0.1; see "):
        make(source, tmp_path / "o", share=0.1)


def test_a_row_on_which_a_filter_crashes_is_dropped_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in ["one", "two", "segfault", "three"]))
    make(RecordFiles([str(path)], "text", "id", 2), tmp_path / "o", CrashingFilter())
    assert [row["text"] for row in rows_of(tmp_path / "o/documents")] == ["one", "two", "three"]
    (dropped,) = rows_of(tmp_path / "o/dropped")
    assert (dropped["file"], dropped["line"]) == (str(path), 3)
    assert dropped["reason"] == "judging stopped: ended its process twice (SIGSEGV)"


def test_after_a_crash_with_one_worker_the_same_command_sets_the_document_aside(tmp_path: Path) -> None:
    """What a job with one core does, which is requeued: its first run has no other process that could notice."""
    source = files(tmp_path / "in", ["one", "segfault", "two"])
    run = multiprocessing.get_context("spawn").Process(target=make, args=(source, tmp_path / "o", None, 1.0, 1))
    run.start()
    run.join()
    assert run.exitcode == -signal.SIGSEGV
    assert not (tmp_path / "o").exists()
    make(source, tmp_path / "o", workers=1)
    assert [row["text"] for row in rows_of(tmp_path / "o/documents")] == ["one", "two"]
    assert [row["reason"] for row in rows_of(tmp_path / "o/dropped")] == ["reading stopped: ended its process twice (SIGSEGV)"]


def test_the_rest_of_a_table_whose_reading_crashes_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "in.parquet"
    pq.write_table(pa.table({"text": [str(number) for number in range(1200)]}), path)
    key = in_hand.key_of(f"{path}: rows after 512")
    monkeypatch.setattr(in_hand, "_shared", [0])
    monkeypatch.setattr(in_hand, "_endings", {key: "SIGSEGV"})
    rows = list(RowReader(InputSlice(str(path), 0, 1, 1, 1)))
    assert len(rows) == 513
    assert rows[-1] == BadRow(513, "unreadable file: ended its process twice (SIGSEGV)")
