"""Texts that a ``transformers`` model writes, several at a time, a token of each a step.

Decides: batching (padded on the left; a row that has ended leaves the batch) and drawing: each row has its own stream of random
numbers, so neither its batch nor its neighbours change it.
Does not: read prompts or make texts of tokens (``transformers_model.py``).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from data_tools.llm.interface import Request
from data_tools.tokens.tokenizer import Tokenizer

TAIL_TOKENS = 24
"""Tokens at the end of a text that are looked through for stop strings after each step."""
CHOICE_SEED_STRIDE = 1_000_003
"""Between the seeds of a request's choices."""


@dataclass(slots=True)
class Row:
    """One continuation of the prompt ``ids``, of a request's ``n`` that of ``number``."""

    request: Request
    ids: list[int]
    number: int
    written: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    finish_reason: str = ""
    draws: torch.Generator | None = None

    def __post_init__(self) -> None:
        sampling = self.request.sampling
        if sampling.temperature:
            seed = sampling.seed if sampling.seed is not None else int(self.request.key("")[:12], 16)
            self.draws = torch.Generator().manual_seed((seed + CHOICE_SEED_STRIDE * self.number) % 2**63)


@torch.inference_mode()
def write(model: Any, tokenizer: Tokenizer, rows: Sequence[Row], limit: int) -> None:
    """Let the model continue all rows until each has its ``finish_reason``; prompt and text together take ``limit`` tokens."""
    rows = list(rows)
    if not rows:
        return
    width = max(len(row.ids) for row in rows)
    ids = torch.tensor([[tokenizer.eod_id] * (width - len(row.ids)) + row.ids for row in rows])
    mask = torch.tensor([[0] * (width - len(row.ids)) + [1] * len(row.ids) for row in rows])
    cache: Any = None
    while rows:
        positions = (mask.cumsum(1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        output = model(input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True)
        cache = output.past_key_values
        ids = _step(rows, logits_of_pieces(output.logits[:, -1], tokenizer), tokenizer, limit).unsqueeze(1)
        going = [index for index, row in enumerate(rows) if not row.finish_reason]
        if len(going) < len(rows):
            kept = torch.tensor(going, dtype=torch.long)
            rows = [rows[index] for index in going]
            ids, mask = ids[kept], mask[kept]
            if rows:
                cache.batch_select_indices(kept)
        mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)


def logits_of_pieces(logits: Tensor, tokenizer: Tokenizer) -> Tensor:
    """Return fp32 logits [rows, pieces] without those of the vocabulary's padding, which training leaves out as well."""
    return logits[:, : tokenizer.vocab_size].float()


def _step(rows: Sequence[Row], logits: Tensor, tokenizer: Tokenizer, limit: int) -> Tensor:
    """Choose the next token of each row from ``logits`` [rows, pieces] and note what has ended. Returns ids [rows]."""
    chosen = torch.stack([_choose(row, logit) for row, logit in zip(rows, logits, strict=True)])
    logprobs = logits.log_softmax(-1).gather(1, chosen.unsqueeze(1)).squeeze(1).tolist()
    for row, token, logprob in zip(rows, chosen.tolist(), logprobs, strict=True):
        if token == tokenizer.eod_id:
            row.finish_reason = "stop"
            continue
        row.written.append(token)
        row.logprobs.append(logprob)
        tail = tokenizer.decode(row.written[-TAIL_TOKENS:]) if row.request.sampling.stop else ""
        if any(stop in tail for stop in row.request.sampling.stop):
            row.finish_reason = "stop"
        elif len(row.written) >= row.request.sampling.max_tokens or len(row.ids) + len(row.written) >= limit:
            row.finish_reason = "length"
    return chosen


def _choose(row: Row, logits: Tensor) -> Tensor:
    """Return a token id: the likeliest, or a draw from the most likely tokens that together have ``top_p``."""
    sampling = row.request.sampling
    if not sampling.temperature:
        return logits.argmax()
    probabilities = (logits / sampling.temperature).softmax(-1)
    if sampling.top_p < 1:
        ordered, order = probabilities.sort(descending=True)
        ordered[ordered.cumsum(-1) - ordered >= sampling.top_p] = 0
        return order[torch.multinomial(ordered, 1, generator=row.draws)[0]]
    return torch.multinomial(probabilities, 1, generator=row.draws)[0]
