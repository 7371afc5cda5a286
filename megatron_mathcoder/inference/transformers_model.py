"""A Hugging Face folder as a language model in this process, by ``transformers``.

Decides: batching (left-padded, finished rows leave the batch), stop strings, how draws are seeded (each request has its own
stream,
so neither its batch nor its neighbours change it), and log probabilities of a given text (``echo`` with ``max_tokens`` 0).
Does not: chat (a prompt is a string), serve, or choose hardware.

A prompt begins with BOS where the tokenizer has one, as each document did. A stop string is taken off the text, unless the
request says ``extra={"include_stop_str_in_output": True}`` (vLLM's name for it).
"""

import functools
import itertools
import re
import time
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_tools.llm.interface import Choice, Reply, Request, TokenLogprobs
from data_tools.tokens.tokenizer import Tokenizer, load_tokenizer
from megatron_mathcoder.config.checksums import checksum
from megatron_mathcoder.config.errors import CheckpointError, PlatformError
from megatron_mathcoder.config.lce_tokens import LCE_TOKENS

if TYPE_CHECKING:
    from transformers import PreTrainedModel

DEFAULT_BATCH = 16
_LCE = re.compile("(" + "|".join(map(re.escape, LCE_TOKENS)) + ")")
TAIL_TOKENS = 24
"""Tokens at the end of a text that are looked through for stop strings after each step."""


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
            "mathcoder generate needs transformers; install it with pip install 'megatron-mathcoder[eval]'"
        ) from None
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    try:
        return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype="auto", local_files_only=True)
    except (OSError, ValueError, SafetensorError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CheckpointError(f"{folder}: transformers cannot load it: {reason}; export it again") from error


@dataclass(slots=True)
class _Row:
    """One continuation in progress."""

    request: Request
    ids: list[int]
    draws: Any
    written: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    finish_reason: str = ""


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
        begin = time.monotonic()
        scored = [request for request in batch if request.sampling.max_tokens == 0]
        written = [request for request in batch if request.sampling.max_tokens > 0]
        yield from (self._scored(request, begin) for request in scored)
        rows: list[_Row] = []
        refused: list[Reply] = []
        for request in written:
            ids = self._encode(request)
            if len(ids) >= self._limit:
                reason = f"the prompt has {len(ids)} tokens, the model takes {self._limit}"
                refused.append(Reply(request=request, outcome="failed", error=reason, prompt_tokens=len(ids)))
                continue
            rows += [_Row(request, ids, _generator(request, number)) for number in range(request.sampling.n)]
        yield from refused
        self._write(rows)
        for _, group in itertools.groupby(rows, key=lambda row: id(row.request)):
            yield self._reply(list(group), time.monotonic() - begin)

    def _encode(self, request: Request) -> list[int]:
        if not isinstance(request.prompt, str):
            raise PlatformError("a folder takes a prompt, not a chat; serve the model to chat with it")
        start = [] if self.tokenizer.bos_id is None else [self.tokenizer.bos_id]
        return [*start, *encode_prompt(self.tokenizer, request.prompt)] or [self.tokenizer.eod_id]

    def _write(self, rows: list[_Row]) -> None:
        """Let the model write all rows, one token of each at a time."""
        import torch

        if not rows:
            return
        width = max(len(row.ids) for row in rows)
        ids = torch.tensor([[self.tokenizer.eod_id] * (width - len(row.ids)) + row.ids for row in rows])
        mask = torch.tensor([[0] * (width - len(row.ids)) + [1] * len(row.ids) for row in rows])
        cache: Any = None
        with torch.inference_mode():
            while rows:
                positions = (mask.cumsum(1) - 1).clamp(min=0)[:, -ids.shape[1] :]
                output = self.model(
                    input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True
                )
                cache = output.past_key_values
                ids = self._step(rows, self._of_pieces(output.logits[:, -1])).unsqueeze(1)
                going = [index for index, row in enumerate(rows) if not row.finish_reason]
                if len(going) < len(rows):
                    kept = torch.tensor(going, dtype=torch.long)
                    rows = [rows[index] for index in going]
                    ids, mask = ids[kept], mask[kept]
                    if rows:
                        cache.batch_select_indices(kept)
                mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)

    def _of_pieces(self, logits: Any) -> Any:
        """Return fp32 logits [rows, pieces] without those of the vocabulary's padding, which training leaves out as well."""
        return logits[:, : self.tokenizer.vocab_size].float()

    def _step(self, rows: list[_Row], logits: Any) -> Any:
        """Choose the next token of each row from ``logits`` [rows, vocabulary] and note what has ended. Returns ids [rows]."""
        import torch

        chosen = torch.stack([_choose(row, logit) for row, logit in zip(rows, logits, strict=True)])
        logprobs = logits.log_softmax(-1).gather(1, chosen.unsqueeze(1)).squeeze(1).tolist()
        for row, token, logprob in zip(rows, chosen.tolist(), logprobs, strict=True):
            if token == self.tokenizer.eod_id:
                row.finish_reason = "stop"
                continue
            row.written.append(token)
            row.logprobs.append(logprob)
            tail = self.tokenizer.decode(row.written[-TAIL_TOKENS:]) if row.request.sampling.stop else ""
            if any(stop in tail for stop in row.request.sampling.stop):
                row.finish_reason = "stop"
            elif len(row.written) >= row.request.sampling.max_tokens or len(row.ids) + len(row.written) >= self._limit:
                row.finish_reason = "length"
        return chosen

    def _reply(self, rows: list[_Row], seconds: float) -> Reply:
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

    def _choice(self, row: _Row) -> Choice:
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

        ids = self._encode(request)
        if len(ids) > self._limit:
            reason = f"the text has {len(ids)} tokens, the model takes {self._limit}"
            return Reply(request=request, outcome="failed", error=reason, prompt_tokens=len(ids))
        with torch.inference_mode():
            logits = self._of_pieces(self.model(torch.tensor([ids])).logits[0])
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


def _generator(request: Request, number: int) -> Any:
    import torch

    if not request.sampling.temperature:
        return None
    seed = request.sampling.seed if request.sampling.seed is not None else int(request.key("")[:12], 16)
    return torch.Generator().manual_seed((seed + 1_000_003 * number) % 2**63)


def _choose(row: _Row, logits: Any) -> Any:
    """Return a token id: the likeliest, or a draw from the most likely tokens that together have ``top_p``."""
    import torch

    sampling = row.request.sampling
    if not sampling.temperature:
        return logits.argmax()
    probabilities = (logits / sampling.temperature).softmax(-1)
    if sampling.top_p < 1:
        ordered, order = probabilities.sort(descending=True)
        ordered[ordered.cumsum(-1) - ordered >= sampling.top_p] = 0
        return order[torch.multinomial(ordered, 1, generator=row.draws)[0]]
    return torch.multinomial(probabilities, 1, generator=row.draws)[0]


def _check_vocabulary(tokenizer: Tokenizer, model: "PreTrainedModel") -> None:
    rows = int(model.config.vocab_size)
    if tokenizer.vocab_size > rows:
        raise CheckpointError(
            f"{tokenizer.path}: it has {tokenizer.vocab_size} pieces, the model {rows} rows; use the model's own tokenizer"
        )
