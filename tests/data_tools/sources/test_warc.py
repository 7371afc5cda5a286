import gzip
from pathlib import Path

import pytest

from data_tools.prepare import run
from megatron_mathcoder.config.errors import DataError
from tests.data_tools.test_prepare import rows_of

PAGE = (
    "<html lang='en-GB'><body><p>"
    + "Some words that are the text of this page. " * 9
    + "Let <math alttext='x^2'></math>.</p></body></html>"
)


def record(url: str, status: str, kind: str, body: bytes, encoding: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n"
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
