"""English web text from Common Crawl as JSONL rows with a ``text``: the ``cc_en*`` files of Matrix (m-a-p/Matrix).

Decides: of a folder only files named like ``--files`` are read, all of them (the published filter read the first 20).
Does not: judge a document. Two fastText rounds do (``mathcoder filter``).
"""

import argparse

from data_tools.sources.record_files import RecordFiles, add_row_arguments

NAME = "common_crawl"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add INPUT and ``--files``."""
    add_row_arguments(parser, "cc_en*")


def from_options(options: argparse.Namespace) -> RecordFiles:
    """Make the source."""
    return RecordFiles(options.inputs, "text", "id", options.workers, source=NAME, pattern=options.files)
