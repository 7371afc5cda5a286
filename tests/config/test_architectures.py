import dataclasses

import pytest

from megatron_mathcoder.config.architectures import ARCHITECTURES, TINY_LLAMA, padded_vocab_size, parameter_count

PUBLISHED_PARAMETERS = {
    # The sum of the sizes in each published safetensors index.
    "llama2_7b": 6_738_415_616,
    "llama3_8b": 8_030_261_248,
    "llama3_1_8b": 8_030_261_248,
    "deepseek_math_7b": 6_910_365_696,
    "mistral_7b": 7_241_732_096,
    "code_llama_7b": 6_738_546_688,
    "qwen2_5_math_7b": 7_615_616_512,
    "qwen2_5_math_1_5b": 1_543_714_304,
}


@pytest.mark.parametrize(("name", "parameters"), PUBLISHED_PARAMETERS.items())
def test_the_parameters_are_those_of_the_published_weights(name: str, parameters: int) -> None:
    assert parameter_count(ARCHITECTURES[name]) == parameters


def test_every_published_architecture_is_counted() -> None:
    assert set(PUBLISHED_PARAMETERS) == set(ARCHITECTURES) - {"tiny_llama"}


def test_a_tied_embedding_is_counted_once_and_biases_are_counted() -> None:
    tied = dataclasses.replace(TINY_LLAMA, share_embeddings_and_output_weights=True)
    assert parameter_count(TINY_LLAMA) - parameter_count(tied) == 4096 * 128
    biased = dataclasses.replace(TINY_LLAMA, add_qkv_bias=True)
    assert parameter_count(biased) - parameter_count(TINY_LLAMA) == 4 * (4 + 2 * 2) * 32


@pytest.mark.parametrize(
    ("ranks", "rows"),
    [(1, 32_128), (2, 32_256), (4, 32_256), (8, 32_768)],
)
def test_the_vocabulary_is_padded_as_megatron_pads_it(ranks: int, rows: int) -> None:
    assert padded_vocab_size(ARCHITECTURES["code_llama_7b"], ranks) == rows


def test_a_vocabulary_that_divides_is_not_padded() -> None:
    assert padded_vocab_size(ARCHITECTURES["llama3_8b"], 2) == 128_256


@pytest.mark.parametrize(("name", "model"), ARCHITECTURES.items())
def test_each_constant_bears_its_own_name(name: str, model: object) -> None:
    assert getattr(model, "architecture", None) == name


def test_the_architectures_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        ARCHITECTURES["mine"] = TINY_LLAMA  # type: ignore[index]
