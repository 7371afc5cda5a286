"""Textbooks: PDF, LaTeX sources, OCR."""

from pathlib import Path

import pytest

from data_tools.document import Document, Dropped
from data_tools.formulas.latex_source import without_comments
from data_tools.prepare import run
from data_tools.sources.licences import licence_in
from data_tools.sources.mmd import MmdReader
from data_tools.sources.pdf_text import open_pdf, page_lines, pages_text
from data_tools.sources.whole_files import SourceFile
from tests.data_tools.test_prepare import rows_of


@pytest.fixture(scope="module")
def textbook(shared_data: Path) -> list[str]:
    """Lines of some pages of a real book."""
    document = open_pdf((shared_data / "pdf_textbook/aata-20220728.pdf").read_bytes())
    return [line.text for page in (29, 30) for line in page_lines(document[page])]


def test_scripts_of_a_real_book_are_in_their_line(textbook: list[str]) -> None:
    assert "Example 2.3 Every integer 10^{n+1} + 3 · 10^n + 5 is divisible by 9 for n ∈ N. For n = 1," in textbook
    assert "is divisible by 9. Suppose that 10^{k+1} + 3 · 10^k + 5 is divisible by 9 for k ≥ 1. Then" in textbook
    assert any("suppose S(n_0) is true for some integer n_0. If S(n_0), S(n_0 +" in line for line in textbook)
    assert not any(line in ("n", "k+1", "n+1") for line in textbook if "Example" in line)


def test_pages_are_joined_without_their_headers(shared_data: Path) -> None:
    document = open_pdf((shared_data / "pdf/004-pdflatex-4-pages__pdflatex-4-pages.pdf").read_bytes())
    text, empty, damaged = pages_text(document)
    assert damaged == 0
    assert (len(document), empty) == (4, 0)
    assert len(text.split()) > 100


def test_awkward_pdfs_have_a_reason_each(shared_data: Path, tmp_path: Path) -> None:
    given = [str(shared_data / "pdf"), "--source", "pdf", "--output", str(tmp_path / "o"), "--max-reject-fraction", "0.1"]
    assert run([*given, "--workers", "1"]) == 0
    reasons = {Path(row["id"]).name[:3]: row["reason"] for row in rows_of(tmp_path / "o/dropped")}
    assert reasons["005"] == "unreadable content: ValueError: password-protected PDF"
    assert reasons["019"] == "image-only PDF: 1 pages without text"
    assert reasons["015"].startswith("too short: ")
    documents = {Path(row["id"]).name[:3]: row for row in rows_of(tmp_path / "o/documents")}
    assert documents["021"]["metadata"]["provenance"]["date"].startswith("20")
    assert len(documents) + len(rows_of(tmp_path / "o/dropped")) == 27


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        ("see https://creativecommons.org/licenses/by-sa/4.0/", "CC BY-SA 4.0"),
        ("under the terms of the GNU Free Documentation License, Version 1.2", "GFDL"),
        ("licensed CC BY 4.0", "CC BY 4.0"),
        ("all rights reserved", ""),
    ],
)
def test_licences_named_on_the_first_pages(text: str, licence: str) -> None:
    assert licence_in(text) == licence


def pdf_with_pages(*kids: str) -> bytes:
    """Return a PDF whose pages are these objects; only ``3 0 R`` is there."""
    shown = b"BT /F 12 Tf 20 200 Td (Some words of a page.) Tj ET"
    objects = [
        b"1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj",
        f"2 0 obj<</Type/Pages/Count {len(kids)}/Kids[{' '.join(kids)}]>>endobj".encode(),
        b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 300]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>endobj",
        f"4 0 obj<</Length {len(shown)}>>stream\n".encode() + shown + b"\nendstream endobj",
        b"5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj",
    ]
    return b"%PDF-1.4\n" + b"\n".join(objects) + b"\ntrailer<</Root 1 0 R>>\n%%EOF"


