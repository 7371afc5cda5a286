from pathlib import Path

from data_tools.sources.markdown import MarkdownReader
from data_tools.sources.whole_files import SourceFile


def read(path: Path) -> list[object]:
    return list(MarkdownReader().read(SourceFile(str(path), path.stat().st_size)))


def test_front_matter_is_metadata_and_comments_go(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text('---\ntitle: "On $x$"\nlicense: CC BY 4.0\ntags: [a]\n---\n<!-- todo -->\nLet $x$ be.\n\n---\nEnd\n')
    (document,) = read(path)
    assert document.text == "Let $x$ be.\n\n---\nEnd\n"
    assert document.metadata == {
        "kind": "markdown",
        "title": "On $x$",
        "formulas": 1,
        "provenance": {"source": "markdown", "file": str(path), "licence": "CC BY 4.0"},
    }


def test_real_pages_keep_every_formula(shared_data: Path) -> None:
    path = next((shared_data / "markdown/cp-algorithms").glob("*continued-fractions.md"))
    (document,) = read(path)
    assert document.metadata["formulas"] > 100
    assert document.text.count("$") == path.read_text().count("$")
