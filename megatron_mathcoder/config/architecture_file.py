"""The architecture a checkpoint states about itself.

Decides: where it is found: the [model] table of the trainer's run.toml or of the importer's model.toml, beside the weights.
Does not: guess it from tensor shapes; those cannot tell a rotary base, a window or an epsilon.
"""

import tomllib
from pathlib import Path
from typing import Any

from megatron_mathcoder.config.binding import build
from megatron_mathcoder.config.errors import CheckpointError, ConfigError
from megatron_mathcoder.config.run_folder import RUN_FILE
from megatron_mathcoder.config.schema import ModelConfig
from megatron_mathcoder.config.toml_text import table_lines

MODEL_FILE = "model.toml"


def read_tables(checkpoint: Path) -> dict[str, Any]:
    """Return the tables of run.toml or model.toml. Raises ``CheckpointError`` when there is neither."""
    for name in (RUN_FILE, MODEL_FILE):
        if (checkpoint / name).is_file():
            try:
                return tomllib.loads((checkpoint / name).read_text())
            except ValueError as error:  # not TOML, or not UTF-8
                raise CheckpointError(f"{checkpoint / name}: not TOML ({error}); restore it from the run's folder") from None
    raise CheckpointError(
        f"{checkpoint}: neither {RUN_FILE} nor {MODEL_FILE}, so its architecture is unknown; copy the run's {RUN_FILE} into it"
    )


def read_model_table(checkpoint: Path) -> dict[str, Any]:
    """Return the [model] table of a checkpoint folder. Raises ``CheckpointError`` when it has none."""
    table = read_tables(checkpoint).get("model")
    if not isinstance(table, dict) or not table:
        raise CheckpointError(f"{checkpoint}: its {RUN_FILE} or {MODEL_FILE} has no [model]; restore it from the run's folder")
    return table


def read_architecture(checkpoint: Path) -> ModelConfig:
    """Return the architecture of a checkpoint folder. Raises ``CheckpointError`` when it is not stated or not complete."""
    try:
        return build(ModelConfig, read_model_table(checkpoint), "model")
    except ConfigError as error:
        raise CheckpointError(f"{checkpoint}: its architecture cannot be used: {error}") from None


def architecture_text(model: ModelConfig) -> str:
    """The content of model.toml."""
    return "\n".join(["[model]", *table_lines(model, "model"), ""])
