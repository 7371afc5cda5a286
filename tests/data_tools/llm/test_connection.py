"""Connections to a server that sends a response twice, or is another than the one that was meant."""

import time

import pytest

from data_tools.llm.connection import Server
from data_tools.llm.openai_client import OpenAIClient
from megatron_mathcoder.config.errors import DataError
from tests.data_tools.llm.fake_server import FakeServer
from tests.data_tools.llm.test_openai_client import FAST, ask, assert_each_has_its_own, requests


def test_a_response_sent_twice_is_not_given_to_the_next_request() -> None:
    """Slow enough that the second copy lies in the socket before the connection is used again."""
    with (
        FakeServer(lambda number, body: "late duplicate" if number in (1, 3) else None) as server,
        OpenAIClient(Server(base_url=server.url, model="m", **FAST)) as client,
    ):
        replies = []
        for request in requests(8):
            replies += client.complete([request])
            time.sleep(0.08)
    assert_each_has_its_own(replies, 8)


def test_a_server_that_gives_every_response_one_id_is_believed() -> None:
    with FakeServer() as server:
        good = server._good
        server._good = lambda path, body, number: good(path, body, 0)  # type: ignore[method-assign]
        assert_each_has_its_own(ask(server, requests(20)), 20)
        assert len(server.bodies) == 20


def test_no_server_and_another_model_are_said_at_once() -> None:
    with pytest.raises(DataError, match=r"no server answers at http://127.0.0.1:9/v1 .*start one \(vllm serve m\)"):
        OpenAIClient(Server(base_url="http://127.0.0.1:9/v1", model="m")).__enter__()
    with FakeServer() as server, pytest.raises(DataError, match="serves m, not 'other'; name one of them"):
        OpenAIClient(Server(base_url=server.url, model="other")).__enter__()
