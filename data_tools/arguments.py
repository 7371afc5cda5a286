"""Arguments that several verbs of the data tools share, with one meaning and one check each.

Decides: their names, defaults, and what values are allowed.
Does not: know a verb's own arguments; each verb's module adds them to its parser.
"""

import argparse
import math
import re
from collections.abc import Callable
from pathlib import Path

from data_tools.partial_folder import Part
from data_tools.pool import available_cpus

INPUT_HELP = "a folder from mathcoder prepare, or .jsonl, .jsonl.gz, .jsonl.zst and .parquet files or folders of them"


TOKENIZER_NAME = "{tokenizer}"
"""Stands for a tokenizer's name in the output of ``mathcoder tokenize``, which makes the datasets of several by one reading."""


def positive_int(text: str) -> int:
    """Parse a whole number of at least 1, for ``argparse``."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def whole_number(text: str) -> int:
    """Parse a whole number of at least 0, for ``argparse``."""
    return 0 if text == "0" else positive_int(text)


def number_where(text: str, allowed: Callable[[float], bool], what: str) -> float:
    """Parse a number that is ``allowed``, for ``argparse``; of another one it is said that it is not ``what``."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not allowed(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
    return value


def positive_number(text: str) -> float:
    """Parse a number above 0, for ``argparse``."""
    return number_where(text, lambda value: 0 < value < math.inf, "a number above 0")


def seed(text: str) -> int:
    """Parse a whole number of 31 bits, which every library takes for a seed, for ``argparse``."""
    if not text.isdecimal() or int(text) >= 2**31:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to {2**31 - 1}")
    return int(text)


def temperature(text: str) -> float:
    """Parse how freely a model draws, 0 or more, for ``argparse``."""
    return number_where(text, lambda value: 0 <= value < math.inf, "a number of 0 or more")


def fraction(text: str) -> float:
    """Parse a number from 0 to 1, for ``argparse``."""
    return number_where(text, lambda value: 0 <= value <= 1, "a number from 0 to 1")


def part(text: str) -> Part:
    """Parse ``i/n``: the i-th of n shares of the work, counted from 1, for ``argparse``."""
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise argparse.ArgumentTypeError(f"{text!r} is not I/N with I from 1 to N, such as 3/16")
    return Part(int(found[1]), int(found[2]))


def output_path(text: str) -> Path:
    """Parse a path whose last part is a name, since names beside it are made from it, for ``argparse``."""
    path = Path(text)
    if path.name in ("", ".."):
        raise argparse.ArgumentTypeError(f"{text!r} does not end in a name")
    return path


def add_inputs(parser: argparse.ArgumentParser, text: str) -> None:
    """Add the INPUT arguments, at least one; ``text`` is their help."""
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help=text)


def add_text_field(parser: argparse.ArgumentParser) -> None:
    """Add ``--text-field``."""
    parser.add_argument(
        "--text-field", default="text", metavar="NAME", help="field of the text, dots for nested ones (default: %(default)s)"
    )


def add_row_fields(parser: argparse.ArgumentParser) -> None:
    """Add ``--text-field`` and ``--id-field``."""
    add_text_field(parser)
    parser.add_argument(
        "--id-field",
        default="id",
        metavar="NAME",
        help="field of the id; a row without one is named FILE:LINE (default: %(default)s)",
    )


def add_min_characters(parser: argparse.ArgumentParser) -> None:
    """Add ``--min-characters``."""
    parser.add_argument(
        "--min-characters", type=positive_int, default=300, metavar="N", help="drop shorter texts (default: %(default)s)"
    )


def add_max_reject_fraction(parser: argparse.ArgumentParser) -> None:
    """Add ``--max-reject-fraction``."""
    parser.add_argument(
        "--max-reject-fraction",
        type=fraction,
        default=0.01,
        metavar="F",
        help="it is an error when more than this share of the rows cannot be used (default: %(default)s)",
    )


def add_workers(parser: argparse.ArgumentParser) -> None:
    """Add ``--workers``."""
    parser.add_argument(
        "--workers",
        type=positive_int,
        default=available_cpus(),
        metavar="N",
        help="processes; changes the speed, never the output (default: the cores this process may use, here %(default)s)",
    )


def add_part(parser: argparse.ArgumentParser) -> None:
    """Add ``--part``."""
    parser.add_argument(
        "--part",
        type=part,
        metavar="I/N",
        help="do the I-th of N shares, for a job array; whichever part ends last publishes the output",
    )


def add_overwrite(parser: argparse.ArgumentParser) -> None:
    """Add ``--overwrite``."""
    parser.add_argument("--overwrite", action="store_true", help="replace an output that was made from something else")
