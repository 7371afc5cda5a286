"""One interface over the kinds of tokenizer, and how a path becomes one.

Decides: which library reads a path (by content, not by name), and that encoding is always of plain text: no BOS or EOS is
added, no control string in a document becomes a control token. Who writes datasets adds BOS and EOD by their ids.
Does not: implement a kind; each has its file, and imports its library there.
"""

import gzip
import hashlib
import re
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from megatron_mathcoder.config.errors import DataError

KINDS = "a SentencePiece .model, a Hugging Face tokenizer.json or its folder, a tiktoken file of base64 ranks, or a tekken.json"

_DAMAGE = (ValueError, KeyError, TypeError, AttributeError, EOFError, gzip.BadGzipFile, zlib.error)
"""What a vocabulary that is cut off, or has something else where a field should be, makes its reader raise."""
_TIKTOKEN_LINE = re.compile(rb"[A-Za-z0-9+/]+=* \d+\r?\n")


FlatIds = tuple[NDArray[np.uint32], NDArray[np.int64]]
"""Ids of several texts one after the other, and where each text's end."""


class EncodeError(ValueError):
    """A text, or one of a batch, that the library cannot encode."""


@contextmanager
def library_errors() -> Iterator[None]:
    """Raise what a tokenizer's library raises as EncodeError, also a panic of its native code, which is no ``Exception``."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:
        raise EncodeError(str(error)) from error


def not_noted(number: int) -> None:
    """Note nothing of the text that is encoded next."""


class Tokenizer(ABC):
    """Text to token ids and back.

    ``bos_id`` is None when the vocabulary has none. ``eod_id`` ends a document (the model's end-of-sequence token).
    ``vocab_size`` is one more than the largest id. ``sha256`` is of the file that holds the vocabulary, ``path`` its path.
    ``control_ids`` are those that another encoder might give to text which spells a control token.
    """

    kind: str
    path: str
    sha256: str
    vocab_size: int
    bos_id: int | None
    eod_id: int
    control_ids: Sequence[int] = ()

    @abstractmethod
    def encode_batch(self, texts: Sequence[str]) -> list[Sequence[int]]:
        """Return the ids of each text, without BOS or EOS. Raises EncodeError when any of them cannot be encoded."""

    def encode(self, text: str) -> NDArray[np.uint32]:
        """Return the ids of one text, as ``encode_batch`` does. Raises EncodeError."""
        return np.asarray(self.encode_batch([text])[0], dtype=np.uint32)

    def encode_flat(self, texts: Sequence[str], begin: Callable[[int], None] = not_noted) -> FlatIds:
        """Return the same ids in one array, and where each text's end. Raises EncodeError when any of them cannot be encoded.

        ``begin`` is called with the number of each text before it is encoded.
        """
        return flat(self._each(texts, begin))

    def _each(self, texts: Sequence[str], begin: Callable[[int], None]) -> Iterator[NDArray[np.uint32]]:
        for number, text in enumerate(texts):
            begin(number)
            yield self.encode(text)

    @abstractmethod
    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ``ids``."""

    def token_id(self, name: str) -> int | None:
        """Return the id of a special token that was added to the vocabulary, or None; kinds without added tokens have none."""
        del name
        return None

    def manifest_entry(self) -> dict[str, Any]:
        """Return the value of a manifest's ``tokenizer``."""
        keys = ("kind", "path", "sha256", "vocab_size", "bos_id", "eod_id")
        return {key: getattr(self, key) for key in keys}


def flat(encoded: Iterable[NDArray[np.uint32]]) -> FlatIds:
    """Join the ids of several texts."""
    pieces = list(encoded)
    ends = np.cumsum([len(ids) for ids in pieces], dtype=np.int64)
    return np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.uint32), ends


def load_tokenizer(path: str, eod_token: str | None = None) -> Tokenizer:
    """Load the tokenizer at ``path``: a file, or a folder that holds one.

    ``eod_token`` names the piece that ends a document, for a ``tokenizer.json`` that does not say it or says another.

    Raises DataError: nothing there, an unknown format, a damaged file, or a vocabulary without an end-of-document token.
    """
    file = _tokenizer_file(Path(path))
    return tokenizer_from_bytes(file.read_bytes(), file, eod_token)


def tokenizer_from_bytes(raw: bytes, file: Path, eod_token: str | None = None) -> Tokenizer:
    """Make a tokenizer of the content of ``file``. Raises DataError as ``load_tokenizer`` does."""
    sha256 = hashlib.sha256(raw).hexdigest()
    try:
        tokenizer = _from_content(vocabulary_bytes(raw), file, eod_token)
    except _DAMAGE as error:
        raise DataError(
            f"tokenizer {file.as_posix()!r} is damaged ({type(error).__name__}: {error}); fetch it again, or name {KINDS}"
        ) from error
    tokenizer.path, tokenizer.sha256 = file.as_posix(), sha256
    return tokenizer


def vocabulary_bytes(raw: bytes) -> bytes:
    """Return the content of a vocabulary's file, which may be compressed by gzip."""
    return gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw


def _tokenizer_file(path: Path) -> Path:
    if path.is_file():
        return path
    if not path.is_dir():
        raise DataError(f"tokenizer {path.as_posix()!r} does not exist; name {KINDS}")
    # tokenizer.json first: where a folder has both, it is what Hugging Face loads.
    for name in ("tokenizer.json", "tokenizer.model", "tekken.json"):
        if (path / name).is_file():
            return path / name
    raise DataError(f"tokenizer folder {path.as_posix()!r} holds no tokenizer.json, tokenizer.model or tekken.json")


def _from_content(raw: bytes, file: Path, eod_token: str | None) -> Tokenizer:
    if raw.lstrip()[:1] == b"{":
        return _from_json(raw, file, eod_token)
    if _TIKTOKEN_LINE.match(raw):
        from data_tools.tokens.tiktoken_tokenizer import from_ranks

        return from_ranks(raw, file)
    if raw:
        from data_tools.tokens.sentencepiece_tokenizer import SentencePieceTokenizer

        return SentencePieceTokenizer(raw, file)
    raise DataError(f"tokenizer {file.as_posix()!r} is of no known format; name {KINDS}")


def _from_json(raw: bytes, file: Path, eod_token: str | None) -> Tokenizer:
    """Read a ``tokenizer.json``; parse it here only when its library refuses it, since parsing 8 MB takes a tenth of a second."""
    from data_tools.tokens.huggingface_tokenizer import HuggingFaceTokenizer, UnreadVocabularyError, read_vocabulary

    try:
        return HuggingFaceTokenizer(read_vocabulary(raw), file, eod_token)
    except UnreadVocabularyError as error:
        refused = str(error)
    try:
        content = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise DataError(f"tokenizer {file.as_posix()!r} is not valid JSON ({error}); name {KINDS}") from None
    if "vocab" in content and "config" in content:
        from data_tools.tokens.tiktoken_tokenizer import from_tekken

        return from_tekken(content)
    if "model" in content:
        raise DataError(f"tokenizer {file.as_posix()!r} {refused}")
    raise DataError(f"tokenizer {file.as_posix()!r} is of no known format; name {KINDS}")
