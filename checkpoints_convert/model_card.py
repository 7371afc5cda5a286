"""The README.md of an exported folder: where these weights come from, followed back through files.

Decides: what is said. Does not: praise; what the run does not know is left for a person to write.
"""

import json
from pathlib import Path
from typing import Any

from megatron_mathcoder.config.run_folder import METRICS_FILE, checkpoint_step


def model_card(name: str, checkpoint: Path, tables: dict[str, Any], dtype: str) -> str:
    """Return the card's Markdown. ``tables`` are the checkpoint's run.toml or model.toml."""
    step, model = checkpoint_step(checkpoint), tables.get("model", {})
    rows = [("architecture", model.get("architecture")), ("dtype", dtype)]
    if step >= 0:
        rows.append(("step", step))
    metrics = metrics_at(checkpoint.parent.parent / METRICS_FILE, step)
    rows += [(key, metrics[key]) for key in ("loss", "consumed_tokens", "consumed_samples") if key in metrics]
    dataset = tables.get("dataset", {})
    rows += [("datasets", ", ".join(str(part.get("name")) for part in dataset.get("blend", ())))] if dataset else []
    rows += [("seq_length", dataset["seq_length"])] if "seq_length" in dataset else []
    rows += [("initial weights", Path(str(start)).name)] if (start := tables.get("checkpoint", {}).get("initial")) else []
    table = "\n".join(f"| {key} | {value} |" for key, value in rows)
    return (
        "---\nlibrary_name: transformers\npipeline_tag: text-generation\n---\n\n"
        f"# {name}\n\nExported by `mathcoder export-hf` from a Megatron checkpoint.\n\n| | |\n|---|---|\n{table}\n\n"
        "Intended use, licence, evaluation: to be written by the people who trained it.\n"
    )


def metrics_at(path: Path, step: int) -> dict[str, Any]:
    """The row of ``step`` in a run's metrics.jsonl; empty when there is none."""
    if step < 0 or not path.is_file():
        return {}
    found: dict[str, Any] = {}
    with path.open() as file:
        for line in file:
            try:
                row = json.loads(line)
            except ValueError:
                continue  # the last line of a run that still writes
            if row.get("step") == step:
                found = row
    return found
