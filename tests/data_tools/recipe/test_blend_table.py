"""The table of a data recipe and the trainer agree on what an epoch draws."""

import json
import tomllib
from pathlib import Path

import pytest

from data_tools.recipe.blend_table import write_blend
from data_tools.recipe.schema import load_recipe
from data_tools.tokens.tokenize import run
from megatron_mathcoder.config.schema import BlendPart, DatasetSection
from megatron_mathcoder.dataset.blend import open_blend
from tests.data_tools.conftest import write_documents

RECIPE = """
[data]
folder = "out"
corpora = "."

[decontaminate]
benchmarks = []

[[components]]
name = "a"
source = "record_files"
inputs = ["a.jsonl"]
epochs = 2.5

[[components]]
name = "b"
source = "record_files"
inputs = ["b.jsonl"]
epochs = 1

[[components]]
name = "c"
source = "record_files"
inputs = ["c.jsonl"]
epochs = 0.3

[[tokenizers]]
name = "t"
path = "t.model"
"""


def test_the_trainer_draws_what_the_table_says(
    tmp_path: Path, tokenizer_model: Path, sources: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("r.toml").write_text(RECIPE)
    for name, texts in (("a", sources[:8]), ("b", sources[8:30]), ("c", sources[30:])):
        documents = write_documents(tmp_path / f"{name}.jsonl", texts)
        run([str(documents), "--tokenizer", str(tokenizer_model), "--output", f"out/tokens/t/{name}", "--workers", "1"])
    write_blend(load_recipe("r.toml"), "t")
    table = json.loads(Path("out/blend-t.json").read_bytes())["components"]
    parts = tuple(BlendPart(**part) for part in tomllib.loads(Path("out/blend-t.toml").read_text())["dataset"]["blend"])
    seq_length = 16
    blend = open_blend(DatasetSection(seq_length=seq_length, blend=parts, validation_fraction=0.0), 512, seed=1)
    assert [part.name for part in blend.parts] == [row["component"] for row in table] == ["a", "b", "c"]
    for row, part, drawn in zip(table, blend.parts, blend.part_samples_per_epoch, strict=True):
        assert part.training.num_tokens == row["tokens"]
        # The trainer draws whole samples, of which the last of a part is short: off by less than two of them.
        assert abs(drawn * seq_length - row["tokens"] * row["epochs"]) < 2 * seq_length
        assert abs(drawn / part.training.num_samples - row["epochs"]) < 0.51 / part.training.num_samples  # rounded to a sample
        assert drawn / blend.samples_per_epoch == pytest.approx(row["weight"], rel=0.01)
