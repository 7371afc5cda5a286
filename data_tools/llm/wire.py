"""The OpenAI-compatible wire format: a request's path and body, and what a response's JSON says.

Decides: which field carries what, for chat and for plain completions; that a response with the wrong number of choices, without
asked-for log probabilities or without a finish reason is a bad one. ``vllm run-batch`` uses the same bodies.
Does not: send anything, or decide whether to ask again.

Servers ignore what they do not know with status 200 (``n`` and ``logprobs`` by ``transformers serve``, renamed options by vLLM),
so every option that changes the reply is checked in the reply.
"""

from typing import Any

import orjson

from data_tools.llm.interface import Choice, Reply, Request, Sampling, TokenLogprobs
from data_tools.llm.json_schema import fits

CHAT = "/chat/completions"
PLAIN = "/completions"
BYTES_PER_TOKEN = 3
"""Of English with mathematics; low, so that an estimate is rather too high."""


class BadReply(Exception):
    """A response with status 200 that does not answer the request; its text says what is wrong."""


def path_of(request: Request) -> str:
    """Return the path below ``/v1`` that takes this request."""
    return PLAIN if isinstance(request.prompt, str) else CHAT


def body_of(request: Request, model: str) -> dict[str, Any]:
    """Return the JSON body. Every field that decides the reply is stated; servers' defaults differ."""
    sampling = request.sampling
    body: dict[str, Any] = {
        "model": model,
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "n": sampling.n,
        "stream": False,
    }
    if isinstance(request.prompt, str):
        body["prompt"] = request.prompt
        body |= {"logprobs": sampling.logprobs} if sampling.logprobs is not None else {}
        body |= {"echo": True} if sampling.echo else {}
    else:
        body["messages"] = [{"role": each.role, "content": each.content} for each in request.prompt]
        if sampling.logprobs is not None:
            body |= {"logprobs": True, "top_logprobs": sampling.logprobs}
    if sampling.seed is not None:
        body["seed"] = sampling.seed
    if sampling.stop:
        body["stop"] = list(sampling.stop)
    if sampling.json_schema is not None:
        schema = {"name": "reply", "schema": sampling.json_schema, "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return body | sampling.extra


def estimated_tokens(request: Request) -> int:
    """Return about how many tokens a request may hold on the server: its prompt's, and all that it may write."""
    return len(request.text.encode()) // BYTES_PER_TOKEN + 1 + request.sampling.n * request.sampling.max_tokens


def parse_reply(content: bytes, request: Request, attempts: int, seconds: float) -> Reply:
    """Read a response's body. Raises BadReply."""
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError:
        raise BadReply(f"malformed JSON: {content[:80]!r}") from None
    return reply_from(value, request, attempts, seconds)


def reply_from(value: Any, request: Request, attempts: int, seconds: float) -> Reply:
    """Read a response's parsed body. Raises BadReply."""
    if not isinstance(value, dict) or not isinstance(value.get("choices"), list):
        raise BadReply(f"no choices: {_excerpt(value)}")
    rows = value["choices"]
    if not all(isinstance(row, dict) for row in rows):
        raise BadReply(f"a choice is no object: {_excerpt(rows)}")
    if len(rows) != request.sampling.n:
        raise BadReply(f"{len(rows)} choices where n={request.sampling.n} was asked")
    places = [row["index"] if isinstance(row.get("index"), int) else place for place, row in enumerate(rows)]
    if len(set(places)) != len(rows):
        raise BadReply("two choices with the same index")
    choices = tuple(_choice(rows[at], request) for at in sorted(range(len(rows)), key=places.__getitem__))
    usage = value.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    return Reply(
        request=request,
        outcome="ok",
        choices=choices,
        prompt_tokens=_count(usage.get("prompt_tokens"), len(request.text.encode())),
        completion_tokens=_count(usage.get("completion_tokens"), sum(len(each.text.encode()) for each in choices)),
        attempts=attempts,
        seconds=seconds,
        response_id=value["id"] if isinstance(value.get("id"), str) else "",
    )


def refusal(status: int, content: Any) -> str:
    """Return one line of what a server said with a status other than 200: its error's message, else the body's beginning.

    ``content``: the parsed body, or its bytes.
    """
    if isinstance(content, bytes):
        try:
            content = orjson.loads(content)
        except orjson.JSONDecodeError:
            content = content.decode(errors="replace")
    inner = content.get("error", content) if isinstance(content, dict) else content
    message = inner.get("message") if isinstance(inner, dict) else inner
    said = message if isinstance(message, str) and message else orjson.dumps(content, default=str).decode()
    return f"status {status}: {' '.join(said.split())[:300]}"


def _count(told: Any, size: int) -> int:
    """Return the server's count, or an estimate from bytes: a budget must not be unlimited because a server counts nothing."""
    return told if isinstance(told, int) and not isinstance(told, bool) else size // BYTES_PER_TOKEN


def _choice(row: dict[str, Any], request: Request) -> Choice:
    message = row.get("message")
    text = row.get("text") if isinstance(request.prompt, str) else message.get("content") if isinstance(message, dict) else None
    # Chat servers say null for an empty reply.
    if text is None and isinstance(message, dict) and "content" in message:
        text = ""
    reason = row.get("finish_reason")
    if not isinstance(text, str) or not isinstance(reason, str):
        raise BadReply(f"a choice without text or finish_reason: {_excerpt(row)}")
    return Choice(text, reason, _logprobs(row.get("logprobs"), request.sampling), _fits(text, reason, request.sampling))


def _fits(text: str, reason: str, sampling: Sampling) -> bool | None:
    if sampling.json_schema is None or reason == "length":
        return None
    try:
        return fits(orjson.loads(text), sampling.json_schema)
    except orjson.JSONDecodeError:
        return False


def _logprobs(value: Any, sampling: Sampling) -> TokenLogprobs | None:
    if sampling.logprobs is None:
        return None
    if not isinstance(value, dict):
        raise BadReply("logprobs were asked for and are missing")
    try:
        if "tokens" in value:
            top = [dict(each or {}) for each in value.get("top_logprobs") or [{}] * len(value["tokens"])]
            return TokenLogprobs(tuple(value["tokens"]), tuple(value["token_logprobs"]), tuple(top))
        rows = value["content"]
        tops = [{each["token"]: each["logprob"] for each in row.get("top_logprobs") or []} for row in rows]
        return TokenLogprobs(tuple(row["token"] for row in rows), tuple(row["logprob"] for row in rows), tuple(tops))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise BadReply(f"logprobs of an unknown form: {_excerpt(value)}") from None


def _excerpt(value: Any) -> str:
    return orjson.dumps(value, default=str).decode()[:120]
