"""How a rule is broken: overrides of a recipe that keeps all of them, and the whole message."""

import re
from collections.abc import Callable

import pytest

from megatron_mathcoder.config.errors import ConfigError
from megatron_mathcoder.config.schema import RunConfig

Load = Callable[..., RunConfig]
Broken = list[tuple[str, str, str]]
"""Rule, overrides, message."""


def split(overrides: str) -> list[str]:
    """Split at the spaces before a key, not at those inside a value."""
    return re.split(r" (?=[a-z]+\.[a-z_.0-9]+=)", overrides)


def each_of(broken: Broken) -> pytest.MarkDecorator:
    """Give a test the overrides and the message of each."""
    names = [f"{rule}-{overrides[:40]}" for rule, overrides, _ in broken]
    return pytest.mark.parametrize(
        ("overrides", "message"), [(overrides, message) for _, overrides, message in broken], ids=names
    )


def message_of(load: Load, overrides: str) -> str:
    """Return what is said of a recipe that breaks a rule."""
    with pytest.raises(ConfigError) as error:
        load(*split(overrides))
    return str(error.value).partition("recipe.toml: ")[2]
