"""Byte-pair vocabularies in tiktoken's form: Llama 3's original ``tokenizer.model`` (base64 ranks) and Mistral's ``tekken.json``.

Decides: a rank file holds no pattern and no special tokens, so they come from a table by the number of ranks; ``tekken.json``
holds both. Encoding is ``encode_ordinary``: no special token is ever recognised in text.
Does not: download anything.
"""

import base64
import binascii
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import tiktoken

from data_tools.tokens.tokenizer import Tokenizer, library_errors
from megatron_mathcoder.config.errors import DataError


class _Family(NamedTuple):
    name: str
    pattern: str
    bos_id: int | None
    eod_id: int
    vocab_size: int


# Llama 3: 128,000 ranks, then 256 special tokens of which the first two begin and end a text
# (meta-llama/llama3, llama/tokenizer.py). cl100k_base: <|endoftext|> is 100257, the last special token 100276.
_LLAMA3_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_FAMILIES = {128_000: _Family("llama3", _LLAMA3_PATTERN, 128_000, 128_001, 128_256)}


class TiktokenTokenizer(Tokenizer):
    """Tokenizer of byte-pair ranks; ids are ``rank + first_rank_id``."""

    kind = "tiktoken"

    def __init__(self, family: _Family, ranks: dict[bytes, int], first_rank_id: int) -> None:
        self._encoding = tiktoken.Encoding(family.name, pat_str=family.pattern, mergeable_ranks=ranks, special_tokens={})
        self._offset = first_rank_id
        self.bos_id, self.eod_id, self.vocab_size = family.bos_id, family.eod_id, family.vocab_size

    def encode_batch(self, texts: Sequence[str]) -> list[Sequence[int]]:
        """Return the ids of each text."""
        return [self._encode(text) for text in texts]

    def _encode(self, text: str) -> Sequence[int]:
        # The pattern overflows its stack on a run of about a million spaces.
        with library_errors():
            ids = self._encoding.encode_ordinary(text)
        return [token + self._offset for token in ids] if self._offset else ids

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ``ids``; special tokens are left out, incomplete UTF-8 becomes U+FFFD."""
        ordinary = self._encoding.n_vocab
        ranks = [int(token) - self._offset for token in ids]
        return self._encoding.decode([rank for rank in ranks if 0 <= rank < ordinary])


def from_ranks(raw: bytes, file: Path) -> TiktokenTokenizer:
    """Read lines of ``BASE64 RANK``. Raises DataError: a broken line, or a number of ranks that no known model has."""
    ranks: dict[bytes, int] = {}
    for number, line in enumerate(raw.splitlines(), start=1):
        try:
            token, rank = line.split()
            ranks[base64.b64decode(token, validate=True)] = int(rank)
        except (ValueError, binascii.Error):
            raise DataError(f"tokenizer {file.as_posix()!r} line {number} is not 'BASE64 RANK'; fetch the file again") from None
    family = _FAMILIES.get(len(ranks))
    if family is None:
        known = ", ".join(f"{count} ({family.name})" for count, family in _FAMILIES.items())
        raise DataError(
            f"tokenizer {file.as_posix()!r} has {len(ranks)} ranks; the split pattern is known for {known}; "
            f"use the model's tokenizer.json instead"
        )
    return TiktokenTokenizer(family, ranks, first_rank_id=0)


def from_tekken(content: dict[str, Any]) -> TiktokenTokenizer:
    """Read a parsed ``tekken.json``: the special tokens come first (0 unknown, 1 BOS, 2 EOS), the ranks after them.

    The file may hold more ranks than the model uses; only the first ``default_vocab_size`` ids count.
    """
    config = content["config"]
    special, size = config["default_num_special_tokens"], config["default_vocab_size"]
    used = content["vocab"][: size - special]
    ranks = {base64.b64decode(entry["token_bytes"]): entry["rank"] for entry in used}
    return TiktokenTokenizer(_Family("tekken", config["pattern"], 1, 2, size), ranks, first_rank_id=special)
