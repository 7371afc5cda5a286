"""The same ids as a tokenizer's own library gives, tens of times faster: ``gigatoken``, checked while it works.

Decides: a text in which ``gigatoken`` finds a control string goes to the reference library, which keeps it text; so does a text
that it refuses. A sample of every slice is encoded by both, and a difference raises ``ParityError``: whoever encodes then does
the whole slice again with the reference.
Does not: read files (``gigatoken``'s reader drops good documents behind a bad line), or know every vocabulary: ``fast_encoder``
returns None for those it cannot read, and tiktoken's, whose library is fast itself.

The sample must cost little, since the reference is a hundred times slower: of batches 1, 2, 4, 8 … of a slice, a passage of the
first ASCII document and one around the first other character of the first document that has any.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import gigatoken
import numpy as np
from numpy.typing import NDArray

from data_tools.tokens.tokenizer import EncodeError, FlatIds, Tokenizer, flat, library_errors, not_noted, vocabulary_bytes

CHECKED_CHARACTERS = 1024
"""Length of a passage that both encode."""
BEFORE_CHARACTERS = 64
"""Of a passage around a character that is not ASCII: how many characters come before it."""

_NOT_ASCII = re.compile(r"[^\x00-\x7f]")


class ParityError(Exception):
    """``encoder`` and its reference differ on a text, of which the message has the beginning."""

    def __init__(self, text: str, encoder: "FastEncoder") -> None:
        super().__init__(text[:80])
        self.encoder = encoder


class FastEncoder:
    """Encodes as ``reference`` does."""

    def __init__(self, encode: Callable[[str], NDArray[np.uint32]], reference: Tokenizer) -> None:
        self._encode, self._reference = encode, reference
        self._control = np.array(sorted(reference.control_ids), dtype=np.uint32)
        self._batches = 0

    def begin_slice(self) -> None:
        """Begin the sample anew, so that what is checked depends on the slice alone."""
        self._batches = 0

    def encode_flat(self, texts: Sequence[str], begin: Callable[[int], None] = not_noted) -> FlatIds:
        """Return the ids of all texts, and where each one's end. Raises ParityError, and EncodeError as the reference does.

        ``begin`` is called with the number of each text before it is encoded.
        """
        self._batches += 1
        try:
            with library_errors():
                ids, ends = flat(self._each(texts, begin))
        except EncodeError:
            # A lone surrogate, for example; the reference says which text it is.
            return self._reference.encode_flat(texts, begin)
        spelled = self._with_control(ids, ends)
        if self._batches & (self._batches - 1) == 0:
            self._check(texts, np.split(ids, ends[:-1]), spelled)
        return self._with_reference(texts, ids, ends, spelled) if spelled else (ids, ends)

    def _each(self, texts: Sequence[str], begin: Callable[[int], None]) -> Iterator[NDArray[np.uint32]]:
        for number, text in enumerate(texts):
            begin(number)
            yield self._encode(text)

    def _with_control(self, ids: NDArray[np.uint32], ends: NDArray[np.int64]) -> list[int]:
        """Return the numbers of the texts that have a control id: found by two comparisons, since the ids are neighbours."""
        if not len(self._control) or not len(ids) or ids.max() < self._control[0]:
            return []
        near = np.flatnonzero((ids >= self._control[0]) & (ids <= self._control[-1]))
        hits = near[np.isin(ids[near], self._control)]
        found: list[int] = np.unique(np.searchsorted(ends, hits, side="right")).tolist()
        return found

    def _check(self, texts: Sequence[str], encoded: Sequence[NDArray[np.uint32]], spelled: Sequence[int]) -> None:
        for ascii_only in (True, False):
            candidates = (n for n, text in enumerate(texts) if text and text.isascii() is ascii_only and n not in spelled)
            if (number := next(candidates, None)) is not None:
                passage = _passage(texts[number])
                found = encoded[number] if passage == texts[number] else self._encode(passage)
                if not np.array_equal(found, self._reference.encode(passage)):
                    raise ParityError(passage, self)

    def _with_reference(
        self, texts: Sequence[str], ids: NDArray[np.uint32], ends: NDArray[np.int64], spelled: Sequence[int]
    ) -> FlatIds:
        pieces = np.split(ids, ends[:-1])
        for number in spelled:
            pieces[number] = self._reference.encode(texts[number])
        return flat(pieces)


def _passage(text: str) -> str:
    other = _NOT_ASCII.search(text)
    start = max(0, other.start() - BEFORE_CHARACTERS) if other else 0
    return text[start : start + CHECKED_CHARACTERS]


def fast_encoder(reference: Tokenizer) -> FastEncoder | None:
    """Return the encoder for ``reference``'s vocabulary, or None where there is none."""
    readers = {"huggingface": gigatoken.Tokenizer.from_json, "sentencepiece": gigatoken.Tokenizer.from_sentencepiece}
    if reference.kind not in readers:
        return None
    try:
        fast = readers[reference.kind](vocabulary_bytes(Path(reference.path).read_bytes()))
    except (ValueError, TypeError, KeyError, RuntimeError, NotImplementedError):
        return None
    # The wrapper keeps the bytes it was made from; what encodes does not need them.
    return FastEncoder(fast.backend.encode, reference)
