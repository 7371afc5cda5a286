"""What people feed to ``mathcoder prepare`` by mistake or malice: each is kept aside with file, line and reason, and the rest
is read.

Every case stands beside a good file of its source, which must come out, and is read through the verb.
"""

import gzip
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from data_tools.formulas.latex_source import without_comments
from data_tools.formulas.own_commands import defined_commands
from data_tools.prepare import run
from data_tools.program_text.imports import MATHS_PACKAGES, imported_packages
from data_tools.program_text.notebooks import read_notebook
from data_tools.reading_limit import ReadingStopped, reading_limit
from data_tools.sources import latex
from data_tools.sources.pdf_text import open_pdf
from data_tools.sources.repetition import skip_repetitions
from data_tools.sources.web_page import MAX_TAGS, read_page
from tests.data_tools.test_prepare import rows_of
from tests.repository import SHARED_DATA

PDF = SHARED_DATA / "pdf/004-pdflatex-4-pages__pdflatex-4-pages.pdf"
ROW = b'{"text": "good"}\n'
WORDS = "Words of a page that is long enough to be the main text of it, with a formula $x^2$ in it. "
PAGE = f"<html><body><p>{WORDS * 3}</p></body></html>".encode()
PIECES = st.sampled_from(["<math>", "</math>", "<mi>x", "<mfrac>", "<p>", "<sup>2", "$", r"\(", "<script type='math/tex'>", "a"])
KEYS = st.sampled_from(["cells", "source", "outputs", "cell_type", "metadata"])
LEAVES = st.none() | st.integers() | st.text(max_size=5)
ANY_JSON = st.recursive(LEAVES, lambda x: st.lists(x, max_size=3) | st.dictionaries(KEYS, x, max_size=3), max_leaves=12)
CODE = b"import sympy\nx = sympy.pi\n"


def parquet(**columns: object) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def zip_bomb() -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", bytes(10**7))
    return sink.getvalue()


def torn_pdf() -> bytes:
    return PDF.read_bytes()[:3000]


def nested_notebook() -> bytes:
    return b'{"cells": ' + b"[" * 5000 + b"]" * 5000 + b"}"


CASES: list[tuple[str, str, bytes | Callable[[], bytes], str]] = [
    ("record_files", "a.jsonl.gz", gzip.compress(ROW * 9)[:-9], "unreadable file"),
    ("record_files", "a.jsonl.gz", b"not gzip", "unreadable file"),
    ("record_files", "a.jsonl.gz", gzip.compress(b'{"text": "' + bytes(60_000_000) + b'"}'), "line too long"),
    ("record_files", "a.jsonl.zst", zstandard.compress(ROW * 9)[:-3], "unreadable file"),
    ("record_files", "a.jsonl.zst", b"not zstd", "unreadable file"),
    ("record_files", "a.parquet", b"PAR1 not parquet", "unreadable file"),
    ("record_files", "a.parquet", lambda: parquet(text=["x"])[:-20], "unreadable file"),
    ("record_files", "a.parquet", lambda: parquet(other=["x"]), "missing field"),
    ("record_files", "a.parquet", lambda: parquet(text=[7]), "text is not a string"),
    ("record_files", "a.jsonl", b'{"text": "\xff"}\n', "invalid UTF-8"),
    ("record_files", "a.jsonl", bytes(100) + b"\n", "NUL byte in line"),
    ("record_files", "a.jsonl", b'{"text": "a\\u0000b"}\n', "NUL character in text"),
    ("record_files", "a.jsonl", b'{"text": ""}\n', "empty text"),
    ("record_files", "a.jsonl", b'{"nested": {"text": "x"}}\n', "missing field"),
    ("record_files", "a.jsonl", b'["text"]\n', "not a JSON object"),
    ("record_files", "a.jsonl", b"[" * 200_000 + b"\n", "malformed JSON"),
    ("html", "a.html", b"", "empty file"),
    ("html", "a.html", b"no tags at all", "unreadable content"),
    ("html", "a.html", b"<html><body></body></html>", "unreadable content"),
    ("html", "a.html", b"<div>" * 100_000, "unreadable content"),
    ("html", "a.html", b"<p>x" * (MAX_TAGS + 1), "unreadable content"),
    ("html", "a.html", bytes(20 * 2**20), "file too large"),
    ("html", "a.html", b"<script>" + b"x" * 1000, "unreadable content"),
    ("code_files", "a.py", b"import sympy\0", "NUL character in text"),
    ("code_files", "a.py", b"# -*- coding: nonsense -*-\nimport sympy", "unreadable content"),
    ("code_files", "a.py", b"import sympy # \xff\xfe", "unreadable content"),
    ("code_files", "a.ipynb", b"{", "unreadable content"),
    ("code_files", "a.ipynb", b'{"cells": 1}', "unreadable content"),
    ("code_files", "a.ipynb", nested_notebook, "unreadable content"),
    ("code_files", "a.ipynb", b"", "empty file"),
    ("markdown", "a.md", b"\xff\xfe\xfa", "unreadable content"),
    ("markdown", "a.md", b" \n ", "empty text"),
    ("markdown", "a.md", b"a\0b", "NUL character in text"),
    ("latex", "a.tex", rb"\documentclass{a}\begin{document}\input{a2}\end{document}", "too short"),
    ("latex", "a.tex", b"x", "too short"),
    ("mmd", "a.mmd", b"[MISSING_PAGE_EMPTY:1]", "empty text"),
    ("pdf", "a.pdf", b"%PDF-1.4 nothing more", "unreadable content"),
    ("pdf", "a.pdf", zip_bomb, "unreadable content"),
    ("pdf", "a.pdf", torn_pdf, "unreadable content"),
    ("pdf", "a.pdf", b"", "empty file"),
    ("warc", "a.warc.gz", b"not an archive", "unreadable file"),
    ("warc", "a.warc", b"WARC/1.0\r\nContent-Length: 99999999\r\n\r\nshort", ""),
]
GOOD: dict[str, tuple[str, bytes]] = {
    "record_files": ("0.jsonl", ROW * 3),
    "html": ("z.html", PAGE),
    "code_files": ("z.py", CODE),
    "markdown": ("z.md", b"good"),
    "latex": ("z.tex", b"A good file that stands alone. " + " ".join(map(str, range(200))).encode()),
    "mmd": ("z.mmd", b"good"),
}