def test_a_damaged_page_costs_no_other(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(pdf_with_pages("3 0 R", "9 0 R"))
    (tmp_path / "b.pdf").write_bytes(pdf_with_pages("8 0 R", "9 0 R"))
    given = [str(tmp_path), "--source", "pdf", "--output", str(tmp_path / "o"), "--min-characters", "5", "--workers", "1"]
    assert run([*given, "--max-reject-fraction", "0.5"]) == 0
    (kept,) = rows_of(tmp_path / "o/documents")
    assert kept["text"] == "Some words of a page.\n"
    assert {name: kept["metadata"][name] for name in ("pages", "pages_unreadable")} == {"pages": 2, "pages_unreadable": 1}
    (dropped,) = rows_of(tmp_path / "o/dropped")
    assert dropped["reason"] == "unreadable content: ValueError: damaged PDF: none of its 2 pages can be read"


def write_tree(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def test_a_latex_book_is_its_main_file_with_inputs_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    long = " ".join(f"Line {number} of a file that nobody reads." for number in range(9))
    files = {
        "book/main.tex": r"\documentclass{book}\title{On \emph{sets}}\newcommand{\dir}{parts}\begin{document}A"
        r"\input{\dir/one}\include{two}\import{parts/}{three}\input{gone} \subfile{parts/four.tex} E % \input{two}"
        "\n\\end{document} after",
        "book/parts/one.tex": "B $x$ % comment\n50\\% \\input{deep}",
        "book/parts/deep.tex": "deep\n",
        "book/two.tex": "C\n\\begin{verbatim}\n% kept\n\\end{verbatim}",
        "book/parts/three.tex": "D \\input{deep}",
        "book/parts/four.tex": r"\documentclass[../main]{subfiles}\begin{document}F\end{document}",
        "book/alone.tex": long,
        "book/loop.tex": r"\documentclass{article}\begin{document}\input{loop2}\end{document}",
        "book/loop2.tex": r"\input{loop2}",
    }
    write_tree(tmp_path, files)
    given = ["book", "--source", "latex", "--output", "o", "--min-characters", "20", "--max-reject-fraction", "0.3"]
    assert run(given) == 0
    documents = {row["id"]: row for row in rows_of(Path("o/documents"))}
    assert documents.keys() == {"book/main.tex", "book/alone.tex"}
    text = documents["book/main.tex"]["text"]
    assert " ".join(text.split()) == r"A B $x$ 50\% deep C \begin{verbatim} % kept \end{verbatim} D deep F E"
    assert documents["book/main.tex"]["metadata"].items() >= {"inputs": 6, "missing_inputs": ["gone"], "formulas": 1}.items()
    assert documents["book/main.tex"]["metadata"]["title"] == r"On \emph{sets}"
    dropped = {row["id"]: row["reason"].split(":")[0] for row in rows_of(Path("o/dropped"))}
    assert dropped["book/two.tex"] == "part of a main file"
    assert dropped["book/loop.tex"] == "unreadable content"


def test_a_book_in_the_encoding_that_its_main_file_names(tmp_path: Path) -> None:
    (tmp_path / "main.tex").write_bytes(
        "\\documentclass{book}\r\n\\usepackage[latin2]{inputenc}\r\n\\begin{document}\r\nZażółć \\input{one}\\input{two}".encode(
            "iso8859-2"
        )
    )
    (tmp_path / "one.tex").write_bytes("gęślą ".encode("iso8859-2"))
    (tmp_path / "two.tex").write_bytes("jaźń".encode())
    (tmp_path / "old.tex").write_bytes("Théorème “de l’Hôpital”".encode("cp1252"))
    given = [str(tmp_path), "--source", "latex", "--min-characters", "5", "--output", str(tmp_path / "o"), "--workers", "1"]
    assert run(given) == 0
    texts = [" ".join(row["text"].split()) for row in rows_of(tmp_path / "o/documents")]
    assert texts == ["Zażółć gęślą jaźń", "Théorème “de l’Hôpital”"]


def test_comments_go_and_percent_signs_stay() -> None:
    source = "a % x\nb \\% c\n% whole line\nd \\\\% y\n\\verb|%|e \\begin{comment}no\\end{comment}\\iffalse no\\fi f"
    assert without_comments(source) == "a \nb \\% c\nd \\\\\n\\verb|%|e  f"


def test_a_real_latex_book_is_whole(shared_data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "ra"
    folder.mkdir()
    for name in ("realanal.tex", "ch-vol1-intro.tex", "ch-real-nums.tex", "ch-metric.tex"):
        (folder / name).write_bytes((shared_data / "textbooks_latex/real_analysis" / name).read_bytes())
    assert run([str(folder), "--source", "latex", "--output", str(tmp_path / "o"), "--workers", "1"]) == 0
    (book,) = rows_of(tmp_path / "o/documents")
    assert book["metadata"]["inputs"] == 3
    assert book["metadata"]["formulas"] > 3000
    assert book["metadata"]["commands"][r"\sabs"] == [1, r"\lvert {#1} \rvert", None]
    assert book["metadata"]["provenance"]["licence"].startswith("CC BY")
    assert book["text"].index("least-upper-bound property") < book["text"].index("Metric Spaces")


def test_ocr_loops_are_skipped_and_the_rest_kept(tmp_path: Path) -> None:
    path = tmp_path / "b.mmd"
    path.write_text("# T\n\nA\n\n[MISSING_PAGE_EMPTY:3]\n\nB \\(x\\)\n\nB \\(x\\)\n\nC\n\nD\n")
    (item,) = MmdReader().read(SourceFile(str(path), 1))
    assert isinstance(item, Document)
    assert [paragraph for paragraph in item.text.split("\n\n") if paragraph.strip()] == ["# T", "A", "B \\(x\\)", "C", "D\n"]
    assert item.metadata["missing_pages"] == 1
    path.write_text("[MISSING_PAGE_FAIL:1]")
    (item,) = MmdReader().read(SourceFile(str(path), 1))
    assert item == Dropped(str(path), "empty text", str(path), 0)
