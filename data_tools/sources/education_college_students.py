"""Education-College-Students (ajibawa-2023): rows ``idx``, ``text``, ``model``.

Decides: a text needs six formulas. The published rule asks for more than ten dollar signs, which is six pairs, and lets prices
pass.
Does not: judge what a text is about (``mathcoder filter``); ``synthetic.py`` has the rules.
"""

import argparse

from data_tools.sources import synthetic
from data_tools.sources.record_files import RecordFiles

NAME = "education_college_students"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add INPUT and the options of synthetic text."""
    synthetic.add_arguments(parser, "*", min_formulas=6)


def from_options(options: argparse.Namespace) -> RecordFiles:
    """Make the source."""
    return synthetic.synthetic_rows(NAME, options)
