"""The resolved TransformerConfig of every recipe, field by field, against a golden file.

A changed golden file is a changed model or a changed way of computing it: say why in DECISIONS.md.
Write the files anew with ``python -m tests.model.test_transformer_config``.
"""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from megatron_mathcoder.config.loader import load_config
from tests.multiprocess import run_ranks
from tests.repository import RECIPES, ROOT

RUNS = sorted(path for path in RECIPES.glob("*.toml") if "[training]" in path.read_text())
GOLDEN = ROOT / "tests" / "golden" / "transformer_config"


def resolve(_rank: object, recipe: str) -> dict[str, Any]:
    """Return every field of a recipe's resolved config as JSON knows it."""
    from megatron_mathcoder.model.transformer_config import build_transformer_config

    config = load_config(recipe)
    transformer = build_transformer_config(
        config.model, config.parallel, config.training, initialize=not config.checkpoint.initial
    )
    return {field.name: as_json(getattr(transformer, field.name)) for field in fields(transformer)}


def as_json(value: object) -> Any:
    if callable(value):
        function = getattr(value, "func", value)
        return f"{function.__module__}.{function.__qualname__}"
    return value if isinstance(value, bool | int | float | str | list | type(None)) else str(value)


@pytest.mark.parametrize("recipe", RUNS, ids=lambda path: path.stem)
def test_resolved_config(recipe: Path) -> None:
    [resolved] = run_ranks(resolve, 1, str(recipe))
    golden = json.loads((GOLDEN / f"{recipe.stem}.json").read_text())
    assert resolved == golden


def test_dropouts_are_off() -> None:
    for path in GOLDEN.glob("*.json"):
        golden = json.loads(path.read_text())
        assert golden["hidden_dropout"] == golden["attention_dropout"] == 0.0, path.name


if __name__ == "__main__":
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for path in RUNS:
        [fields_of_recipe] = run_ranks(resolve, 1, str(path))
        (GOLDEN / f"{path.stem}.json").write_text(json.dumps(fields_of_recipe, indent=1, sort_keys=True) + "\n")
