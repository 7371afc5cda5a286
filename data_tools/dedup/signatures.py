"""What is remembered of a document to find its copies: a hash of its text, a MinHash signature, and its numbers.

Decides: the words of a text are its runs of letters, and its numbers those of digits (``3x`` is a number and a word, so ``3y``
has the same number); a signature is over runs of ``SHINGLE_WORDS`` of them (in a short text of ``SHORT_SHINGLE_WORDS``).
Does not: compare documents (``clusters.py``).

``rensa`` computes the MinHash; everything before it is done for many documents together in numpy.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import rensa
import xxhash
from numpy.typing import NDArray

from data_tools.canonical import canonical
from data_tools.letters import MAX_LETTERS, hashes_at, letters_of, running_sum, word_begins

SHINGLE_WORDS = 4
SHORT_WORDS, SHORT_SHINGLE_WORDS = 64, 2
"""In a text of 30 words one changed word changes 7 % of the runs of two, and 15 % of those of four."""
BANDS, ROWS = 20, 6
PERMUTATIONS = BANDS * ROWS
MAX_NUMBERS = 1024
"""Numbers remembered of one document: those with the smallest hashes, so that copies are compared by the same ones."""
SEED = 1

Word = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Signatures:
    """Of n documents. ``exact`` (n, 2) uint64: xxh3-128 of the text. ``minhash`` (n, 120) uint32. ``wording`` (n,) uint64: a hash
    of the words that are no numbers, ``numbering`` (n,) of those that are, both in their order. ``numbers``: uint32 hashes of
    these, sorted, those of document i from ``number_ends[i - 1]`` on.

    ``words`` (n,) int32: how many it has. With fewer than ``SHINGLE_WORDS`` it has no signature, and only ``exact`` counts.
    """

    exact: NDArray[np.uint64]
    minhash: NDArray[np.uint32]
    wording: NDArray[np.uint64]
    numbering: NDArray[np.uint64]
    words: NDArray[np.int32]
    numbers: NDArray[np.uint32]
    number_ends: NDArray[np.int64]


def sign(texts: Sequence[str]) -> Signatures:
    """Return the signatures of ``texts``, ``MAX_LETTERS`` bytes together at most; of a longer text alone, of its beginning."""
    raws = [canonical(text).encode("utf-8", "replace")[: MAX_LETTERS - 1] for text in texts]
    exact = np.array(
        [divmod(xxhash.xxh3_128_intdigest(text.encode("utf-8", "replace")), 2**64) for text in texts], dtype=np.uint64
    )
    words, is_number, begins = _words(raws)
    shingles, offsets = _shingles(words, begins)
    rows = rensa.RMinHash.digest_matrix_from_flat_token_hashes(shingles, offsets, num_perm=PERMUTATIONS, seed=SEED).to_rows()
    numbers, number_ends = _numbers(words, is_number, begins)
    return Signatures(
        exact.reshape(-1, 2),
        np.array(rows, dtype=np.uint32).reshape(-1, PERMUTATIONS),
        _in_order(words, ~is_number, begins),
        _in_order(words, is_number, begins),
        np.diff(begins).astype(np.int32),
        numbers,
        number_ends,
    )


def _words(raws: Sequence[bytes]) -> tuple[Word, NDArray[np.bool_], NDArray[np.int64]]:
    """Return the hash of every word, whether it is a number, and where each text's words begin (and the last's end)."""
    letters, places = letters_of(b"\n".join(raws))
    digits = (letters >= ord("0")) & (letters <= ord("9"))
    starts = word_begins(places, digits)
    hashes = hashes_at(running_sum(letters), starts, np.append(starts[1:], len(letters))).astype(np.uint64)
    is_number = digits[starts]
    bounds = np.cumsum([0, *(len(raw) + 1 for raw in raws)])
    return hashes, is_number, np.searchsorted(places[starts], bounds)


def _shingles(words: Word, begins: NDArray[np.int64]) -> tuple[Word, NDArray[np.uint64]]:
    """Return one hash per run of words within a text, and where each text's begin (and the last's end)."""
    lengths = np.diff(begins)
    sizes = np.where(lengths < SHORT_WORDS, SHORT_SHINGLE_WORDS, SHINGLE_WORDS)
    counts = np.maximum(lengths - sizes + 1, 0)
    offsets = np.concatenate(([0], np.cumsum(counts)))
    size = np.repeat(sizes, counts)
    place = np.arange(offsets[-1]) + np.repeat(begins[:-1] - offsets[:-1], counts)
    sums = words[place]
    for offset in range(1, SHINGLE_WORDS):
        longer = size > offset
        sums[longer] = sums[longer] * np.uint64(0x9E3779B97F4A7C15) + words[place[longer] + offset]
    return sums, offsets.astype(np.uint64)


def _in_order(words: Word, wanted: NDArray[np.bool_], begins: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return a hash of each text's wanted words; pairs of neighbours are summed, so their order counts."""
    kept = words[wanted]
    text = np.repeat(np.arange(len(begins) - 1), np.diff(begins))[wanted]
    pairs = kept * np.uint64(0xBF58476D1CE4E5B9)
    pairs[:-1] ^= np.where(text[1:] == text[:-1], kept[1:], 0) * np.uint64(0x94D049BB133111EB)
    pairs ^= pairs >> np.uint64(29)
    sums = np.concatenate((np.zeros(1, dtype=np.uint64), np.cumsum(pairs * np.uint64(0xD6E8FEB86659FD93), dtype=np.uint64)))
    edges = np.searchsorted(text, np.arange(len(begins)))
    return sums[edges[1:]] - sums[edges[:-1]]


def _numbers(
    words: Word, is_number: NDArray[np.bool_], begins: NDArray[np.int64]
) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Return each text's number hashes in order, and where each text's end."""
    text = np.repeat(np.arange(len(begins) - 1), np.diff(begins))[is_number]
    hashes = words[is_number].astype(np.uint32)
    order = np.lexsort((hashes, text))
    hashes, text = hashes[order], text[order]
    rank = np.arange(len(text)) - np.searchsorted(text, text, side="left")
    few = rank < MAX_NUMBERS
    return hashes[few], np.searchsorted(text[few], np.arange(len(begins) - 1), side="right")


def band_hashes(minhash: NDArray[np.uint32], band: int) -> NDArray[np.uint64]:
    """Return one hash per document of the signature's rows ``band * ROWS`` to ``(band + 1) * ROWS``."""
    sums = np.full(len(minhash), band + 1, dtype=np.uint64)
    for row in range(band * ROWS, (band + 1) * ROWS):
        sums = (sums ^ minhash[:, row]) * np.uint64(0x9E3779B97F4A7C15)
        sums ^= sums >> np.uint64(32)
    return sums
