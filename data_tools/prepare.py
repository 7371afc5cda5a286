"""``mathcoder prepare``: raw corpora to documents.

Decides: the verb's arguments, and which source they mean. Each source has options of its own, so the parser is made for the one
that is named.
Does not: read a corpus (``sources/``), judge its documents, or lay out the output (``document_stage.py``).
"""

import argparse

from data_tools.document_stage import add_stage_arguments, make_documents
from data_tools.sources import catalogue


def _parser(argv: list[str]) -> argparse.ArgumentParser:
    first = argparse.ArgumentParser(prog="mathcoder prepare", add_help=False, allow_abbrev=False)
    first.add_argument("--source", choices=catalogue.SOURCES, default=catalogue.DEFAULT)
    name = first.parse_known_args(argv)[0].source
    parser = argparse.ArgumentParser(
        prog="mathcoder prepare",
        description="Raw corpora to documents, each with an id and a text.",
        epilog=f"sources (--source NAME --help shows the options of one; here: {name}):\n{catalogue.overview()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--source", choices=catalogue.SOURCES, default=name, metavar="NAME", help="default: %(default)s")
    catalogue.load(name).add_arguments(parser)
    add_stage_arguments(parser)
    return parser


def parse(argv: list[str]) -> argparse.Namespace:
    """Return the verb's options. Says what is wrong with them and exits, as ``argparse`` does."""
    return _parser(argv).parse_args(argv)


def run(argv: list[str]) -> int:
    """Run the verb. Raises DataError for what a person can mend."""
    options = parse(argv)
    source = catalogue.load(options.source).from_options(options)
    make_documents("prepare", source, None, options)
    return 0
