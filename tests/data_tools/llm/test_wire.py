"""A server's JSON of any shape is a reply or a bad one, never an error of ours."""

import random
from pathlib import Path
from typing import Any

import orjson
import pytest

from data_tools.llm.interface import Message, Request, Sampling
from data_tools.llm.run_batch import read_batch
from data_tools.llm.wire import BadReply, parse_reply, refusal
from megatron_mathcoder.config.errors import DataError

CHAT = Request((Message("user", "Hello"),), Sampling(max_tokens=8, n=2, logprobs=1))
PLAIN = Request("Hello", Sampling(max_tokens=8, n=2, logprobs=1))
ODD = (None, "x", 3, -1.5, [], [1], {}, {"a": 1}, True)


def good(request: Request) -> dict[str, Any]:
    chat = {"content": [{"token": "a", "logprob": -0.5, "top_logprobs": [{"token": "a", "logprob": -0.5}]}]}
    plain = {"tokens": ["a"], "token_logprobs": [-0.5], "top_logprobs": [{"a": -0.5}]}
    said: dict[str, Any] = (
        {"message": {"content": "a"}, "logprobs": chat} if request is CHAT else {"text": "a", "logprobs": plain}
    )
    return {"id": "r", "choices": [{"index": index, "finish_reason": "stop"} | said for index in (1, 0)], "usage": {}}


def spoiled(value: Any, draw: random.Random) -> Any:
    """One place of the JSON, drawn by chance, with something odd in it."""
    if isinstance(value, dict | list) and value and draw.random() < 0.85:
        copy = value.copy()
        place = draw.choice(list(copy) if isinstance(copy, dict) else range(len(copy)))
        copy[place] = spoiled(copy[place], draw)
        return copy
    return draw.choice(ODD)


@pytest.mark.parametrize("request_", [CHAT, PLAIN], ids=["chat", "plain"])
def test_json_of_any_shape_is_a_reply_or_a_bad_one(request_: Request) -> None:
    draw = random.Random(0)
    assert parse_reply(orjson.dumps(good(request_)), request_, 1, 0.0).choices[0].text == "a"
    bad = 0
    for _ in range(3000):
        try:
            assert parse_reply(orjson.dumps(spoiled(good(request_), draw)), request_, 1, 0.0).outcome == "ok"
        except BadReply:
            bad += 1
    assert bad > 1000


def test_what_vllm_refused_in_a_batch_is_an_answer(tmp_path: Path) -> None:
    """As vLLM 0.32 writes it: a status, no body, and the reason as the row's error."""
    path = tmp_path / "out.jsonl"
    response = {"status_code": 400, "request_id": "r", "body": None}
    refused = {"id": "i", "custom_id": "k", "response": response, "error": {"error": {"message": "too\nlong", "code": 400}}}
    path.write_bytes(orjson.dumps(refused))
    ((key, reply),) = read_batch(path, {"k": CHAT})
    assert (key, reply.outcome, reply.error) == ("k", "failed", "status 400: too long")
    response["status_code"] = 404
    path.write_bytes(orjson.dumps(refused))
    with pytest.raises(DataError, match="was answered with status 404: too long; run it with the model that this command names"):
        list(read_batch(path, {"k": CHAT}))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error": {"message": "too  long", "code": 400}}', "too long"),
        (b'{"message": "too long"}', "too long"),
        (b'{"detail": "Not Found"}', '{"detail":"Not Found"}'),
        (b'{"error": "too long"}', "too long"),
        (b"<html>\nBad gateway</html>", "<html> Bad gateway</html>"),
        (b"", '""'),
    ],
)
def test_a_refusal_is_the_servers_own_message_in_one_line(body: bytes, said: str) -> None:
    assert refusal(400, body) == f"status 400: {said}"


def test_a_batch_file_with_odd_rows_leaves_their_requests_open(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    rows = [3, [], {"custom_id": "k"}, {"custom_id": "k", "response": "x"}, {"custom_id": "k", "response": {"status_code": 503}}]
    rows += [{"custom_id": "k", "response": {"status_code": 200, "body": good(CHAT) | {"choices": ["x"]}}}]
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows) + b'{"custom')
    assert list(read_batch(path, {"k": CHAT})) == []
    path.write_bytes(orjson.dumps({"custom_id": "k", "response": {"status_code": 400, "body": "no"}}))
    ((key, reply),) = read_batch(path, {"k": CHAT})
    assert (key, reply.outcome, reply.error) == ("k", "failed", "status 400: no")
    with pytest.raises(DataError, match=r"--read-batch '.*none' is no file; name the one that vllm run-batch wrote"):
        list(read_batch(tmp_path / "none", {}))
