"""The JSONL of ``vllm run-batch`` (and of OpenAI's batch interface): requests into a file, replies out of one.

Decides: ``custom_id`` is the request's key, so replies find their requests whatever the order; that a request is checked before
it is written, because one invalid line ends a whole run of ``vllm run-batch``.
Does not: run it. ``vllm run-batch -i in.jsonl -o out.jsonl --model MODEL`` overwrites its output and cannot resume, so what is
missing from the output is simply written into the next input.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson

from data_tools.llm.interface import Reply, Request
from data_tools.llm.retry import WRONG_RUN, may_pass
from data_tools.llm.wire import CHAT, BadReply, body_of, refusal, reply_from
from data_tools.parts import atomic_file
from megatron_mathcoder.config.errors import DataError


def write_batch(path: Path, requests: Iterable[Request], model: str) -> int:
    """Write the requests; return their number. Raises DataError for a plain completion, which run-batch does not take."""
    count = 0
    with atomic_file(path) as sink:
        for request in requests:
            if isinstance(request.prompt, str):
                raise DataError("vllm run-batch takes chats alone (no /v1/completions); use a server for plain completions")
            row = {"custom_id": request.key(model), "method": "POST", "url": f"/v1{CHAT}", "body": body_of(request, model)}
            sink.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
            count += 1
    return count


def read_batch(path: Path, request_of: dict[str, Request]) -> Iterable[tuple[str, Reply]]:
    """Yield (key, reply) for each row that answers one of ``request_of``. A torn last line is passed over.

    A row whose response is no good (none, a status that another try may change, a wrong number of choices) yields nothing: the
    request stays unanswered. A refusal (status 400, a prompt too long) is an answer: it would be the same the next time.
    Raises DataError: there is no such file, or its requests went to another model.
    """
    if not path.is_file():
        raise DataError(f"--read-batch {str(path)!r} is no file; name the one that vllm run-batch wrote")
    with path.open("rb") as stream:
        for line in stream:
            try:
                row = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue
            response = row.get("response") if isinstance(row, dict) else None
            if not isinstance(response, dict) or (request := request_of.get(str(row.get("custom_id")))) is None:
                continue
            status = response.get("status_code", 200)
            # vLLM writes what it refused with a status, no body, and the reason as the row's error.
            error = refusal(status, response.get("body") or row.get("error")) if status != 200 else ""
            if status in WRONG_RUN:
                raise DataError(f"{path} was answered with {error}; run it with the model that this command names")
            if (reply := _reply(status, error, response, request)) is not None:
                yield str(row["custom_id"]), reply


def _reply(status: Any, error: str, response: dict[str, Any], request: Request) -> Reply | None:
    if status != 200:
        return None if may_pass(status) else Reply(request=request, outcome="failed", error=error)
    try:
        return reply_from(response.get("body"), request, 1, 0.0)
    except BadReply:
        return None