@pytest.mark.parametrize(("source", "name", "content", "reason"), CASES, ids=[f"{n}-{c[1]}" for n, c in enumerate(CASES)])
def test_one_bad_file_is_kept_aside_and_the_others_are_read(
    source: str, name: str, content: bytes | Callable[[], bytes], reason: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if source == "pdf":
        request.getfixturevalue("shared_data")
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / name).write_bytes(content if isinstance(content, bytes) else content())
    if source in GOOD:
        good, good_content = GOOD[source]
        (folder / good).write_bytes(good_content)
    elif source == "pdf":
        (folder / "z.pdf").write_bytes(PDF.read_bytes())
    else:
        (folder / "z.warc").write_bytes(warc_page())
    given = [str(folder), "--source", source, "--output", str(tmp_path / "o"), "--max-reject-fraction", "1", "--workers", "1"]
    assert run(given) == 0
    documents, dropped = rows_of(tmp_path / "o/documents"), rows_of(tmp_path / "o/dropped")
    assert documents
    assert all(name not in row["id"] for row in documents if not name.endswith((".gz", ".zst")))
    if reason:
        assert [row["reason"].split(":")[0] for row in dropped] == [reason]
        assert all(row["file"] == str(folder / name) for row in dropped)
        assert all("\n" not in row["reason"] and len(row["reason"]) < 400 for row in dropped)
    manifest = json.loads((tmp_path / "o/manifest.json").read_bytes())
    assert manifest["documents_in"] == len(documents) + len(dropped)


def warc_page(body: bytes = PAGE, encoding: str = "identity") -> bytes:
    http = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: {encoding}\r\n\r\n"
    payload = http.encode() + body
    head = "WARC/1.0\r\nWARC-Type: response\r\nWARC-Record-ID: <urn:x:1>\r\nWARC-Target-URI: http://a.org/\r\n"
    head += f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(payload)}\r\n\r\n"
    return head.encode() + payload + b"\r\n\r\n"


def test_a_compressed_page_that_grows_without_end_is_cut_off(tmp_path: Path) -> None:
    """100 MB of nothing in 100 kB: what is read of it stops at the bound, and the record after it is read."""
    bomb = gzip.compress(bytes(10**8))
    assert len(bomb) < 10**6
    (tmp_path / "in.warc").write_bytes(warc_page(bomb, "gzip") + warc_page())
    given = [str(tmp_path / "in.warc"), "--source", "warc", "--output", str(tmp_path / "o"), "--max-reject-fraction", "1"]
    assert run(given) == 0
    (row,) = rows_of(tmp_path / "o/dropped")
    assert "page too large: over 16777216 bytes" in row["reason"]
    assert len(rows_of(tmp_path / "o/documents")) == 1


