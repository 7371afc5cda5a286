"""Which programs are kept: those that import a package of a list, and that do enough mathematics if a limit is set.

Decides: the two reasons for dropping one, and what is stored of one that stays (``packages``, ``relevance``).
Does not: read files or rows; ``sources/starcoder.py`` and ``sources/code_files.py`` do.
"""

import argparse
from dataclasses import dataclass
from typing import Any

from data_tools.arguments import fraction
from data_tools.program_text.imports import MATHS_PACKAGES, imported_packages, parse_tolerantly
from data_tools.program_text.relevance import maths_relevance

NO_PACKAGE = "imports no wanted package"
LOW_RELEVANCE = "too little mathematics"
CHOICES = frozenset({NO_PACKAGE, LOW_RELEVANCE})


@dataclass(frozen=True, slots=True)
class ProgramChoice:
    """The packages that make a program wanted (none: every program is), and the least relevance."""

    packages: tuple[str, ...] = MATHS_PACKAGES
    min_relevance: float = 0.0

    def judge(self, code: str) -> dict[str, Any] | str:
        """Return what to store with a program, or the reason why it is dropped. ``code`` is Python."""
        packages = imported_packages(code, self.packages)
        if self.packages and not packages:
            return NO_PACKAGE
        tree = parse_tolerantly(code)
        # A program that does not parse has no score; it is not dropped for that.
        relevance = None if tree is None else maths_relevance(tree)
        if relevance is not None and relevance < self.min_relevance:
            return f"{LOW_RELEVANCE}: relevance {relevance}, below {self.min_relevance}"
        return {"packages": packages, "relevance": relevance}

    def settings(self) -> dict[str, Any]:
        """Return the manifest's settings."""
        return {"packages": list(self.packages), "min_relevance": self.min_relevance}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--packages`` and ``--min-relevance``."""
    parser.add_argument(
        "--packages",
        default=",".join(MATHS_PACKAGES),
        metavar="A,B",
        help='keep programs that import one of these; "" keeps all (default: %(default)s)',
    )
    parser.add_argument(
        "--min-relevance",
        type=fraction,
        default=0.0,
        metavar="F",
        help="drop programs with a smaller share of mathematical statements; the share is stored (default: %(default)s)",
    )


def from_options(options: argparse.Namespace) -> ProgramChoice:
    """Make the choice from the parsed options."""
    names = tuple(name.strip() for name in options.packages.split(",") if name.strip())
    return ProgramChoice(names, options.min_relevance)
