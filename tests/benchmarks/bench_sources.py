"""The readers of the sources against the library under each: what finding formulas, scripts, prose and bad rows costs.

Every reader works on the real files beside the repository, every library on the same bytes in the same process, the one after the
other; megabytes are those on disk. A reader does more than its library, so the ratios are costs, not a race.

Run it: python tests/benchmarks/bench_sources.py
"""

import gzip
import io
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pypdfium2
import zstandard
from data_corpus import SHARED_DATA, corpus, cpu_seconds
from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.html import HTMLTree

from data_tools.inputs import scan_file
from data_tools.program_text.choice import ProgramChoice
from data_tools.rows import RowReader
from data_tools.sources.code_files import CodeReader
from data_tools.sources.html import HtmlReader
from data_tools.sources.pdf import PdfReader
from data_tools.sources.whole_files import FileReader, SourceFile

MAX_MB = 6.0


def files(*patterns: str) -> list[Path]:
    """Return files up to ``MAX_MB``."""
    found: list[Path] = []
    size = 0.0
    for pattern in patterns:
        for path in sorted(SHARED_DATA.glob(pattern)):
            size += path.stat().st_size / 1e6
            if size <= MAX_MB or not found:
                found.append(path)
    return found


def read_files(reader: FileReader, paths: list[Path]) -> None:
    for path in paths:
        try:
            list(reader.read(SourceFile(str(path), path.stat().st_size)))
        except ValueError:
            continue


def plain_html(paths: list[Path]) -> None:
    for path in paths:
        extract_plain_text(HTMLTree.parse(path.read_text(errors="replace")), main_content=True)


def plain_pdf(paths: list[Path]) -> None:
    for path in paths:
        try:
            document = pypdfium2.PdfDocument(path)
        except pypdfium2.PdfiumError:
            continue
        for page in document:
            page.get_textpage().get_text_bounded()


def plain_json(paths: list[Path]) -> None:
    for path in paths:
        json.loads(path.read_bytes())


def read_rows(path: Path) -> None:
    for piece in scan_file(str(path), 2**28).slices:
        for _ in RowReader(piece):
            pass


def plain_lines(opened: Callable[[Path], Any]) -> Callable[[Path], None]:
    def read(path: Path) -> None:
        with opened(path) as stream:
            for line in stream:
                orjson.loads(line)

    return read


def zstd_lines(path: Path) -> Any:
    return io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(path.open("rb")), 2**20)


def plain_parquet(path: Path) -> None:
    for batch in pq.ParquetFile(path).iter_batches(512):
        batch.to_pylist()


def row_files(folder: Path) -> Iterator[tuple[str, Path, Callable[[Path], None]]]:
    """Write the corpus in each form of rows."""
    rows = [{"id": str(number), "text": text} for number, text in enumerate(corpus())]
    lines = b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)
    (folder / "a.jsonl").write_bytes(lines)
    (folder / "a.jsonl.gz").write_bytes(gzip.compress(lines))
    (folder / "a.jsonl.zst").write_bytes(zstandard.compress(lines))
    pq.write_table(pa.Table.from_pylist(rows), folder / "a.parquet")
    yield "jsonl, orjson", folder / "a.jsonl", plain_lines(lambda path: path.open("rb"))
    yield "jsonl.gz, gzip and orjson", folder / "a.jsonl.gz", plain_lines(gzip.open)
    yield "jsonl.zst, zstandard and orjson", folder / "a.jsonl.zst", plain_lines(zstd_lines)
    yield "parquet, pyarrow", folder / "a.parquet", plain_parquet


def show(name: str, megabytes: float, reader: Callable[[], None], library: Callable[[], None]) -> None:
    library()
    theirs, _ = cpu_seconds(library)
    ours, _ = cpu_seconds(reader)
    print(
        f"{name:40}{megabytes:8.2f} MB{megabytes / ours:9.1f} MB/s{megabytes / theirs:9.1f} MB/s{ours / theirs:8.2f}", flush=True
    )


def main() -> int:
    print(f"{'reader, library':40}{'':11}{'reader':>14}{'library':>14}{'cost':>8}")
    code = CodeReader(ProgramChoice())
    whole: list[tuple[str, list[Path], FileReader, Callable[[list[Path]], None]]] = [
        ("html with formulas, resiliparse", files("planetmath/html/*.html"), HtmlReader(), plain_html),
        ("html manuals, resiliparse", files("html/**/*.html"), HtmlReader(), plain_html),
        ("pdf with scripts, pypdfium2", files("pdf_textbook/*.pdf", "pdf/*.pdf"), PdfReader(min_characters=0), plain_pdf),
        ("notebooks, json", files("notebooks/**/*.ipynb"), code, plain_json),
    ]
    for name, paths, reader, library in whole:
        size = sum(path.stat().st_size for path in paths) / 1e6
        show(name, size, lambda: read_files(reader, paths), lambda: library(paths))  # noqa: B023 (called at once)
    with tempfile.TemporaryDirectory() as folder:
        for name, path, plain in row_files(Path(folder)):
            show(name, path.stat().st_size / 1e6, lambda: read_rows(path), lambda: plain(path))  # noqa: B023
    return 0


if __name__ == "__main__":
    sys.exit(main())
