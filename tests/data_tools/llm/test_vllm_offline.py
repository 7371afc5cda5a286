"""vLLM in process: what its outputs say, and what a person without it is told. Real vLLM is met in ``test_real_servers.py``."""

from types import SimpleNamespace

import pytest

from data_tools.llm.interface import Request, Sampling, TokenLogprobs
from data_tools.llm.vllm_offline import VllmOffline
from megatron_mathcoder.config.errors import PlatformError


def test_without_vllm_a_person_is_told_what_to_do() -> None:
    with pytest.raises(PlatformError, match="pip install vllm, or serve the model and name the server"):
        VllmOffline("some/model")


def test_vllms_outputs_are_read_with_the_prompt_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    """As vLLM 0.32 gives them: nothing of the prompt's first token, and one token written though none was asked for."""
    monkeypatch.setattr("data_tools.llm.vllm_offline._sampling_params", lambda sampling: sampling)
    known = [{token: SimpleNamespace(decoded_token=text, logprob=-token / 4)} for token, text in ((2, "b"), (3, "c"))]
    written = SimpleNamespace(
        text="x", finish_reason="length", token_ids=[9], logprobs=[{9: SimpleNamespace(decoded_token="x", logprob=-1.0)}]
    )
    output = SimpleNamespace(
        prompt="abc", prompt_token_ids=[1, 2, 3], prompt_logprobs=[None, *known], outputs=[written], request_id="0"
    )
    engine = SimpleNamespace(generate=lambda prompts, sampling, use_tqdm: [output for _ in prompts])
    model = VllmOffline("m", engine=engine)
    scored, plain = model.complete(
        [Request("abc", Sampling(max_tokens=0, echo=True, logprobs=0)), Request("abc", Sampling(max_tokens=1, logprobs=0))]
    )
    (choice,) = scored.choices
    assert (choice.text, choice.logprobs) == (
        "abc",
        TokenLogprobs(("a", "b", "c"), (None, -0.5, -0.75), ({}, {"b": -0.5}, {"c": -0.75})),
    )
    (choice,) = plain.choices
    assert (choice.text, choice.finish_reason, choice.logprobs) == ("x", "length", TokenLogprobs(("x",), (-1.0,), ({"x": -1.0},)))
