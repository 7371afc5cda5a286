"""Synthetic text that a language model wrote: what the three synthetic sources share.

Decides: a first line about the writing itself ("Here is a revised version …") is taken off; a loop is taken out; and, where a
source asks for formulas, a text with fewer is dropped. Formulas are counted, not dollar signs: prices are no mathematics.
Does not: judge whether a text is about mathematics; ``mathcoder filter`` does, as the published pipeline does.
"""

import argparse
import re
from dataclasses import dataclass

from data_tools.arguments import whole_number
from data_tools.document import Document
from data_tools.formulas.find import count_formulas
from data_tools.sources.record_files import RecordFiles, add_row_arguments
from data_tools.sources.repetition import skip_repetitions

TOO_FEW_FORMULAS = "too few formulas"
NOTHING_LEFT = "nothing but an opening line"

_OPENING_LINE = re.compile(
    r"\A\W*(?:(?:here(?:'s| is| are)|below is|this is|sure|certainly|of course|okay)\b[^\n]*|[^\n]*\brevised\b[^\n]*)(?:\n|\Z)",
    re.IGNORECASE,
)
_ABOUT_THE_WRITING = re.compile(
    r"\b(?:revised|rewritten|rewrite|updated version|requested|your (?:request|prompt|feedback)|as an ai)\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class SyntheticRule:
    """Cleans a text; drops it when it has fewer than ``min_formulas`` formulas (0: any number will do)."""

    min_formulas: int = 0

    def __call__(self, document: Document) -> Document | str:
        """Return the cleaned document or the reason why it is dropped."""
        text, skipped = skip_repetitions(without_opening_line(document.text))
        if not text.strip():
            return NOTHING_LEFT
        found = count_formulas(text)
        if found < self.min_formulas:
            return f"{TOO_FEW_FORMULAS}: {found}, not {self.min_formulas}"
        metadata = document.metadata | ({"repeated_characters_skipped": skipped} if skipped else {})
        return Document(document.id, text, metadata | {"formulas": found})


def without_opening_line(text: str) -> str:
    """Take off a first line that speaks of the text instead of being part of it."""
    match = _OPENING_LINE.match(text)
    return text[match.end() :].lstrip("\n") if match and _ABOUT_THE_WRITING.search(match[0]) else text


def add_arguments(parser: argparse.ArgumentParser, pattern: str, min_formulas: int) -> None:
    """Add INPUT, ``--files`` and ``--min-formulas``."""
    add_row_arguments(parser, pattern)
    parser.add_argument(
        "--min-formulas",
        type=whole_number,
        default=min_formulas,
        metavar="N",
        help="drop texts with fewer LaTeX formulas (default: %(default)s)",
    )


def synthetic_rows(name: str, options: argparse.Namespace) -> RecordFiles:
    """Return the source ``name`` over rows with ``text`` and ``idx``."""
    return RecordFiles(
        options.inputs,
        "text",
        "idx",
        options.workers,
        source=name,
        pattern=options.files,
        rule=SyntheticRule(options.min_formulas),
        rule_settings={"min_formulas": options.min_formulas},
        choices=frozenset({TOO_FEW_FORMULAS, NOTHING_LEFT}),
    )
