"""The client against a server that misbehaves: every request ends once, as ok, failed or dead, with its own reply."""

import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from data_tools.llm.connection import Server
from data_tools.llm.interface import Message, Reply, Request, Sampling
from data_tools.llm.openai_client import OpenAIClient
from megatron_mathcoder.config.errors import DataError
from tests.data_tools.llm.fake_server import FakeServer, Faults, reply_text

FAST = {"first_wait_seconds": 0.01, "outage_seconds": 0.3}


def requests(count: int, **sampling: Any) -> list[Request]:
    return [Request(f"prompt {index}", Sampling(max_tokens=50, **sampling), tag=index) for index in range(count)]


def ask(server: FakeServer, asked: list[Request], **settings: Any) -> list[Reply]:
    with OpenAIClient(Server(base_url=server.url, model="m", **FAST | settings)) as client:
        return sorted(client.complete(asked), key=lambda reply: reply.request.tag)


def first_time(fault: str) -> Faults:
    """Every prompt meets ``fault`` on its first arrival and is answered on its second."""
    seen: Counter[str] = Counter()

    def faults(number: int, body: dict[str, Any]) -> str | None:
        prompt = str(body.get("prompt") or body.get("messages"))
        seen[prompt] += 1
        return fault if seen[prompt] == 1 else None

    return faults


def assert_each_has_its_own(replies: list[Reply], count: int) -> None:
    assert [reply.request.tag for reply in replies] == list(range(count))
    for reply in replies:
        assert reply.outcome == "ok"
        assert reply.choices[0].text == reply_text(reply.request.prompt)


def test_every_request_gets_its_own_reply_over_kept_connections() -> None:
    with FakeServer() as server:
        assert_each_has_its_own(ask(server, requests(200), requests_in_flight=8), 200)
        assert len(server.bodies) == 200
        assert server.connections <= 9
        assert server.most_in_flight <= 8


@pytest.mark.parametrize(
    "fault", ["429", "503", "500", "502", "reset", "cut", "malformed", "html", "wrong n", "no choices", "no finish"]
)
def test_a_passing_fault_costs_an_attempt_and_nothing_else(fault: str) -> None:
    with FakeServer(first_time(fault)) as server:
        replies = ask(server, requests(12), requests_in_flight=4)
        assert_each_has_its_own(replies, 12)
        assert {reply.attempts for reply in replies} == {2}


def test_a_silent_server_meets_the_deadline() -> None:
    with FakeServer(first_time("hang")) as server:
        assert_each_has_its_own(ask(server, requests(4), read_seconds=0.2), 4)


def test_retry_after_is_waited_for_by_all() -> None:
    begin = time.monotonic()
    with FakeServer(lambda number, body: "retry-after 0.6" if number == 0 else None) as server:
        assert_each_has_its_own(ask(server, requests(6), requests_in_flight=1), 6)
    assert time.monotonic() - begin >= 0.6


def test_a_poison_request_ends_dead_and_the_others_do_not() -> None:
    with FakeServer(lambda number, body: "500" if "prompt 3" in str(body["prompt"]) else None) as server:
        replies = ask(server, requests(10), attempts=3)
    assert [reply.outcome for reply in replies] == ["ok"] * 3 + ["dead"] + ["ok"] * 6
    assert (replies[3].attempts, replies[3].choices) == (3, ())
    assert replies[3].error.startswith("status 500")


def test_a_refused_request_is_asked_once() -> None:
    with FakeServer(lambda number, body: "400" if "prompt 1" in str(body["prompt"]) else None) as server:
        replies = ask(server, requests(3))
        assert [reply.outcome for reply in replies] == ["ok", "failed", "ok"]
        assert replies[1].error == "status 400: fault 400"
        assert len(server.bodies) == 3


def test_a_cut_off_text_is_an_outcome_of_its_own() -> None:
    with FakeServer(lambda number, body: "truncated") as server:
        (reply,) = ask(server, requests(1))
    assert reply.choices[0].finish_reason == "length"


def test_a_server_that_goes_away_and_comes_back_kills_no_request(capsys: pytest.CaptureFixture[str]) -> None:
    with FakeServer(delay_seconds=0.005) as server:

        def outage() -> None:
            time.sleep(0.1)
            server.healthy = False
            time.sleep(0.5)
            server.healthy = True

        thread = threading.Thread(target=outage)
        thread.start()
        replies = ask(server, requests(300), requests_in_flight=4, attempts=2, outage_seconds=20)
        thread.join()
    assert_each_has_its_own(replies, 300)
    printed = capsys.readouterr().err
    assert re.search(r"does not answer \(.*\); waiting for it, 20 s at most\n.* answers again after \d+ s", printed)


