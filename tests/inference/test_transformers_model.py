"""A Hugging Face folder as a language model: the same text alone and in a batch, stops, seeds, log probabilities."""

import math
from pathlib import Path

import pytest
import torch

from data_tools.llm.interface import Request, Sampling
from data_tools.tokens.tokenizer import load_tokenizer
from megatron_mathcoder.config.errors import CheckpointError
from megatron_mathcoder.config.lce_tokens import LCE_TOKENS
from megatron_mathcoder.inference.tool_format import Lce
from megatron_mathcoder.inference.transformers_model import TransformersModel, encode_prompt
from tests.data_tools.tokens.test_tokenize_lce import make_tokenizer

PROMPTS = ["def a", "import os\nfrom", "x", "The answer is a number of", "return"]


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> TransformersModel:
    return TransformersModel(tiny_model, batch_size=4)


def texts(model: TransformersModel, sampling: Sampling, prompts: list[str] = PROMPTS) -> dict[str, str]:
    return {str(r.request.prompt): r.choices[0].text for r in model.complete([Request(p, sampling) for p in prompts])}


def test_a_batch_writes_what_each_prompt_gets_alone_and_what_transformers_writes(model: TransformersModel) -> None:
    sampling = Sampling(max_tokens=12)
    together = texts(model, sampling)
    assert together == {prompt: texts(model, sampling, [prompt])[prompt] for prompt in PROMPTS}
    ids = torch.tensor([[model.tokenizer.bos_id, *model.tokenizer.encode_batch([PROMPTS[0]])[0]]])
    output = model.model.generate(ids, max_new_tokens=12, do_sample=False, eos_token_id=2, pad_token_id=2)
    assert model.tokenizer.decode(output[0, 1:].tolist()) == PROMPTS[0] + together[PROMPTS[0]]


def test_padding_of_the_vocabulary_is_never_written_and_has_no_share_of_the_probability(
    model: TransformersModel, tiny_model: Path
) -> None:
    padded = TransformersModel(tiny_model)
    pieces = padded.tokenizer.vocab_size
    padded.model.resize_token_embeddings(2 * pieces)
    head = padded.model.get_output_embeddings().weight
    with torch.no_grad():
        head[pieces:] = 3 * head[:pieces]
        assert padded.model(torch.tensor([[1, 5, 6]])).logits[0, -1].argmax() >= pieces
    assert texts(padded, Sampling(max_tokens=12)) == texts(model, Sampling(max_tokens=12))
    scored = Request("import os", Sampling(max_tokens=0, echo=True, logprobs=0))
    first, second = (next(iter(each.complete([scored]))).choices[0].logprobs for each in (padded, model))
    assert first == second


def test_draws_depend_on_the_seed_and_not_on_the_neighbours(model: TransformersModel) -> None:
    sampling = Sampling(max_tokens=12, temperature=1.0, seed=7)
    together = texts(model, sampling)
    assert together == {prompt: texts(model, sampling, [prompt])[prompt] for prompt in PROMPTS}
    assert together != texts(model, Sampling(max_tokens=12, temperature=1.0, seed=8))
    several = next(iter(model.complete([Request("x", Sampling(max_tokens=8, temperature=1.0, n=3, seed=7))])))
    assert len({choice.text for choice in several.choices}) == 3


def test_a_stop_string_ends_the_text_with_or_without_it(model: TransformersModel) -> None:
    whole = texts(model, Sampling(max_tokens=16), ["x"])["x"]
    stop = whole[4:7]
    request = Request("x", Sampling(max_tokens=16, stop=(stop,)))
    choice = next(iter(model.complete([request]))).choices[0]
    assert (choice.text, choice.finish_reason) == (whole[: whole.find(stop)], "stop")
    request = Request("x", Sampling(max_tokens=16, stop=(stop,), extra={"include_stop_str_in_output": True}))
    assert next(iter(model.complete([request]))).choices[0].text == whole[: whole.find(stop)] + stop


def test_a_text_is_scored_by_the_log_probabilities_of_its_tokens(model: TransformersModel) -> None:
    reply = next(iter(model.complete([Request("import os", Sampling(max_tokens=0, echo=True, logprobs=0))])))
    scores = reply.choices[0].logprobs
    assert scores is not None
    ids = [model.tokenizer.bos_id, *model.tokenizer.encode_batch(["import os"])[0]]
    with torch.no_grad():
        logits = model.model(torch.tensor([ids])).logits[0]
    expected = [logits[i - 1].log_softmax(-1)[ids[i]].item() for i in range(1, len(ids))]
    assert all(math.isclose(a, b, abs_tol=1e-4) for a, b in zip(scores.logprobs, expected, strict=True))  # type: ignore[arg-type]


def test_a_prompt_that_is_too_long_fails_alone(model: TransformersModel) -> None:
    replies = list(model.complete([Request("x " * 5000, Sampling(max_tokens=4)), Request("x", Sampling(max_tokens=4))]))
    assert {reply.outcome for reply in replies} == {"failed", "ok"}
    assert "the model takes 4096" in next(reply.error for reply in replies if reply.outcome == "failed")


def test_the_name_changes_with_the_files(model: TransformersModel, tmp_path: Path) -> None:
    assert model.name.startswith("tiny@")
    with pytest.raises(CheckpointError, match=r"no config\.json is in it; make the folder with mathcoder export-hf"):
        TransformersModel(tmp_path)


def test_a_prompt_in_the_lce_format_is_encoded_as_it_was_in_training(tmp_path: Path) -> None:
    """The ids of a prompt are the first ids of the conversation that ``tokenize --lce`` wrote."""
    tokenizer = load_tokenizer(str(make_tokenizer(tmp_path / "tokenizer.json", [Path(__file__).read_text()], LCE_TOKENS)))
    ids = encode_prompt(tokenizer, Lce().prompt("What is 2 + 2?"))
    specials = {name: tokenizer.token_id(name) for name in LCE_TOKENS}
    expected: list[int | None] = [specials["<|user|>"], specials["<|text|>"], *tokenizer.encode_batch(["What is 2 + 2?"])[0]]
    assert ids == [*expected, specials["<|endofblock|>"], specials["<|endofmessage|>"], specials["<|assistant|>"]]
