import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_tools import rows
from data_tools.document import Document
from data_tools.inputs import InputSlice, scan_file
from data_tools.row_fields import check_id_field, check_text_field, text_of
from data_tools.rows import MAX_NESTING, BadRow, Row, RowReader
from megatron_mathcoder.config.errors import DataError

GOOD = b'{"text": "a"}\n'


def read(path: Path, slice_bytes: int = 2**24) -> list[Row | BadRow]:
    return [row for piece in scan_file(str(path), slice_bytes).slices for row in RowReader(piece)]


def texts(path: Path) -> list[str | BadRow]:
    return [row if isinstance(row, BadRow) else text_of(row, "text") for row in read(path)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"text": "a"', "malformed JSON: unexpected end"),
        (b"not json", "malformed JSON"),
        (b'{"text": "\\ud800"}', "malformed JSON"),
        (b'{"text": "\xff"}', "invalid UTF-8: byte 11 of the line"),
        (b"\0" * 40, "NUL byte in line"),
        (b'["text"]', "not a JSON object: list"),
        (b"[" * 100_000, "malformed JSON"),
        (b'{"txt": "a", "b": 1}', "missing field: no 'text' among b, txt"),
        (b"{}", "missing field: no 'text' among no fields"),
        (b'{"text": 3}', "text is not a string: 'text' is int"),
        (b'{"text": null}', "text is not a string: 'text' is NoneType"),
        (b'{"text": ""}', "empty text"),
        (b'{"text": " \\n\\t"}', "empty text"),
        (b'{"text": "a\\u0000b"}', "NUL character in text"),
        (b'{"text": "a", "b": ' + b"[" * MAX_NESTING + b"]" * MAX_NESTING + b"}", "nested too deeply: over 200 levels"),
        (b'{"text": "a", "b": NaN', "malformed JSON"),
    ],
)
def test_bad_line_has_its_reason_and_number_and_the_next_is_read(tmp_path: Path, line: bytes, reason: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(GOOD + line + b"\n" + GOOD)
    first, bad, last = texts(path)
    assert (first, last) == ("a", "a")
    assert isinstance(bad, BadRow)
    assert bad.line == 2
    assert bad.reason.startswith(reason)


def test_numbers_that_only_python_writes_are_null(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": "a", "score": [float("nan"), float("-inf"), 1]}) + "\n")
    assert read(tmp_path / "a.jsonl") == [Row(1, {"text": "a", "score": [None, None, 1]})]


def test_a_row_of_the_most_levels_can_be_written_as_metadata(tmp_path: Path) -> None:
    nested = "[" * (MAX_NESTING - 1) + "]" * (MAX_NESTING - 1)
    (tmp_path / "a.jsonl").write_text(f'{{"text": "a", "b": {nested}}}\n')
    (row,) = read(tmp_path / "a.jsonl")
    assert isinstance(row, Row)
    assert nested in Document("d", "a", {"scores": {"of": row.value}}).to_json_line().decode()


def test_a_field_whose_own_name_has_dots(tmp_path: Path) -> None:
    assert text_of(Row(1, {"a.b": "x", "a": {"b": "y"}}), "a.b") == "x"
    pq.write_table(pa.table({"a.b": ["x"], "c": ["y"]}), tmp_path / "a.parquet")
    (piece,) = scan_file(str(tmp_path / "a.parquet"), 2**20).slices
    assert list(RowReader(piece, columns=["a.b"])) == [Row(1, {"a.b": "x"})]


def test_an_id_that_no_row_has(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a", "meta": {"id": 7}}\n')
    (piece,) = scan_file(str(tmp_path / "a.jsonl"), 2**20).slices
    check_id_field(piece, "meta.id")
    with pytest.raises(DataError, match=r"none of the first 1 rows of .* has 'uuid' among meta, text; name the id's field with"):
        check_id_field(piece, "uuid")


def test_nested_field_and_a_field_of_another_type_on_the_way() -> None:
    assert text_of(Row(1, {"a": {"b": "x"}}), "a.b") == "x"
    bad = text_of(Row(1, {"a": "x"}), "a.b")
    assert bad == BadRow(1, "missing field: no 'a.b' among a")


def test_blank_lines_carriage_returns_byte_order_mark_and_no_final_newline(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + b'{"text": "1"}\r\n\r\n  \n{"text": "2"}')
    assert texts(path) == ["1", "2"]
    assert [row.line for row in read(path)] == [1, 4]


def test_a_long_line_is_let_go_and_reading_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MAX_LINE_BYTES", 3 * 2**20)
    path = tmp_path / "a.jsonl"
    path.write_bytes(GOOD + b'{"text": "' + b"x" * 5 * 2**20 + b'"}\n' + GOOD + b"y" * 4 * 2**20)
    long = f"line too long: over {3 * 2**20} bytes"
    assert texts(path) == ["a", BadRow(2, long), "a", BadRow(4, long)]


def compressed(path: Path, payload: bytes) -> bytes:
    return gzip.compress(payload) if path.suffix == ".gz" else zstandard.ZstdCompressor().compress(payload)


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst"])
class TestCompressed:
    def test_all_members_of_a_file_are_read(self, tmp_path: Path, name: str) -> None:
        path = tmp_path / name
        path.write_bytes(compressed(path, GOOD * 3) + compressed(path, GOOD * 4))
        assert texts(path) == ["a"] * 7

    def test_empty(self, tmp_path: Path, name: str) -> None:
        path = tmp_path / name
        path.write_bytes(b"")
        assert texts(path) == []
        path.write_bytes(compressed(path, b""))
        assert texts(path) == []

    def test_truncated_keeps_what_came_before_and_says_where(self, tmp_path: Path, name: str) -> None:
        path = tmp_path / name
        lines = b"".join(
            json.dumps({"text": f"{number} " + "0123456789" * (number % 97)}).encode() + b"\n" for number in range(40_000)
        )
        whole = compressed(path, lines)
        path.write_bytes(whole[: len(whole) * 3 // 4])
        *good, last = texts(path)
        assert 1000 < len(good) < 40_000
        assert all(isinstance(text, str) and text.startswith(f"{number} ") for number, text in enumerate(good))
        assert isinstance(last, BadRow)
        assert last.line == len(good) + 1
        assert last.reason.startswith("unreadable file: ")

    def test_garbage(self, tmp_path: Path, name: str) -> None:
        path = tmp_path / name
        path.write_bytes(b"this was never compressed\n" * 9)
        (bad,) = texts(path)
        assert isinstance(bad, BadRow)
        assert bad.reason.startswith("unreadable file: ")


def test_parquet_rows_by_slice_and_only_the_wanted_column(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table({"text": [f"t{number}" for number in range(100)], "url": ["u"] * 100})
    pq.write_table(table, path, row_group_size=10)
    slices = scan_file(str(path), slice_bytes=1).slices
    assert len(slices) == 10
    found = [row for piece in slices for row in RowReader(piece, columns=["text"])]
    assert found == [Row(number + 1, {"text": f"t{number}"}) for number in range(100)]
    missing = [text_of(row, "body") for row in RowReader(slices[9], columns=["body"]) if isinstance(row, Row)]
    assert [bad.line for bad in missing if isinstance(bad, BadRow)] == list(range(91, 101))


def test_parquet_with_a_broken_string_or_broken_itself(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    strings = pa.Array.from_buffers(pa.string(), 3, pa.array([b"ok", b"\xff\xfe", b"fine"]).buffers())
    pq.write_table(pa.table({"text": strings}), path)
    assert texts(path) == ["ok", BadRow(2, "invalid UTF-8: byte 1 of a column"), "fine"]
    path.write_bytes(path.read_bytes()[:-20])
    (bad,) = texts(path)
    assert isinstance(bad, BadRow)
    assert bad.reason.startswith("unreadable file: ")


def test_parquet_times_that_python_has_no_form_for(tmp_path: Path) -> None:
    """pandas writes nanoseconds; reading them must not depend on pandas being there."""
    path = tmp_path / "a.parquet"
    times = pa.array([1_577_836_800_000_000_001, 5], type=pa.timestamp("ns", "UTC"))
    pq.write_table(pa.table({"text": ["a", "b"], "t": times, "d": pa.array([2**62, 1500], type=pa.duration("ns"))}), path)
    dates = [row.value["t"] for row in read(path) if isinstance(row, Row)]
    assert [date.isoformat() for date in dates] == ["2020-01-01T00:00:00+00:00", "1970-01-01T00:00:00+00:00"]
    pq.write_table(pa.table({"text": ["a", "b"], "t": pa.array([2**62, 0], type=pa.timestamp("us", "UTC"))}), path)
    far, near = read(path)
    assert isinstance(far, Row)
    assert isinstance(near, Row)
    assert far.value == {"text": "a", "t": 2**62}
    assert near.value["t"].year == 1970


def test_a_missing_file_is_the_machines_fault_not_a_bad_row(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(RowReader(InputSlice(str(tmp_path / "gone.jsonl"), 0, 9, 1, 9)))


def test_field_that_no_row_has(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"broken\n" + b'{"question": "q", "answer": "a"}\n' * 3)
    (piece,) = scan_file(str(path), 2**20).slices
    seen = "missing field: no 'text' among answer, question"
    expected = f"none of the first 3 rows of {path} has a text ({seen}); name it with --text-field"
    with pytest.raises(DataError) as error:
        check_text_field(piece, "text")
    assert str(error.value) == expected
    check_text_field(piece, "question")


json_line = st.one_of(
    st.dictionaries(st.text(max_size=3), st.text(max_size=20), max_size=2).map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=30).map(lambda raw: raw.replace(b"\n", b"")),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(json_line, max_size=30), slice_bytes=st.integers(1, 200), final_newline=st.booleans())
def test_cuts_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[bytes], slice_bytes: int, final_newline: bool
) -> None:
    monkeypatch.setattr("data_tools.inputs.CHUNK_BYTES", 64)
    monkeypatch.setattr(rows, "CHUNK_BYTES", 16)
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join(lines) + (b"\n" if final_newline else b""))
    found = read(path, slice_bytes)
    assert found == read(path)
    assert [row.line for row in found] == [
        number for number, line in enumerate(path.read_bytes().split(b"\n"), start=1) if line and not line.isspace()
    ]