def test_a_server_that_stays_away_ends_the_run_not_the_documents() -> None:
    with FakeServer() as server, OpenAIClient(Server(base_url=server.url, model="m", **FAST | {"attempts": 2})) as client:
        replies = client.complete(requests(5, seed=1))
        assert next(replies).outcome == "ok"
        server.healthy = False
        with pytest.raises(DataError, match=r"has not answered for .* what it answered is kept"):
            list(client.complete(requests(5)))


@pytest.mark.parametrize("status", ["401", "404"])
def test_what_every_request_would_get_ends_the_run(status: str) -> None:
    with (
        FakeServer(lambda number, body: status) as server,
        pytest.raises(DataError, match=f"answered with status {status}: fault .*check the address .*, the model and the key"),
    ):
        ask(server, requests(1))


def test_the_window_holds_tokens_as_well_as_requests() -> None:
    with FakeServer(delay_seconds=0.02) as server:
        assert_each_has_its_own(ask(server, requests(30), requests_in_flight=16, tokens_in_flight=170), 30)
        assert server.most_in_flight == 3


def test_a_busy_server_is_asked_less() -> None:
    def full(number: int, body: dict[str, Any]) -> str | None:
        return "503" if server.in_flight > 4 else None

    with FakeServer(full, delay_seconds=0.01) as server:
        replies = ask(server, requests(300), requests_in_flight=32, attempts=20)
    assert_each_has_its_own(replies, 300)
    assert len(server.bodies) < 400


def test_a_spent_budget_stops_the_run() -> None:
    with FakeServer() as server:
        with pytest.raises(DataError, match=r"the token budget is spent: 1\d\d of 100 used; raise it"):
            ask(server, requests(50), token_budget=100, requests_in_flight=2)
        assert len(server.bodies) <= 10


def test_chat_n_stop_seed_and_logprobs_reach_the_server_and_come_back() -> None:
    prompt = (Message("system", "be brief"), Message("user", "hello"))
    sampling = Sampling(max_tokens=7, temperature=0.5, top_p=0.9, n=3, seed=11, stop=("\n", "!"), logprobs=1, extra={"top_k": 4})
    with FakeServer() as server:
        (reply,) = ask(server, [Request(prompt, sampling, tag=0)])
        (body,) = server.bodies
    messages = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hello"}]
    assert body == {
        "model": "m",
        "messages": messages,
        "max_tokens": 7,
        "temperature": 0.5,
        "top_p": 0.9,
        "n": 3,
        "seed": 11,
        "stop": ["\n", "!"],
        "logprobs": True,
        "top_logprobs": 1,
        "top_k": 4,
        "stream": False,
    }
    assert [choice.text for choice in reply.choices] == [reply_text(messages, index) for index in range(3)]
    logprobs = reply.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.tokens[0] == "reply"
    assert (logprobs.logprobs[0], logprobs.top[0]) == (-0.5, {"reply": -0.5})
    assert (reply.prompt_tokens, reply.completion_tokens) == (10, 15)


def test_plain_completions_score_a_text() -> None:
    with FakeServer() as server:
        (reply,) = ask(server, requests(1, logprobs=0, echo=True))
        assert (server.bodies[0]["logprobs"], server.bodies[0]["echo"]) == (0, True)
    assert reply.choices[0].logprobs is not None


@pytest.mark.parametrize("honours", [True, False])
def test_whether_the_schema_was_held_is_seen_in_the_reply(honours: bool) -> None:
    schema = {"type": "object", "properties": {"word": {"enum": ["yes"]}}, "required": ["word"]}
    with FakeServer(honours_schema=honours) as server:
        (reply,) = ask(server, requests(1, json_schema=schema))
    assert reply.choices[0].fits_schema is honours


def test_requests_are_drawn_only_a_little_ahead() -> None:
    drawn = 0

    def endless() -> Iterator[Request]:
        nonlocal drawn
        for drawn, request in enumerate(requests(10_000), start=1):  # noqa: B007
            yield request

    with FakeServer() as server, OpenAIClient(Server(base_url=server.url, model="m", requests_in_flight=4)) as client:
        replies = client.complete(endless())
        for _ in range(20):
            next(replies)
        replies.close()  # type: ignore[attr-defined]
    assert drawn <= 20 + 8 + 1
