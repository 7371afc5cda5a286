"""What the inference's tests share: a tiny exported model with its tokenizer, one sandbox, and models that follow a script."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
import torch
import transformers

from data_tools.llm.interface import Choice, Reply, Request
from data_tools.sandbox.outcome import Limits
from data_tools.sandbox.sandbox import Sandbox
from data_tools.tokens.train_tokenizer import train
from tests.repository import ROOT


def make_tiny_model(folder: Path, pieces: int = 400) -> Path:
    """Write a random Llama of two layers with a SentencePiece tokenizer, as ``export-hf`` would."""
    folder.mkdir(parents=True, exist_ok=True)
    # ASCII alone: every other character of the sources would be a piece of its own.
    texts = [path.read_text() for path in sorted((ROOT / "data_tools/tokens").glob("*.py"))]
    lines = (line for text in texts for line in text.split("\n") if line and line.isascii())
    (folder / "tokenizer.model").write_bytes(train(lines, pieces))
    torch.manual_seed(1)
    config = transformers.LlamaConfig(
        vocab_size=pieces,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=4096,
        initializer_range=0.5,
    )
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(Limits(cpu_seconds=1.0), workers=2, preload=()) as each:
        yield each


class Scripted:
    """A language model that answers by a function of the prompt; ``asked`` holds the prompts of each call of ``complete``."""

    name = "scripted"

    def __init__(self, answer: Callable[[str], str | Choice]) -> None:
        self._answer = answer
        self.asked: list[list[str]] = []

    def complete(self, requests: Iterable[Request]) -> Iterator[Reply]:
        self.asked.append([])
        for request in requests:
            self.asked[-1].append(str(request.prompt))
            answer = self._answer(str(request.prompt))
            choice = answer if isinstance(answer, Choice) else Choice(_stopped(answer, request), "stop")
            yield Reply(request=request, outcome="ok", choices=(choice,))


class Refusing:
    """A language model that answers nothing, as a server does that is gone."""

    name = "refusing"

    def complete(self, requests: Iterable[Request]) -> Iterator[Reply]:
        yield from (Reply(request=request, outcome="dead", error="no connection") for request in requests)


def _stopped(text: str, request: Request) -> str:
    """Cut a text at the first stop string, as a server does."""
    sampling = request.sampling
    ends = [(at, stop) for stop in sampling.stop if (at := text.find(stop)) >= 0]
    if not ends:
        return text
    at, stop = min(ends)
    return text[: at + len(stop)] if sampling.extra.get("include_stop_str_in_output") else text[:at]
