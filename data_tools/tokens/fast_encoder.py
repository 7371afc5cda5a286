"""The same ids as a tokenizer's own library gives, tens of times faster: ``gigatoken``, checked while it works.

Decides: a text that spells one of the vocabulary's control strings goes to the reference library, which keeps it text; so does a
batch that ``gigatoken`` refuses. Of every batch one document is encoded by both, and a difference raises ``ParityError``:
whoever encodes then does the whole slice again with the reference.
Does not: read files (``gigatoken``'s reader drops good documents behind a bad line), or know every vocabulary: ``fast_encoder``
returns None for those it cannot read, and tiktoken's, whose library is fast itself.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gigatoken
import numpy as np
import orjson

from data_tools.tokens.tokenizer import FlatIds, Tokenizer

CHECKED_CHARACTERS = 8192
"""Length up to which a document is encoded by both; a longer one would cost more than the rest of its batch."""
PREFIX_CHARACTERS = 3


class ParityError(Exception):
    """The fast encoder and the reference differ on a document."""


class FastEncoder:
    """Encodes as ``reference`` does."""

    def __init__(self, fast: Any, reference: Tokenizer, control_strings: Sequence[str]) -> None:
        self._fast, self._reference = fast, reference
        self._prefixes = sorted({name[:PREFIX_CHARACTERS] for name in control_strings})
        self._control = re.compile("|".join(map(re.escape, control_strings))) if control_strings else None

    def encode_flat(self, texts: Sequence[str]) -> FlatIds:
        """Return the ids of all texts, and where each one's end. Raises ParityError, and EncodeError as the reference does."""
        try:
            encoded = self._fast.encode_batch(list(texts), parallel=False).layout
        except (TypeError, ValueError, UnicodeError):
            # A lone surrogate, for example; the reference says which text it is.
            return self._reference.encode_flat(texts)
        ids, ends = np.asarray(encoded.content.data), np.asarray(encoded.offsets.data)
        spelled = [number for number, text in enumerate(texts) if self._spells_control(text)]
        self._check(texts, ids, ends, set(spelled))
        return self._with_reference(texts, ids, ends, spelled) if spelled else (ids, ends[1:])

    def _spells_control(self, text: str) -> bool:
        if self._control is None or not any(prefix in text for prefix in self._prefixes):
            return False
        return self._control.search(text) is not None

    def _check(self, texts: Sequence[str], ids: Any, ends: Any, passed_over: set[int]) -> None:
        for number, text in enumerate(texts):
            if len(text) <= CHECKED_CHARACTERS and number not in passed_over:
                expected = self._reference.encode_batch([text])[0]
                if not np.array_equal(ids[ends[number] : ends[number + 1]], np.asarray(expected, dtype=np.int64)):
                    raise ParityError(text[:80])
                return

    def _with_reference(self, texts: Sequence[str], ids: Any, ends: Any, spelled: list[int]) -> FlatIds:
        pieces: list[Any] = []
        done = 0
        for number in spelled:
            pieces.append(ids[ends[done] : ends[number]])
            pieces.append(np.asarray(self._reference.encode_batch([texts[number]])[0], dtype=np.uint32))
            done = number + 1
        pieces.append(ids[ends[done] :])
        lengths = np.diff(ends)
        lengths[spelled] = [len(piece) for piece in pieces[1::2]]
        return np.concatenate(pieces), np.cumsum(lengths)


def fast_encoder(reference: Tokenizer) -> FastEncoder | None:
    """Return the encoder for ``reference``'s vocabulary, or None where there is none."""
    path = Path(reference.path)
    try:
        if reference.kind == "huggingface":
            raw = path.read_bytes()
            names = [token["content"] for token in orjson.loads(raw).get("added_tokens", [])]
            return FastEncoder(gigatoken.Tokenizer.from_json(raw), reference, names)
        if reference.kind == "sentencepiece":
            fast = gigatoken.Tokenizer.from_sentencepiece(path)
            return FastEncoder(fast, reference, reference.control_strings())
    except (ValueError, TypeError, KeyError, RuntimeError, NotImplementedError):
        return None
    return None
