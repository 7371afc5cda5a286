"""vLLM in process: what its outputs say, and what a person without it is told. Real vLLM is met in ``test_real_servers.py``."""

import argparse
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from data_tools.llm.arguments import add_model_arguments, open_model
from data_tools.llm.interface import Message, Request, Sampling, TokenLogprobs
from data_tools.llm.vllm_offline import VllmOffline
from megatron_mathcoder.config.errors import PlatformError


class Refusal(Exception):
    """As vLLM's own, which is no ValueError."""


class Engine:
    """As much of ``vllm.LLM`` as is used: the last of what it holds ends first, and what holds ``LONG`` is refused."""

    def __init__(self, output: Any) -> None:
        self._output = output
        self.queued: list[int] = []
        self.count = self.most = 0
        self.llm_engine = self

    def enqueue(self, prompt: str, sampling: Sampling, use_tqdm: bool) -> list[str]:
        if "LONG" in prompt:
            raise Refusal("This model's maximum context length is 1024 tokens.\nReduce the length.")
        self.queued.append(self.count)
        self.count += 1
        self.most = max(self.most, len(self.queued))
        return [f"{self.queued[-1]}-a1b2"]

    def enqueue_chat(self, turns: list[dict[str, str]], sampling: Sampling, use_tqdm: bool) -> list[str]:
        return self.enqueue(turns[0]["content"], sampling, use_tqdm)

    def step(self) -> list[Any]:
        number = self.queued.pop()
        running = SimpleNamespace(finished=False, request_id="0")
        return [running, SimpleNamespace(**vars(self._output) | {"finished": True, "request_id": str(number)})]


@pytest.fixture(autouse=True)
def no_vllm_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data_tools.llm.vllm_offline._sampling_params", lambda sampling: sampling)
    monkeypatch.setattr("data_tools.llm.vllm_offline._refusals", lambda: (Refusal, ValueError))


def chats(*texts: str) -> list[Request]:
    return [Request((Message("user", text),), Sampling(max_tokens=8), tag=text) for text in texts]


WRITTEN = SimpleNamespace(text="Label: 1", finish_reason="stop", token_ids=[9], logprobs=None)
OUTPUT = SimpleNamespace(prompt_token_ids=[1], outputs=[WRITTEN])


def test_a_request_that_vllm_refuses_costs_no_other() -> None:
    found = list(VllmOffline("m", engine=Engine(OUTPUT)).complete(chats("one", "LONG", "two", "LONG")))
    assert [(reply.request.tag, reply.outcome, reply.response_id) for reply in found] == [
        ("LONG", "failed", ""),
        ("LONG", "failed", ""),
        ("two", "ok", "1"),
        ("one", "ok", "0"),
    ]
    assert found[0].error == "refused: This model's maximum context length is 1024 tokens. Reduce the length."


def test_a_reply_is_given_before_the_last_request_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data_tools.llm.vllm_offline.QUEUED_REQUESTS", 3)
    engine, drawn = Engine(OUTPUT), iter(chats(*map(str, range(9))))
    replies = VllmOffline("m", engine=engine).complete(drawn)
    assert next(replies).request.tag == "2"
    assert next(drawn).tag == "3"
    assert {reply.request.tag for reply in replies} == set("01245678") - {"2"}
    assert (engine.most, engine.count) == (3, 8)


def test_without_vllm_a_person_is_told_what_to_do() -> None:
    with pytest.raises(PlatformError, match="pip install vllm, or serve the model and name the server"):
        VllmOffline("some/model")


def test_options_reach_vllm_and_what_it_does_not_take_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def engine(model: str, tensor_parallel_size: int = 1, dtype: str = "auto") -> Any:
        if model == "gone":
            raise ValueError("Repo id must be\nin the form")
        return SimpleNamespace(given=(model, tensor_parallel_size, dtype))

    monkeypatch.setitem(sys.modules, "vllm", SimpleNamespace(LLM=engine))  # type: ignore[arg-type]
    parser = argparse.ArgumentParser()
    add_model_arguments(parser, max_tokens=8, max_characters=100)

    def opened(*arguments: str) -> Any:
        with open_model("vllm", parser.parse_args(["--model", *arguments])) as model:
            return model

    options = ["--vllm-option", "tensor_parallel_size=4", "--vllm-option", "dtype=float32"]
    assert opened("m", *options)._engine.given == ("m", 4, "float32")
    with pytest.raises(PlatformError, match=r"vLLM cannot load 'gone' \(Repo id must be in the form\); name a folder"):
        opened("gone")
    with pytest.raises(PlatformError, match="unexpected keyword argument 'tensor'"):
        opened("m", "--vllm-option", "tensor=4")
    with pytest.raises(SystemExit):
        opened("m", "--vllm-option", "tensor")


def test_vllms_outputs_are_read_with_the_prompt_scored() -> None:
    """As vLLM 0.32 gives them: nothing of the prompt's first token, and one token written though none was asked for."""
    known = [{token: SimpleNamespace(decoded_token=text, logprob=-token / 4)} for token, text in ((2, "b"), (3, "c"))]
    written = SimpleNamespace(
        text="x", finish_reason="length", token_ids=[9], logprobs=[{9: SimpleNamespace(decoded_token="x", logprob=-1.0)}]
    )
    output = SimpleNamespace(prompt="abc", prompt_token_ids=[1, 2, 3], prompt_logprobs=[None, *known], outputs=[written])
    model = VllmOffline("m", engine=Engine(output))
    plain, scored = model.complete(
        [Request("abc", Sampling(max_tokens=0, echo=True, logprobs=0)), Request("abc", Sampling(max_tokens=1, logprobs=0))]
    )
    (choice,) = scored.choices
    assert (choice.text, choice.logprobs) == (
        "abc",
        TokenLogprobs(("a", "b", "c"), (None, -0.5, -0.75), ({}, {"b": -0.5}, {"c": -0.75})),
    )
    (choice,) = plain.choices
    assert (choice.text, choice.finish_reason, choice.logprobs) == ("x", "length", TokenLogprobs(("x",), (-1.0,), ({"x": -1.0},)))
