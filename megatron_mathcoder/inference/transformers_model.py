"""A Hugging Face folder as a language model in this process, by ``transformers``.

Decides: what is a prompt's first token, where a text is cut at a stop string, and log probabilities of a given text (``echo``
with ``max_tokens`` 0).
Does not: choose tokens (``decode.py``), chat (a prompt is a string), serve, or choose hardware.

A prompt begins with BOS where the tokenizer has one, as each document did. A stop string is taken off the text, unless the
request says ``extra={"include_stop_str_in_output": True}`` (vLLM's name for it).
"""

import functools
import itertools
import re
import time
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from data_tools.llm.interface import Choice, Reply, Request, TokenLogprobs
from data_tools.tokens.tokenizer import Tokenizer, load_tokenizer
from megatron_mathcoder.config.checksums import checksum
from megatron_mathcoder.config.errors import CheckpointError, PlatformError
from megatron_mathcoder.config.lce_tokens import LCE_TOKENS

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from megatron_mathcoder.inference.decode import Row

DEFAULT_BATCH = 16
_LCE = re.compile("(" + "|".join(map(re.escape, LCE_TOKENS)) + ")")


def load_model(folder: Path) -> "PreTrainedModel":
    """Load the folder's model, in its own dtype.

    Raises:
        PlatformError: transformers is not installed.
        CheckpointError: the folder holds no model, or transformers cannot load it.
    """
    if not (folder / "config.json").is_file():
        raise CheckpointError(f"{folder}: no config.json is in it; make the folder with mathcoder export-hf CKPT HF_DIR")
    try:
        import transformers
        from safetensors import SafetensorError
    except ImportError:
        raise PlatformError(
            f"{folder}: a model's folder needs transformers; install it with pip install 'megatron-mathcoder[eval]'"
        ) from None
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    try:
        return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype="auto", local_files_only=True)
    except (OSError, ValueError, SafetensorError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CheckpointError(f"{folder}: transformers cannot load it: {reason}; export it again") from error


class TransformersModel:
    """``data_tools.llm.interface.LanguageModel`` over a Hugging Face folder."""

    def __init__(self, folder: Path, batch_size: int = DEFAULT_BATCH) -> None:
        self.model = load_model(folder)
        self.tokenizer = load_tokenizer(str(folder))
        self.batch_size = batch_size
        self._folder = folder
        _check_vocabulary(self.tokenizer, self.model)
        self._limit = int(getattr(self.model.config, "max_position_embeddings", 2**31))

    @functools.cached_property
    def name(self) -> str:
        """The folder's name and a checksum over all its files, so that another export under the same name is another model."""
        files = sorted(path for path in self._folder.iterdir() if path.is_file())
        sums = " ".join(f"{path.name} {checksum(path)}" for path in files)
        return f"{self._folder.resolve().name}@{zlib.crc32(sums.encode()):08x}"

    def complete(self, requests: Iterable[Request]) -> Iterator[Reply]:
        """Yield one reply per request; requests are drawn a batch at a time."""
        waiting = iter(requests)
        while batch := list(itertools.islice(waiting, self.batch_size)):
            yield from self._batch(batch)

    def _batch(self, batch: list[Request]) -> Iterator[Reply]:
        from megatron_mathcoder.inference.decode import Row, write

        begin = time.monotonic()
        scored = [request for request in batch if request.sampling.max_tokens == 0]
        written = [request for request in batch if request.sampling.max_tokens > 0]
        yield from (self._scored(request, begin) for request in scored)
        rows: list[Row] = []
        refused: list[Reply] = []
        for request in written:
            ids = self._encode(request)
            if len(ids) >= self._limit:
                reason = f"the prompt has {len(ids)} tokens, the model takes {self._limit}"
                refused.append(Reply(request=request, outcome="failed", error=reason, prompt_tokens=len(ids)))
                continue
            rows += [Row(request, ids, number) for number in range(request.sampling.n)]
        yield from refused
        write(self.model, self.tokenizer, rows, self._limit)
        for _, group in itertools.groupby(rows, key=lambda row: id(row.request)):
            yield self._reply(list(group), time.monotonic() - begin)

    def _encode(self, request: Request) -> list[int]:
        if not isinstance(request.prompt, str):
            raise PlatformError("a folder takes a prompt, not a chat; serve the model to chat with it")
        start = [] if self.tokenizer.bos_id is None else [self.tokenizer.bos_id]
        return [*start, *encode_prompt(self.tokenizer, request.prompt)] or [self.tokenizer.eod_id]

    def _reply(self, rows: list["Row"], seconds: float) -> Reply:
        request = rows[0].request
        choices = tuple(self._choice(row) for row in rows)
        written = sum(len(row.written) for row in rows)
        return Reply(
            request=request,
            outcome="ok",
            choices=choices,
            prompt_tokens=len(rows[0].ids),
            completion_tokens=written,
            seconds=seconds,
        )

    def _choice(self, row: "Row") -> Choice:
        # The prompt's last token is decoded with its continuation and cut off: a tokenizer may treat the first piece apart.
        before = row.ids[-1:]
        text = self.tokenizer.decode([*before, *row.written])[len(self.tokenizer.decode(before)) :]
        sampling = row.request.sampling
        ends = [(at, stop) for stop in sampling.stop if (at := text.find(stop)) >= 0]
        if ends:
            at, stop = min(ends)
            text = text[: at + len(stop)] if sampling.extra.get("include_stop_str_in_output") else text[:at]
        logprobs = None
        if sampling.logprobs is not None:
            pieces = tuple(self.tokenizer.decode([token]) for token in row.written)
            logprobs = TokenLogprobs(pieces, tuple(row.logprobs), ())
        return Choice(text, row.finish_reason, logprobs)

    def _scored(self, request: Request, begin: float) -> Reply:
        """Return the prompt with the log probability of each of its tokens; None for the first."""
        import torch

        from megatron_mathcoder.inference.decode import logits_of_pieces

        ids = self._encode(request)
        if len(ids) > self._limit:
            reason = f"the text has {len(ids)} tokens, the model takes {self._limit}"
            return Reply(request=request, outcome="failed", error=reason, prompt_tokens=len(ids))
        with torch.inference_mode():
            logits = logits_of_pieces(self.model(torch.tensor([ids])).logits[0], self.tokenizer)
        picked = logits[:-1].log_softmax(-1).gather(1, torch.tensor(ids[1:]).unsqueeze(1)).squeeze(1).tolist()
        start = 0 if self.tokenizer.bos_id is None else 1
        values = [None, *picked][start:]
        pieces = tuple(self.tokenizer.decode([token]) for token in ids[start:])
        choice = Choice(str(request.prompt), "length", TokenLogprobs(pieces, tuple(values), ()))
        return Reply(
            request=request,
            outcome="ok",
            choices=(choice,),
            prompt_tokens=len(ids),
            seconds=time.monotonic() - begin,
        )


def encode_prompt(tokenizer: Tokenizer, prompt: str) -> list[int]:
    """Return a prompt's ids.

    Tokens of the LCE format that the vocabulary has stand for themselves, and the texts between them are encoded each by itself,
    as in training (``tokenize --lce``).
    """
    ids: list[int] = []
    for piece in _LCE.split(prompt):
        token = tokenizer.token_id(piece) if piece in LCE_TOKENS else None
        ids += [token] if token is not None else tokenizer.encode_batch([piece])[0]
    return ids


def _check_vocabulary(tokenizer: Tokenizer, model: "PreTrainedModel") -> None:
    rows = int(model.config.vocab_size)
    if tokenizer.vocab_size > rows:
        raise CheckpointError(
            f"{tokenizer.path}: it has {tokenizer.vocab_size} pieces, the model {rows} rows; use the model's own tokenizer"
        )
