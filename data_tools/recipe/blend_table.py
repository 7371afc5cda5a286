"""What the components of a recipe come to: tokens, epochs, and the weight each has in the blend.

Decides: the table, and the piece of a training recipe that uses the datasets (``blend-TOKENIZER.toml``).
Does not: draw samples; the trainer does, by these epochs.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from data_tools.parts import atomic_file, write_json
from data_tools.recipe.commands import token_prefix
from data_tools.recipe.schema import DataRecipe
from megatron_mathcoder.config.errors import DataError


@dataclass(frozen=True, slots=True)
class BlendRow:
    """A component's share: ``tokens`` once through it, ``epochs`` in one epoch of the run, ``weight`` its share of those."""

    component: str
    prefix: str
    documents: int
    tokens: int
    epochs: float
    weight: float


def blend_rows(recipe: DataRecipe, tokenizer: str) -> list[BlendRow]:
    """Return a row for every component that is used. Raises DataError when one is not tokenized yet."""
    found: list[tuple[str, Path, dict[str, Any], float]] = []
    for component in recipe.components:
        if component.is_used:
            prefix = token_prefix(recipe, tokenizer, component.name)
            manifest = prefix.with_name(prefix.name + ".manifest.json")
            if not manifest.exists():
                raise DataError(f"{manifest} is not there; run the stage tokenize first")
            found.append((component.name, prefix, orjson.loads(manifest.read_bytes()), component.epochs))
    drawn = sum(manifest["tokens"] * epochs for _, _, manifest, epochs in found)
    return [
        BlendRow(name, str(prefix), manifest["documents"], manifest["tokens"], epochs, manifest["tokens"] * epochs / drawn)
        for name, prefix, manifest, epochs in found
    ]


def table_lines(rows: list[BlendRow]) -> list[str]:
    """Return the table as lines to print, with the sum of all."""
    lines = [f"{'component':28}{'documents':>12}{'tokens':>18}{'epochs':>9}{'drawn':>18}{'weight':>9}"]
    for row in rows:
        drawn = round(row.tokens * row.epochs)
        lines.append(f"{row.component:28}{row.documents:>12,}{row.tokens:>18,}{row.epochs:>9g}{drawn:>18,}{row.weight:>9.4f}")
    documents, tokens = sum(row.documents for row in rows), sum(row.tokens for row in rows)
    drawn = sum(round(row.tokens * row.epochs) for row in rows)
    return [*lines, f"{'all':28}{documents:>12,}{tokens:>18,}{'':9}{drawn:>18,}{1:>9.4f}"]


def write_blend(recipe: DataRecipe, tokenizer: str) -> list[str]:
    """Write ``blend-TOKENIZER.json`` and ``.toml`` into the recipe's folder; return the table."""
    rows = blend_rows(recipe, tokenizer)
    path = Path(recipe.data.folder) / f"blend-{tokenizer}.json"
    fields = ("component", "prefix", "documents", "tokens", "epochs", "weight")
    write_json(path, {"tokenizer": tokenizer, "components": [{name: getattr(row, name) for name in fields} for row in rows]})
    text = "".join(
        f"[[dataset.blend]]\nname = {json.dumps(row.component)}\nprefix = {json.dumps(row.prefix)}\nepochs = {row.epochs}\n\n"
        for row in rows
    )
    with atomic_file(path.with_suffix(".toml")) as stream:
        stream.write(text.encode())
    return [f"blend of {tokenizer}: {path.with_suffix('.toml')} is its part of a training recipe", *table_lines(rows)]
