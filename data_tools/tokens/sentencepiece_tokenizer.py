"""SentencePiece models: Llama 2, CodeLlama, Mistral, and those that ``mathcoder train-tokenizer`` makes.

Decides: ids are what ``sentencepiece`` itself gives, the reference for these models. Control pieces (``</s>`` …) never match
text.
Does not: add the control pieces; see ``tokenizer.py``.
"""

from collections.abc import Sequence
from pathlib import Path

import sentencepiece

from data_tools.tokens.tokenizer import KINDS, Tokenizer, library_errors
from megatron_mathcoder.config.errors import DataError


class SentencePieceTokenizer(Tokenizer):
    """Tokenizer of a serialised SentencePiece model.

    Raises DataError: ``model`` is not one, or it has no end-of-sequence piece.
    """

    kind = "sentencepiece"

    def __init__(self, model: bytes, file: Path) -> None:
        try:
            self._processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        except RuntimeError:
            raise DataError(f"tokenizer {file.as_posix()!r} is of no known format; name {KINDS}") from None
        self.vocab_size = self._processor.vocab_size()
        self.bos_id = self._processor.bos_id() if self._processor.bos_id() >= 0 else None
        self.eod_id = self._processor.eos_id()
        named = (self._processor.IsControl, self._processor.IsUnknown)
        self.control_ids = [token for token in range(self.vocab_size) if any(of(token) for of in named)]
        if self.eod_id < 0:
            raise DataError(f"tokenizer {file.as_posix()!r} has no end-of-sequence piece; train it with an eos_id")

    def encode_batch(self, texts: Sequence[str]) -> list[Sequence[int]]:
        """Return the ids of each text. One at a time: for a list the library starts a thread, and the pool fills the cores."""
        with library_errors():
            ids: list[Sequence[int]] = [self._processor.encode(text) for text in texts]
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ``ids``; control pieces are left out."""
        text: str = self._processor.decode([int(token) for token in ids])
        return text
