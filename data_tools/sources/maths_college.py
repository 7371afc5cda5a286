"""Maths-College (ajibawa-2023): rows ``idx``, ``text``, ``model``.

Decides: every text is accepted, as published, after its opening line and its loops are taken out.
Does not: judge what a text is about (``mathcoder filter``); ``synthetic.py`` has the rules.
"""

import argparse

from data_tools.sources import synthetic
from data_tools.sources.record_files import RecordFiles

NAME = "maths_college"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add INPUT and the options of synthetic text."""
    synthetic.add_arguments(parser, "*", min_formulas=0)


def from_options(options: argparse.Namespace) -> RecordFiles:
    """Make the source."""
    return synthetic.synthetic_rows(NAME, options)
