"""Skips paragraphs that a scanner or a language model repeated, and nothing else.

Decides: a paragraph that says what the one before it says, and a block of paragraphs that comes round again and again, are
skipped; so are the repetitions of a phrase inside a paragraph. Whatever follows is kept: A, B, B, C, D gives A, B, C, D.
Does not: compare paragraphs far apart (``mathcoder dedup`` compares documents), or take exercises that differ only in their
numbers for repetitions.

The published clean-up stops at the first repetition and loses the rest of the book.
"""

import re
import zlib
from collections.abc import Sequence

SIMILARITY = 0.95
"""Share of common words above which two neighbours with the same numbers say the same (the published value)."""
MIN_WORDS = 20
"""Below, one other word is a large part of what a paragraph says, so only equal ones are skipped."""
MAX_PERIOD = 8
MIN_ROUNDS = 3
"""A block of several paragraphs is a loop from its third round on; two may be a refrain."""
MIN_PHRASE_CHARACTERS = 10
MIN_PHRASE_ROUNDS = 5
MAX_PHRASE_WORDS = 60

_PARAGRAPH_BREAK = re.compile(r"\n[ \t]*\n\s*")
_NUMBER = re.compile(r"\d+")


def skip_repetitions(text: str) -> tuple[str, int]:
    """Return ``text`` without its repetitions, and how many characters were skipped. Without any, it is ``text`` itself."""
    paragraphs = _PARAGRAPH_BREAK.split(text)
    kept: list[str] = []
    for paragraph in paragraphs:
        short = _without_phrase_loop(paragraph)
        if not (kept and _says_the_same(kept[-1], short)):
            kept.append(short)
    kept = _without_block_loops(kept)
    if kept == paragraphs:
        return text, 0
    shorter = "\n\n".join(kept)
    return shorter, len(text) - len(shorter)


def _says_the_same(one: str, other: str) -> bool:
    if one == other or one.split() == other.split():
        return bool(one.strip())
    words, other_words = set(one.split()), set(other.split())
    if min(len(words), len(other_words)) < MIN_WORDS:
        return False
    alike = len(words & other_words) > SIMILARITY * len(words | other_words)
    return alike and _NUMBER.findall(one) == _NUMBER.findall(other)


def _without_block_loops(paragraphs: Sequence[str]) -> list[str]:
    """Keep the first round of each block of 2 to ``MAX_PERIOD`` paragraphs that repeats at once."""
    kept: list[str] = []
    index = 0
    while index < len(paragraphs):
        period, rounds = _loop_at(paragraphs, index)
        kept += paragraphs[index : index + period]
        index += period * rounds
    return kept


def _loop_at(paragraphs: Sequence[str], index: int) -> tuple[int, int]:
    for period in range(2, MAX_PERIOD + 1):
        block = paragraphs[index : index + period]
        rounds = 1
        while paragraphs[index + period * rounds : index + period * (rounds + 1)] == block:
            rounds += 1
        if rounds >= MIN_ROUNDS and len(block) == period:
            return period, rounds
    return 1, 1


def _without_phrase_loop(paragraph: str) -> str:
    """Collapse a phrase repeated at least ``MIN_PHRASE_ROUNDS`` times in a row to once."""
    # A loop is most of what it is in, and such text compresses to almost nothing; the search is for those few only.
    if len(paragraph) < MIN_PHRASE_CHARACTERS * MIN_PHRASE_ROUNDS or not _compresses_well(paragraph):
        return paragraph
    pieces = re.findall(r"\S+\s*", paragraph)
    words = [piece.strip() for piece in pieces]
    kept: list[str] = []
    index = 0
    while index < len(words):
        period, rounds = _phrase_loop_at(words, index)
        kept += pieces[index : index + period]
        index += period * rounds
    return "".join(kept).rstrip() if len(kept) < len(pieces) else paragraph


def _compresses_well(paragraph: str) -> bool:
    raw = paragraph.encode(errors="replace")
    return len(zlib.compress(raw, 1)) * 3 < len(raw)


def _phrase_loop_at(words: Sequence[str], index: int) -> tuple[int, int]:
    for period in range(1, min(MAX_PHRASE_WORDS, (len(words) - index) // MIN_PHRASE_ROUNDS) + 1):
        # The cheap question first: most words do not come again so soon.
        if words[index] != words[index + period] or words[index] != words[index + 2 * period]:
            continue
        phrase = words[index : index + period]
        rounds = 1
        while words[index + period * rounds : index + period * (rounds + 1)] == phrase:
            rounds += 1
        if rounds >= MIN_PHRASE_ROUNDS:
            # A short one is a row of a matrix or a ruled line; a multiple of it would only look longer.
            return (period, rounds) if sum(map(len, phrase)) >= MIN_PHRASE_CHARACTERS else (1, 1)
    return 1, 1
