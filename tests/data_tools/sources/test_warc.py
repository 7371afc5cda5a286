import gzip
import zlib
from pathlib import Path

import brotli
import pytest
import zstandard

from data_tools.prepare import run
from data_tools.sources import warc
from megatron_mathcoder.config.errors import DataError
from tests.data_tools.test_prepare import rows_of

PAGE = (
    "<html lang='en-GB'><body><p>"
    + "Some words that are the text of this page. " * 9
    + "Let <math alttext='x^2'></math>.</p></body></html>"
)


def record(url: str, status: str, kind: str, body: bytes, encoding: str = "", transfer: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n"
    head += f"Transfer-Encoding: {transfer}\r\n" if transfer else ""
    head += f"Content-Encoding: {encoding}\r\n" if encoding else ""
    payload = head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body
    fields = {
        "WARC-Type": "response",
        "WARC-Record-ID": f"<urn:test:{url}>",
        "WARC-Date": "2026-01-02T03:04:05Z",
        "WARC-Target-URI": url,
        "Content-Type": "application/http; msgtype=response",
        "Content-Length": str(len(payload)),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"WARC/1.0\r\n{lines}\r\n".encode() + payload + b"\r\n\r\n"


def archive(path: Path) -> bytes:
    records = [
        record("https://a.org/1", "200 OK", "text/html; charset=utf-8", PAGE.encode()),
        record("https://a.org/2", "404 Not Found", "text/html", PAGE.encode()),
        record("https://a.org/3", "200 OK", "image/png", b"\x89PNG"),
        record("https://a.org/4", "200 OK", "text/html", gzip.compress(PAGE.encode()), "gzip"),
        record("https://a.org/5", "200 OK", "text/html; charset=iso-8859-1", PAGE.replace("Some", "Café").encode("latin-1")),
    ]
    path.write_bytes(b"".join(gzip.compress(one) for one in records))
    return path.read_bytes()


def test_pages_of_an_archive_are_documents(tmp_path: Path) -> None:
    archive(tmp_path / "a.warc.gz")
    assert run([str(tmp_path / "a.warc.gz"), "--source", "warc", "--output", str(tmp_path / "o")]) == 0
    documents = rows_of(tmp_path / "o/documents")
    assert [row["metadata"]["provenance"]["url"][-1] for row in documents] == ["1", "4", "5"]
    assert all("Let $x^2$." in row["text"] for row in documents)
    assert "Café" in documents[2]["text"]
    assert documents[0]["metadata"]["provenance"]["date"] == "2026-01-02T03:04:05Z"
    assert documents[0]["metadata"]["language"] == "en"
    reasons = [row["reason"] for row in rows_of(tmp_path / "o/dropped")]
    assert reasons == ["not a page: status 404, type text/html", "not a page: status 200, type image/png"]


def chunked(body: bytes, size: int = 100) -> bytes:
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in [*pieces, b""])


def test_bodies_in_chunks_compressed_or_of_another_charset_than_declared_are_pages(tmp_path: Path) -> None:
    compressed = zlib.compressobj(wbits=-15)
    deflated = compressed.compress(PAGE.encode()) + compressed.flush()
    html = "text/html; charset=utf-8"
    records = [
        record("https://a.org/1", "200 OK", html, chunked(PAGE.encode()), transfer="chunked"),
        record("https://a.org/2", "200 OK", html, chunked(gzip.compress(PAGE.encode())), "gzip", transfer="chunked"),
        record("https://a.org/3", "200 OK", html, zlib.compress(PAGE.encode()), "deflate"),
        record("https://a.org/4", "200 OK", html, deflated, "deflate"),
        record("https://a.org/5", "200 OK", html, PAGE.replace("Some", "Café").encode("cp1252")),
        record("https://a.org/6", "200 OK", "text/html; charset=no-such", PAGE.encode()),
        record("https://a.org/7", "200 OK", html, brotli.compress(PAGE.encode()), "br"),
        record("https://a.org/8", "200 OK", html, chunked(zstandard.compress(PAGE.encode())), "zstd", transfer="chunked"),
        # Cut off, behind the words that matter.
        record("https://a.org/9", "200 OK", html, gzip.compress((PAGE + PAGE * 99).encode(), mtime=0)[:-60], "gzip"),
        # What crawlers store: decoded, under the headers of the compressed response.
        record("https://a.org/0", "200 OK", html, PAGE.encode(), "gzip", transfer="chunked"),
    ]
    (tmp_path / "a.warc").write_bytes(b"".join(records))
    (tmp_path / "b.warc.gz").write_bytes(b"".join(gzip.compress(one, mtime=0) for one in records))
    assert run([str(tmp_path / "b.warc.gz"), "--source", "warc", "--output", str(tmp_path / "p")]) == 0
    assert run([str(tmp_path / "a.warc"), "--source", "warc", "--output", str(tmp_path / "o")]) == 0
    assert [row["text"] for row in rows_of(tmp_path / "p/documents")] == [
        row["text"] for row in rows_of(tmp_path / "o/documents")
    ]
    documents = rows_of(tmp_path / "o/documents")
    assert [row["metadata"]["provenance"]["url"][-1] for row in documents] == list("1234567890")
    assert all("Let $x^2$." in row["text"] for row in documents)
    assert "Café words" in documents[4]["text"]


def test_a_body_in_an_unknown_encoding_is_dropped_and_the_next_record_is_read(tmp_path: Path) -> None:
    records = [record("https://a.org/1", "200 OK", "text/html", b"\x00\x01" * 99, "secret")]
    records += [record("https://a.org/2", "200 OK", "text/html", b"\x00\x01" * 99, "br")]
    records += [record("https://a.org/3", "200 OK", "text/html", PAGE.encode(), "secret")]  # and yet it is plain
    (tmp_path / "a.warc").write_bytes(b"".join(records))
    given = [str(tmp_path / "a.warc"), "--source", "warc", "--output", str(tmp_path / "o"), "--max-reject-fraction", "1"]
    assert run(given) == 0
    assert len(rows_of(tmp_path / "o/documents")) == 1
    reasons = [row["reason"] for row in rows_of(tmp_path / "o/dropped")]
    assert reasons[0] == "unreadable content: ValueError: content encoding 'secret' is not known"
    assert len(reasons) == 2


def test_a_text_that_is_too_large_is_dropped_and_not_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warc, "MAX_BYTES", 100)
    texts = [b"y" * 100, b"n" * 101]
    head = "WARC/1.0\r\nWARC-Type: conversion\r\nContent-Type: text/plain\r\nContent-Length: "
    (tmp_path / "a.warc.wet").write_bytes(b"".join(f"{head}{len(text)}\r\n\r\n".encode() + text + b"\r\n\r\n" for text in texts))
    given = [str(tmp_path / "a.warc.wet"), "--source", "warc", "--output", str(tmp_path / "o"), "--max-reject-fraction", "0.5"]
    assert run([*given, "--workers", "1"]) == 0
    assert [row["text"] for row in rows_of(tmp_path / "o/documents")] == ["y" * 100 + "\n"]
    (row,) = rows_of(tmp_path / "o/dropped")
    assert row["reason"] == "unreadable content: ValueError: page too large: over 100 bytes"


def test_a_torn_archive_keeps_what_stands_before(tmp_path: Path) -> None:
    whole = archive(tmp_path / "a.warc.gz")
    (tmp_path / "a.warc.gz").write_bytes(whole[: len(whole) - 200])
    given = [str(tmp_path / "a.warc.gz"), "--source", "warc", "--output", str(tmp_path / "o"), "--max-reject-fraction", "0.5"]
    assert run(given) == 0
    assert len(rows_of(tmp_path / "o/documents")) >= 2


def test_no_archive_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.warc.gz").write_bytes(b"not gzip at all")
    with pytest.raises(DataError, match="could not be read"):
        run([str(tmp_path / "a.warc.gz"), "--source", "warc", "--output", str(tmp_path / "o")])