def test_what_is_opened_in_latex_and_never_closed_costs_one_look() -> None:
    """Looked for from each beginning anew, these ends take 20 seconds for each kind; this takes less than one."""
    opened = r"\begin{verbatim}\iffalse\begin{comment} %" + "\n"
    with reading_limit(15.0):
        assert without_comments(opened * 10_000) == opened.replace("%", "") * 10_000
        assert defined_commands(r"\def\a{" * 1000) == {}


def test_inputs_that_multiply_are_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of 18 files reads the next one three times: 400 million readings."""
    monkeypatch.setattr(latex, "MAX_FILES", 100)
    (tmp_path / "in").mkdir()
    (tmp_path / "in/main.tex").write_text(r"\documentclass{a}\begin{document}\input{f0}\end{document}")
    (tmp_path / "in/z.tex").write_bytes(GOOD["latex"][1])
    for number in range(18):
        (tmp_path / f"in/f{number}.tex").write_text(rf"\input{{f{number + 1}}}" * 3)
    given = [str(tmp_path / "in"), "--source", "latex", "--output", str(tmp_path / "o"), "--max-reject-fraction", "1"]
    assert run([*given, "--workers", "1"]) == 0
    dropped = {Path(row["file"]).name: row["reason"] for row in rows_of(tmp_path / "o/dropped")}
    assert dropped["main.tex"].startswith("unreadable content: ValueError: input of over 100 files")
    assert len(rows_of(tmp_path / "o/documents")) == 1


def test_a_reader_that_hangs_is_stopped() -> None:
    def read_for_ever() -> None:
        with reading_limit(0.05):
            while True:
                pass

    with pytest.raises(ReadingStopped, match=r"took over 0.05 seconds"):
        read_for_ever()


def test_an_unreadable_file_among_others(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.md").write_text("good")
    (tmp_path / "in/b.md").symlink_to(tmp_path / "in/b.md")
    (tmp_path / "in/c.md").mkdir()
    assert run([str(tmp_path / "in"), "--source", "markdown", "--output", str(tmp_path / "o"), "--max-reject-fraction", "1"]) == 0
    assert len(rows_of(tmp_path / "o/documents")) == 1


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_a_page_or_a_reason(raw: bytes) -> None:
    try:
        page = read_page(b"<p>" + raw)
    except ValueError:
        return
    assert page.text.strip()
    assert page.metadata["formulas_kept"] <= page.metadata["formulas"]


@settings(max_examples=60, deadline=None)
@given(st.lists(PIECES))
def test_any_pieces_of_a_page_are_read(pieces: list[str]) -> None:
    page = read_page("".join(["<body>word ", *pieces]).encode())
    assert page.text.startswith("word")


@settings(max_examples=60, deadline=None)
@given(ANY_JSON)
def test_any_json_is_a_notebook_or_a_reason(value: object) -> None:
    if isinstance(value, dict) and isinstance(value.get("cells"), list):
        read_notebook(json.dumps(value).encode())
    else:
        with pytest.raises(ValueError, match="notebook"):
            read_notebook(json.dumps(value).encode())


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="abimport sympy,;\n\\'\"#()from .", max_size=80))
def test_any_program_has_a_list_of_imports(code: str) -> None:
    assert set(imported_packages(code, MATHS_PACKAGES)) <= {"sympy"}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["A", "B", "some longer words", "", "C 1"]), max_size=12))
def test_skipping_repetitions_invents_nothing_and_loses_no_paragraph_kind(parts: list[str]) -> None:
    text, skipped = skip_repetitions("\n\n".join(parts))
    assert set(filter(None, text.split("\n\n"))) == {part for part in parts if part}
    assert skipped >= 0


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="a%\\\n{}verb|", max_size=60))
def test_taking_comments_out_twice_changes_nothing_more(source: str) -> None:
    once = without_comments(source)
    assert len(once) <= len(source)


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_no_pdf(raw: bytes) -> None:
    with pytest.raises(ValueError, match="PDF"):
        open_pdf(b"%PDF-1.7\n" + raw)
