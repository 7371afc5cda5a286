"""Hugging Face ``tokenizer.json`` (Llama 3, DeepSeek, Qwen …) through the ``tokenizers`` library; transformers is not needed.

Decides: post-processors, truncation and padding that a ``tokenizer.json`` may carry are switched off, since each would add or
cut tokens unasked; special tokens written out in a document are encoded as the text they are.
Does not: guess a chat template, or read ``tokenizer_config.json`` for more than the names of BOS and EOS.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import tokenizers

from data_tools.tokens.tokenizer import Tokenizer, library_errors
from megatron_mathcoder.config.errors import DataError


class UnreadVocabularyError(Exception):
    """What ``tokenizers`` says of a file that it does not take."""


BOS_NAMES = ("<|begin_of_text|>", "<s>", "<｜begin▁of▁sentence｜>", "<bos>")
EOD_NAMES = ("<|end_of_text|>", "</s>", "<｜end▁of▁sentence｜>", "<|endoftext|>", "<eos>")


class HuggingFaceTokenizer(Tokenizer):
    """Tokenizer of a ``tokenizer.json``; ``tokenizer_config.json`` beside it names BOS and EOS.

    Raises DataError: no end-of-document token is known.
    """

    kind = "huggingface"

    def __init__(self, vocabulary: tokenizers.Tokenizer, file: Path, eod_token: str | None) -> None:
        self._tokenizer = vocabulary
        self.control_ids = list(vocabulary.get_added_tokens_decoder())
        self.vocab_size = max(vocabulary.get_vocab(with_added_tokens=True).values(), default=-1) + 1
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._tokenizer.encode_special_tokens = True
        named = _special_names(file.parent / "tokenizer_config.json")
        self.bos_id = self._first_id([named["bos_token"]] if "bos_token" in named else BOS_NAMES)
        candidates = [eod_token] if eod_token else [named["eos_token"]] if named.get("eos_token") else EOD_NAMES
        eod_id = self._first_id(candidates)
        if eod_id is None:
            tried = ", ".join(str(name) for name in candidates)
            raise DataError(
                f"tokenizer {file.as_posix()!r} has no end-of-document token (tried {tried}); name it with --eod-token"
            )
        self.eod_id = eod_id

    def _first_id(self, names: Sequence[str | None]) -> int | None:
        return next((found for name in names if name and (found := self.token_id(name)) is not None), None)

    def encode_batch(self, texts: Sequence[str]) -> list[Sequence[int]]:
        """Return the ids of each text.

        One text at a time: a larger batch makes the library start a thread per core in each process of the pool, and its only
        switch is the environment. ``encode_batch_fast`` still saves the offsets, a fifth of the time.
        """
        with library_errors():
            return [self._tokenizer.encode_batch_fast([text], add_special_tokens=False)[0].ids for text in texts]

    def token_id(self, name: str) -> int | None:
        """Return the id of a token by its whole name, or None."""
        found: int | None = self._tokenizer.token_to_id(name)
        return found

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ``ids``, special tokens included."""
        text: str = self._tokenizer.decode([int(token) for token in ids], skip_special_tokens=False)
        return text


def read_vocabulary(raw: bytes) -> tokenizers.Tokenizer:
    """Read a ``tokenizer.json``. Raises UnreadVocabularyError."""
    try:
        return tokenizers.Tokenizer.from_buffer(raw)
    except Exception as error:  # the library raises bare Exception
        raise UnreadVocabularyError(f"cannot be read by tokenizers {tokenizers.__version__}: {error}") from None


def _special_names(config_path: Path) -> dict[str, str | None]:
    """Read ``bos_token`` and ``eos_token`` where the config has them; the value is a name, an object with one, or null."""
    if not config_path.is_file():
        return {}
    try:
        config: dict[str, Any] = orjson.loads(config_path.read_bytes())
        names = {key: config[key] for key in ("bos_token", "eos_token") if key in config}
        return {key: value["content"] if isinstance(value, dict) else value for key, value in names.items()}
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise DataError(
            f"{config_path.as_posix()!r} does not name BOS and EOS ({type(error).__name__}: {error}); fetch it again, or remove "
            f"it and give --eod-token"
        ) from error
