import errno
import json
import os
from pathlib import Path

import pytest
import zstandard

from data_tools import parts
from data_tools.inputs import scan_file
from data_tools.parts import PartWriter, atomic_file, concatenate, remove_temporary_files
from data_tools.rows import RowReader


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a"

    def stop_halfway() -> None:
        with atomic_file(path) as stream:
            stream.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop_halfway()
    assert list(tmp_path.iterdir()) == []
    with atomic_file(path) as stream:
        stream.write(b"whole")
        assert not path.exists()
    assert path.read_bytes() == b"whole"


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.zst"])
def test_rows_go_over_several_pieces_and_come_back_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    monkeypatch.setattr(parts, "MAX_PART_BYTES", 100)
    lines = [json.dumps({"number": number}).encode() + b"\n" for number in range(30)]
    with PartWriter(tmp_path, 7, suffix) as writer:
        for line in lines:
            writer.write(line)
    assert writer.rows == 30
    assert [part["name"] for part in writer.parts] == [f"part-00007-00{piece}{suffix}" for piece in range(5)]
    assert all(part["row_bytes"] <= 100 for part in writer.parts)
    found = [
        row
        for part in writer.parts
        for piece in scan_file(str(tmp_path / part["name"]), 2**20).slices
        for row in RowReader(piece)
    ]
    assert [row.value["number"] for row in found] == list(range(30))


def test_no_rows_no_part_and_an_error_leaves_no_unfinished_one(tmp_path: Path) -> None:
    with PartWriter(tmp_path, 0, ".jsonl.zst") as writer:
        pass
    assert writer.parts == []

    def fail_halfway() -> None:
        with PartWriter(tmp_path, 0, ".jsonl.zst") as writer:
            writer.write(b"{}\n")
            raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        fail_halfway()
    assert list(tmp_path.iterdir()) == []


def test_compressed_parts_are_ordinary_zstd(tmp_path: Path) -> None:
    with PartWriter(tmp_path, 0, ".jsonl.zst") as writer:
        writer.write(b"{}\n")
    with zstandard.open(tmp_path / "part-00000-000.jsonl.zst") as stream:
        assert stream.read() == b"{}\n"


def test_a_full_disk_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device") as error, atomic_file(tmp_path / "a") as stream:
        stream.write(b"x")
    assert error.value.filename == str(tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_concatenate_and_clean_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "COPY_BYTES", 3)
    (tmp_path / "a").write_bytes(b"12345")
    (tmp_path / "b").write_bytes(b"")
    (tmp_path / ".b.17.tmp").write_bytes(b"left by a killed run")
    concatenate(tmp_path / "c", [tmp_path / name for name in "aba"])
    assert (tmp_path / "c").read_bytes() == b"1234512345"
    remove_temporary_files(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c"]
