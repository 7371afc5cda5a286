"""Arguments of the verbs that run code, with one meaning each.

Decides: their names, defaults, and what values are allowed.
Does not: start a sandbox.
"""

import argparse
import math

from data_tools.arguments import number_where
from data_tools.sandbox.walls import DEFAULT_FLOOR, WALLS


def seconds(text: str) -> float:
    """Parse a positive, finite number, for ``argparse``."""
    return number_where(text, lambda value: 0 < value < math.inf, "a number of seconds above 0")


def walls(text: str) -> tuple[str, ...]:
    """Parse comma-separated names of walls, for ``argparse``."""
    names = tuple(filter(None, text.split(",")))
    for name in names:
        if name not in WALLS:
            raise argparse.ArgumentTypeError(f"{name!r} is no wall; the walls are {', '.join(WALLS)}")
    return names


def add_timeout(parser: argparse.ArgumentParser) -> None:
    """Add ``--timeout_seconds``."""
    parser.add_argument(
        "--timeout_seconds",
        "--timeout-seconds",
        type=seconds,
        default=10.0,
        metavar="N",
        help="CPU seconds the code may use; ten times as much wall clock ends code that sleeps (default: %(default)g)",
    )


def add_floor(parser: argparse.ArgumentParser) -> None:
    """Add ``--sandbox-floor``."""
    parser.add_argument(
        "--sandbox-floor",
        type=walls,
        default=DEFAULT_FLOOR,
        metavar="A,B",
        help=f"walls without which nothing is run (default: {','.join(DEFAULT_FLOOR)}; all: {','.join(WALLS)})",
    )
