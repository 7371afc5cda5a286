"""``mathcoder prepare``: raw corpora to documents.

Decides: the verb's arguments, and which source they mean.
Does not: read a corpus (``sources/``), judge its documents, or lay out the output (``document_stage.py``).
"""

import argparse

from data_tools.arguments import INPUT_HELP
from data_tools.document_stage import add_stage_arguments, input_documents, make_documents
from data_tools.sources import Source
from data_tools.sources.installed_packages import DEFAULT_PACKAGES, InstalledPackages
from data_tools.sources.installed_packages import NAME as INSTALLED_PACKAGES
from data_tools.sources.record_files import NAME as RECORD_FILES
from megatron_mathcoder.config.errors import DataError


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mathcoder prepare", description="Raw corpora to documents, each with an id and a text."
    )
    parser.add_argument("inputs", nargs="*", metavar="INPUT", help=INPUT_HELP)
    parser.add_argument("--source", choices=(RECORD_FILES, INSTALLED_PACKAGES), default=RECORD_FILES, help="default: %(default)s")
    packages = ",".join(DEFAULT_PACKAGES)
    parser.add_argument(
        "--packages", metavar="A,B", help=f"for --source {INSTALLED_PACKAGES} (default: those installed of {packages})"
    )
    add_stage_arguments(parser)
    return parser


def _source(options: argparse.Namespace) -> Source:
    if options.source == INSTALLED_PACKAGES:
        if options.inputs:
            raise DataError(
                f"--source {INSTALLED_PACKAGES} reads no INPUT, but {options.inputs[0]!r} was given; leave one of the two out"
            )
        return InstalledPackages(options.packages.split(",") if options.packages else None)
    if not options.inputs:
        raise DataError(f"no INPUT given; name files or folders, or use --source {INSTALLED_PACKAGES}")
    return input_documents(options)


def run(argv: list[str]) -> int:
    """Run the verb. Raises DataError for what a person can mend."""
    options = _parser().parse_args(argv)
    make_documents("prepare", _source(options), None, options)
    return 0
