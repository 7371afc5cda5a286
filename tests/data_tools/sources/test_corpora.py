"""The published corpora of rows, in the layout of their cards, through ``mathcoder prepare``."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_tools.prepare import run
from megatron_mathcoder.config.errors import DataError
from tests.data_tools.test_prepare import rows_of


def prepared(source: str, given: Path, *options: str) -> tuple[list[dict[str, Any]], list[tuple[str, str]]]:
    output = given.parent / f"{source}-out"
    assert run([str(given), "--source", source, "--output", str(output), *options]) == 0
    dropped = [(row["id"], row["reason"]) for row in rows_of(output / "dropped")]
    return rows_of(output / "documents"), dropped


def write_parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def test_open_web_math_keeps_where_a_page_was(tmp_path: Path) -> None:
    details = {
        "extraction_info": {"found_math": True, "script_math_tex": 2},
        "warc_path": "crawl/a.warc.gz",
        "config": {"threshold": 0.1},
    }
    rows = [
        {"url": "https://a.org/x", "text": "Let $x$.", "date": "2020-01-02T03:04:05Z", "metadata": json.dumps(details)},
        {"url": "https://b.org/y", "text": "Two", "date": "2021", "metadata": "{broken"},
        {"url": "https://c.org/z", "text": "", "date": "2021", "metadata": "{}"},
    ]
    path = write_parquet(tmp_path / "train-00000-of-00114.parquet", rows)
    documents, dropped = prepared("open_web_math", path, "--max-reject-fraction", "0.5")
    assert documents[0] == {
        "id": f"{path}:1",
        "text": "Let $x$.",
        "metadata": {
            "url": "https://a.org/x",
            "date": "2020-01-02T03:04:05Z",
            "provenance": {
                "source": "open_web_math",
                "file": str(path),
                "line": 1,
                "url": "https://a.org/x",
                "date": "2020-01-02T03:04:05Z",
            },
            "warc_path": "crawl/a.warc.gz",
            "found_math": True,
        },
    }
    assert documents[1]["metadata"]["unreadable_metadata"] == "{broken"
    assert dropped == [(f"{path}:3", "empty text")]


def test_common_crawl_reads_every_file_of_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "matrix"
    folder.mkdir()
    for number in range(25):
        (folder / f"cc_en.{number:02d}.jsonl").write_text(json.dumps({"text": f"t{number}", "meta": {"url": "u"}}) + "\n")
    (folder / "cc_cn.00.jsonl").write_text('{"text": "other"}\n')
    documents, _ = prepared("common_crawl", folder)
    assert [row["text"] for row in documents] == [f"t{number}" for number in range(25)]
    assert documents[0]["metadata"]["provenance"]["url"] == "u"
    with pytest.raises(DataError, match=r"named like 'cc_de\*'; --files names others"):
        run([str(folder), "--source", "common_crawl", "--files", "cc_de*", "--output", str(tmp_path / "o")])


def test_education_college_students_needs_formulas_not_prices(tmp_path: Path) -> None:
    lesson = " ".join(f"Let $x_{index} = {index}$." for index in range(6))
    shop = "It costs $5, then $10, $15, $20, $25, $30, $35, $40, $45, $50, $55 and $60."
    rows = [
        {"idx": 1, "text": f"Here is the revised version of the text:\n\n{lesson}", "model": "m"},
        {"idx": 2, "text": shop, "model": "m"},
        {"idx": 3, "text": f"Here is a circle.\n{lesson}", "model": "m"},
        {"idx": 4, "text": "Revised lesson plan", "model": "m"},
    ]
    path = tmp_path / "e.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    documents, dropped = prepared("education_college_students", path)
    assert [(row["id"], row["text"]) for row in documents] == [("1", lesson), ("3", f"Here is a circle.\n{lesson}")]
    assert documents[0]["metadata"]["formulas"] == 6
    assert dropped == [("2", "too few formulas: 0, not 6"), ("4", "nothing but an opening line")]


def test_maths_college_is_kept_without_its_loops(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text(json.dumps({"idx": 7, "text": "A\n\nB\n\nB\n\nC", "model": "m"}) + "\n")
    documents, _ = prepared("maths_college", path)
    assert documents[0]["text"] == "A\n\nB\n\nC"
    assert documents[0]["metadata"]["repeated_characters_skipped"] == 3


def test_matrix_books_are_the_files_of_two_names(tmp_path: Path) -> None:
    folder = tmp_path / "matrix"
    folder.mkdir()
    for name in ("book_math.0", "book_science.0", "book_arts.0", "cc_en.0"):
        (folder / f"{name}.jsonl").write_text(json.dumps({"text": name}) + "\n")
    documents, _ = prepared("matrix_books", folder)
    assert [row["text"] for row in documents] == ["book_math.0", "book_science.0"]


def test_rows_of_another_corpus_are_said(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "x"}\n')
    with pytest.raises(DataError, match=r"no 'content' among text\); name another --source; record_files takes --text-field"):
        run([str(tmp_path / "a.jsonl"), "--source", "starcoder", "--output", str(tmp_path / "o")])


def test_starcoder_reads_its_three_layouts(tmp_path: Path) -> None:
    python = [
        {
            "max_stars_repo_path": "a/b.py",
            "max_stars_repo_name": "me/it",
            "max_stars_count": 3,
            "id": "11",
            "content": "<reponame>me/it<filename>a/b.py<gh_stars>1-10\nimport asyncio, scipy\nprint(scipy.pi ** 2)\n",
        },
        {
            "max_stars_repo_path": "c.py",
            "max_stars_repo_name": "x/y",
            "max_stars_count": None,
            "id": "12",
            "content": "import os",
        },
    ]
    scripts = [
        {"hexsha": "h", "ext": "ipynb", "lang": "Python", "id": "21", "content": "# # T\nimport sympy", "size": 3},
        {"hexsha": "h", "ext": "ipynb", "lang": "Julia", "id": "22", "content": "import sympy", "size": 3},
    ]
    cells = (
        "<jupyter_start><jupyter_text>About `import cmath`.<jupyter_code>import fractions\nfractions.Fraction(1, 3)"
        "<jupyter_output>Fraction(1, 3)<jupyter_code>%pylab<jupyter_output><empty_output>"
    )
    structured = [
        {
            "license": ["MIT", "BSD-3-Clause"],
            "path": "n.ipynb",
            "repo_name": "q/r",
            "chain_length": 2,
            "id": "31",
            "content": cells,
        },
        {
            "license": [],
            "path": "m.ipynb",
            "repo_name": "q/r",
            "chain_length": 1,
            "id": "32",
            "content": cells.split("<jupyter_code>")[0],
        },
    ]
    folder = tmp_path / "starcoder"
    folder.mkdir()
    for name, rows in (("1-python", python), ("2-scripts", scripts), ("3-structured", structured)):
        write_parquet(folder / f"{name}.parquet", rows)
    documents, dropped = prepared("starcoder", folder)
    assert [row["id"] for row in documents] == ["11", "21", "31"]
    assert documents[0]["text"] == "import asyncio, scipy\nprint(scipy.pi ** 2)\n"
    assert documents[0]["metadata"]["packages"] == ["scipy"]
    assert documents[0]["metadata"]["max_stars_count"] == 3
    assert documents[2]["text"] == (
        "About `import cmath`.\n\n```python\nimport fractions\nfractions.Fraction(1, 3)\n```\n\n"
        "```output\nFraction(1, 3)\n```\n\n```python\n%pylab\n```"
    )
    assert documents[2]["metadata"]["packages"] == ["fractions"]
    origin = {"repository": "q/r", "path": "n.ipynb", "licence": "MIT, BSD-3-Clause"}
    assert documents[2]["metadata"]["provenance"].items() >= origin.items()
    assert dropped == [("12", "imports no wanted package"), ("22", "not Python: julia"), ("32", "imports no wanted package")]


def test_starcoder_packages_and_relevance_are_options(tmp_path: Path) -> None:
    power = "import numpy\n2 ** x"
    read_wav = "import numpy\nfrom scipy.io import wavfile\nprint(wavfile)\n"
    path = write_parquet(tmp_path / "p.parquet", [{"id": "1", "content": read_wav}, {"id": "2", "content": power}])
    documents, dropped = prepared("starcoder", path, "--packages", "numpy", "--min-relevance", "0.1")
    assert [row["id"] for row in documents] == ["2"]
    assert dropped == [("1", "too little mathematics: relevance 0.0, below 0.1")]


def test_each_source_shows_its_own_options(capsys: pytest.CaptureFixture[str]) -> None:
    for source, option in (("starcoder", "--min-relevance"), ("common_crawl", "--files"), ("record_files", "--text-field")):
        with pytest.raises(SystemExit) as ended:
            run(["--source", source, "--help"])
        assert ended.value.code == 0
        shown = capsys.readouterr().out
        assert option in shown
        assert "open_web_math" in shown
