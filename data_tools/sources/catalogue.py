"""Which sources there are: a name is a module, imported only when it is asked for.

Decides: the names that ``mathcoder prepare --source`` takes, and their one-line help.
Does not: know a source's options; its module adds them to the parser.
"""

import importlib
from typing import NamedTuple, cast

from data_tools.sources import SourceModule


class Entry(NamedTuple):
    """A source's module below ``data_tools.sources`` and its one-line help."""

    module: str
    help: str


DEFAULT = "record_files"

SOURCES: dict[str, Entry] = {
    "record_files": Entry("record_files", "JSONL and parquet rows with a text"),
    "installed_packages": Entry("installed_packages", "modules and docstrings of installed Python packages"),
    "open_web_math": Entry("open_web_math", "OpenWebMath parquet"),
    "common_crawl": Entry("common_crawl", "web text from Common Crawl, JSONL as in Matrix cc_en*"),
    "education_college_students": Entry("education_college_students", "Education-College-Students rows that have formulas"),
    "maths_college": Entry("maths_college", "Maths-College rows"),
    "matrix_books": Entry("matrix_books", "Matrix book_math* and book_science*"),
    "html": Entry("html", "trees of saved web pages, formulas as LaTeX"),
    "warc": Entry("warc", "web archives, formulas as LaTeX"),
    "pdf": Entry("pdf", "textbooks and papers as PDF, scripts kept"),
    "latex": Entry("latex", "textbooks as LaTeX sources: main files with their inputs"),
    "mmd": Entry("mmd", "books read by OCR into .mmd"),
    "starcoder": Entry("starcoder", "StarCoder parquet (python, notebooks as scripts, structured notebooks) that imports maths"),
    "code_files": Entry("code_files", "trees of .py and .ipynb files that import maths packages"),
    "markdown": Entry("markdown", "trees of Markdown files"),
}


def load(name: str) -> SourceModule:
    """Return the module of a source in ``SOURCES``."""
    return cast(SourceModule, importlib.import_module(f"data_tools.sources.{SOURCES[name].module}"))


def overview() -> str:
    """Return a line for each source, for ``mathcoder prepare --help``."""
    width = max(map(len, SOURCES))
    return "\n".join(f"  {name:<{width}}  {entry.help}" for name, entry in SOURCES.items())
