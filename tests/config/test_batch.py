from collections.abc import Callable

import pytest

from megatron_mathcoder.config.batch import (
    data_parallel_size,
    global_batch_size,
    model_parallel_size,
    num_microbatches,
    planned_steps,
)
from megatron_mathcoder.config.schema import RunConfig

Load = Callable[..., RunConfig]


def test_the_global_batch_is_in_samples_whichever_unit_says_it(load: Load) -> None:
    samples = load()
    tokens = load("training.global_batch_size=0", "training.global_batch_tokens=2048")
    assert global_batch_size(samples.training, samples.dataset) == 8
    assert global_batch_size(tokens.training, tokens.dataset) == 8


def test_ranks_are_divided_into_models_and_the_batch_into_micro_batches(load: Load) -> None:
    config = load("parallel.tensor_model_parallel_size=2", "parallel.pipeline_model_parallel_size=2")
    assert model_parallel_size(config.parallel) == 4
    assert data_parallel_size(config.parallel, 8) == 2
    assert num_microbatches(config.training, config.dataset, config.parallel, 8) == 2


@pytest.mark.parametrize(("tokens", "steps"), [(2048, 1), (2049, 2), (4096, 2)])
def test_a_length_in_tokens_is_rounded_up_to_whole_steps(load: Load, tokens: int, steps: int) -> None:
    config = load("training.steps=0", f"training.tokens={tokens}")
    assert planned_steps(config.training, config.dataset) == steps


def test_a_length_in_epochs_is_not_known_without_data(load: Load) -> None:
    config = load("training.steps=0", "training.epochs=2")
    assert planned_steps(config.training, config.dataset) == 0
