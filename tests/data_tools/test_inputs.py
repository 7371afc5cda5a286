import gzip
import hashlib
import os
from pathlib import Path

import pytest

from data_tools.inputs import MAX_SLICE_BYTES, MIN_SLICE_BYTES, find_files, scan_file, shown, slice_size
from data_tools.rows import Row, RowReader
from megatron_mathcoder.config.errors import DataError


def test_folder_is_sorted_and_arguments_keep_their_order(tmp_path: Path) -> None:
    for name in (
        "b/2.jsonl",
        "b/1.jsonl.gz",
        "b/sub/0.parquet",
        "a.jsonl.zst",
        "b/notes.txt",
        "b/.hidden.jsonl",
        "b/d.rejected.jsonl",
        "b/d.partial/output/x.jsonl",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_bytes(b"")
    found = find_files([str(tmp_path / "b"), str(tmp_path / "a.jsonl.zst")])
    assert [Path(name).relative_to(tmp_path).as_posix() for name in found] == [
        "b/1.jsonl.gz",
        "b/2.jsonl",
        "b/sub/0.parquet",
        "a.jsonl.zst",
    ]


def test_a_prepared_folder_stands_for_its_documents(tmp_path: Path) -> None:
    for name in ("documents/part-00000-000.jsonl.zst", "dropped/part-00000-000.jsonl"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"")
    assert find_files([str(tmp_path)]) == [(tmp_path / "documents/part-00000-000.jsonl.zst").as_posix()]


def test_links_to_a_file_of_the_same_folder_are_passed_over(tmp_path: Path) -> None:
    folder, other = tmp_path / "in", tmp_path / "other.jsonl"
    folder.mkdir()
    (folder / "m.jsonl").write_text("")
    other.write_text("")
    for name, target in (("a.jsonl", "m.jsonl"), ("z.jsonl", "m.jsonl"), ("y.jsonl", other), ("x.jsonl", other)):
        (folder / name).symlink_to(target)
    assert find_files([str(folder)]) == [str(folder / "m.jsonl"), str(folder / "x.jsonl")]


def test_a_folder_of_prepared_folders_stands_for_their_documents(tmp_path: Path) -> None:
    names = ("web/documents/a.jsonl", "web/dropped/a.jsonl", "books/dropped/kept.jsonl", ".cache/x.jsonl")
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(b"")
    found = [Path(name).relative_to(tmp_path).as_posix() for name in find_files([str(tmp_path)])]
    assert found == ["books/dropped/kept.jsonl", "web/documents/a.jsonl"]


def test_links_to_folders_are_followed_and_a_circle_ends(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/a.jsonl").write_bytes(b"")
    (tmp_path / "in").mkdir()
    for link, target in (("one", "elsewhere"), ("two", "elsewhere"), ("circle", "in")):
        (tmp_path / "in" / link).symlink_to(tmp_path / target)
    assert find_files([str(tmp_path / "in")]) == [(tmp_path / "in/one/a.jsonl").as_posix()]


def test_a_folder_that_cannot_be_listed_is_not_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in/closed").mkdir(parents=True)
    scandir = os.scandir

    def refused(path: str) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(PermissionError, match="closed"):
        find_files([str(tmp_path / "in")])


@pytest.mark.parametrize("name", ["A.JSONL", "A.JSONL.GZ", "a.Jsonl.gz"])
def test_a_suffix_in_capitals_is_the_same_suffix(name: str, tmp_path: Path) -> None:
    content = b'{"text": "a"}\n' * 3
    (tmp_path / name).write_bytes(gzip.compress(content) if name.lower().endswith("gz") else content)
    (path,) = find_files([str(tmp_path)])
    (piece,) = scan_file(path, slice_bytes=100).slices
    assert list(RowReader(piece)) == [Row(line, {"text": "a"}) for line in (1, 2, 3)]


def test_a_name_that_is_no_utf_8_can_be_shown() -> None:
    assert shown(os.fsdecode(b"caf\xe9/\xc3\xa9.html")) == "caf\\xe9/é.html"


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x")
    (tmp_path / "a.jsonl").write_text("{}")
    (tmp_path / "empty").mkdir()
    for given, message in [
        (
            ["nothere.jsonl"],
            "input 'nothere.jsonl' does not exist; name a file or a folder with .jsonl, .jsonl.gz, .jsonl.zst, .parquet",
        ),
        ([str(tmp_path / "a.csv")], "has an unknown suffix; readable are .jsonl, .jsonl.gz, .jsonl.zst, .parquet"),
        ([str(tmp_path / "empty")], "holds no .jsonl, .jsonl.gz, .jsonl.zst, .parquet file"),
        ([str(tmp_path / "a.jsonl"), str(tmp_path)], "is named twice; its documents would be read twice, so name it once"),
    ]:
        with pytest.raises(DataError) as error:
            find_files(given)
        assert message in str(error.value)
        assert "\n" not in str(error.value)


def test_slices_cover_a_file_and_hash_is_of_the_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    content = b"".join(b"%d\n" % number * 50 for number in range(100_000))
    path.write_bytes(content)
    file = scan_file(str(path), slice_bytes=2**20)
    assert file.sha256 == hashlib.sha256(content).hexdigest()
    assert file.bytes == len(content) == sum(piece.bytes for piece in file.slices)
    assert len(file.slices) > 10
    for before, after in zip(file.slices, file.slices[1:], strict=False):
        assert before.end == after.start
        assert content[after.start - 1 : after.start] == b"\n"
        assert after.first_line == content.count(b"\n", 0, after.start) + 1


def test_compressed_file_is_one_slice_and_empty_file_has_none(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b"{}\n" * 100_000))
    (tmp_path / "b.jsonl").write_bytes(b"")
    assert len(scan_file(str(tmp_path / "a.jsonl.gz"), slice_bytes=10).slices) == 1
    assert scan_file(str(tmp_path / "b.jsonl"), slice_bytes=10).slices == ()


def test_slice_size_grows_with_the_input_within_bounds() -> None:
    assert slice_size(10) == MIN_SLICE_BYTES
    assert slice_size(70 * 10**9) == 70 * 10**6
    assert slice_size(10**13) == MAX_SLICE_BYTES
