"""Matrix (m-a-p/Matrix) ``book_math*`` and ``book_science*``: JSONL rows with a ``text``.

Decides: of a folder these files alone are read. Loops are taken out.
Does not: judge what a text is about (``mathcoder filter``); ``synthetic.py`` has the rules.
"""

import argparse

from data_tools.sources import synthetic
from data_tools.sources.record_files import RecordFiles

NAME = "matrix_books"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add INPUT and the options of synthetic text."""
    synthetic.add_arguments(parser, "book_math*,book_science*", min_formulas=0)


def from_options(options: argparse.Namespace) -> RecordFiles:
    """Make the source."""
    return synthetic.synthetic_rows(NAME, options)
