from collections.abc import Callable, Iterator
from typing import Any, get_args, get_origin, get_type_hints

import pytest

from megatron_mathcoder.config.errors import ConfigError
from megatron_mathcoder.config.ranges import RANGES
from megatron_mathcoder.config.schema import RunConfig

Load = Callable[..., RunConfig]


def numeric_keys(cls: Any, prefix: str = "") -> Iterator[str]:
    for name, hint in get_type_hints(cls).items():
        if hint in (int, float):
            yield f"{prefix}{name}"
        elif get_origin(hint) is tuple:
            yield from numeric_keys(get_args(hint)[0], f"{prefix}{name}.*.")
        elif hasattr(hint, "__dataclass_fields__"):
            yield from numeric_keys(hint, f"{prefix}{name}.")


def test_every_numeric_key_has_a_range() -> None:
    assert set(RANGES) == set(numeric_keys(RunConfig))


@pytest.mark.parametrize("pattern", RANGES)
def test_a_number_below_its_range_is_refused_by_its_key(load: Load, pattern: str) -> None:
    key = pattern.replace("*", "1")
    with pytest.raises(ConfigError, match=rf"recipe.toml: {key} = -1(\.0)?: must be (at least|greater than) \d"):
        load(f"{key}=-1")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optimizer.lr=0", "optimizer.lr = 0.0: must be greater than 0 and at most 1"),
        ("optimizer.lr=4e5", "optimizer.lr = 400000.0: must be greater than 0 and at most 1"),
        ("optimizer.adam_eps=1e8", "optimizer.adam_eps = 100000000.0: must be greater than 0 and at most 0.1"),
        ("optimizer.adam_beta1=1", "optimizer.adam_beta1 = 1.0: must be at least 0 and less than 1"),
        ("optimizer.adam_beta2=1.5", "optimizer.adam_beta2 = 1.5: must be at least 0 and less than 1"),
        ("dataset.validation_fraction=1", "dataset.validation_fraction = 1.0: must be at least 0 and less than 1"),
        ("dataset.blend.1.epochs=0", "dataset.blend.1.epochs = 0.0: must be greater than 0"),
        ("run.seed=4294967296", "run.seed = 4294967296: must be at least 0 and at most 4294967295"),
        ("training.micro_batch_size=0", "training.micro_batch_size = 0: must be at least 1"),
    ],
)
def test_the_ends_of_a_range(load: Load, override: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        load(override)
    assert str(error.value).endswith(f"recipe.toml: {message}")
