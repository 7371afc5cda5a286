"""What every language model here takes and gives: a request in, a reply out.

Decides: the fields of a request, what makes two requests the same (``Request.key``), and the three ends a request can come to.
Does not: send anything (``openai_client.py``, ``vllm_offline.py``), or remember replies (``request_log.py``).

Use:

    request = Request((Message("user", "What is 2 + 2?"),), Sampling(max_tokens=64))
    with OpenAIClient(Server(base_url="http://localhost:8000/v1", model="m")) as model:
        for reply in model.complete([request]):
            print(reply.request.tag, reply.outcome, reply.choices[0].text)
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from typing import Any, Literal, Protocol

import orjson


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat. ``role`` is ``system``, ``user`` or ``assistant``."""

    role: str
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How to decode. ``max_tokens`` has no default: vLLM's own is 16, which cuts nearly everything.

    ``logprobs`` asks for that many alternatives per token (0: the chosen one alone); None asks for none. ``echo`` returns the
    prompt's tokens too (plain completions only); with ``max_tokens=0`` this scores a text. ``json_schema`` asks the server to
    constrain the reply; each choice says whether it fits. ``extra`` goes into the request's body as it is, for what one server
    alone understands.
    """

    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    n: int = 1
    seed: int | None = None
    stop: tuple[str, ...] = ()
    logprobs: int | None = None
    echo: bool = False
    json_schema: dict[str, Any] | None = None
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """A prompt and how to go on from it. A string is a plain completion, messages are a chat.

    ``tag`` is the caller's own, for finding the way back from a reply; it is neither sent nor part of the key.
    """

    prompt: str | tuple[Message, ...]
    sampling: Sampling
    tag: Any = None

    def key(self, model: str) -> str:
        """Return 64 hexadecimal digits that are the same for requests that ask the same of the same model."""
        prompt = self.prompt if isinstance(self.prompt, str) else [[each.role, each.content] for each in self.prompt]
        sampling = {each.name: getattr(self.sampling, each.name) for each in fields(Sampling)}
        asked = orjson.dumps({"model": model, "prompt": prompt, "sampling": sampling}, option=orjson.OPT_SORT_KEYS)
        return hashlib.sha256(asked).hexdigest()

    @property
    def text(self) -> str:
        """All that is asked, as one string; for counting."""
        return self.prompt if isinstance(self.prompt, str) else "\n".join(each.content for each in self.prompt)


@dataclass(frozen=True, slots=True)
class TokenLogprobs:
    """Per token of a choice: its text, its log probability (None for the first token of an echoed prompt), and alternatives."""

    tokens: tuple[str, ...]
    logprobs: tuple[float | None, ...]
    top: tuple[dict[str, float], ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One continuation. ``finish_reason`` ``length`` means cut off at ``max_tokens``: never take it for a whole reply.

    ``fits_schema`` is None when no schema was asked for, or the text was cut off.
    """

    text: str
    finish_reason: str
    logprobs: TokenLogprobs | None = None
    fits_schema: bool | None = None


Outcome = Literal["ok", "failed", "dead"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The end of one request.

    ``ok``: ``choices`` holds ``n`` of them. ``failed``: the server refuses this request for good (a prompt too long).
    ``dead``: it was tried ``attempts`` times and never answered rightly while the server answered others. For the last two
    ``error`` says why in one line, and ``choices`` is empty.
    """

    request: Request
    outcome: Outcome
    choices: tuple[Choice, ...] = ()
    error: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    attempts: int = 1
    seconds: float = 0.0
    response_id: str = ""


class LanguageModel(Protocol):
    """Something that answers requests."""

    @property
    def name(self) -> str:
        """The model's name, revision included where there is one. It is part of every request's key."""

    def complete(self, requests: Iterable[Request]) -> Iterator[Reply]:
        """Yield one reply per request, in any order. Requests are drawn only as fast as they can be sent.

        Raises DataError when the whole run cannot go on (server away, wrong key, budget spent); replies so far were yielded.
        """
