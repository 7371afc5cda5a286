"""A small recipe that breaks no rule, for tests to break one thing at a time."""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from megatron_mathcoder.config.loader import load_config
from megatron_mathcoder.config.schema import RunConfig

RECIPE = """\
[run]
folder = "runs/a"

[model]
architecture = "tiny_llama"

[dataset]
seq_length = 256

[[dataset.blend]]
name = "books"
prefix = "tokens/books"

[[dataset.blend]]
name = "code"
prefix = "tokens/code"

[training]
micro_batch_size = 2
global_batch_size = 8
steps = 100

[optimizer]
lr = 1e-3
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """Return the path of the recipe."""
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    return path


@pytest.fixture
def mapping() -> dict[str, Any]:
    """Return the recipe as nested tables."""
    return tomllib.loads(RECIPE)


@pytest.fixture
def load(recipe: Path) -> Callable[..., RunConfig]:
    """Return a function that loads the recipe with overrides."""
    return lambda *overrides: load_config(recipe, overrides)
