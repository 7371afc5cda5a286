"""The tiny recipe on a GPU follows the CPU: ``python -m tests.gpu.follow_cpu``.

Runs ``launch/recipes/tiny_cpu.toml`` for a few steps on each platform, on a dataset made here, and compares losses and gradient
norms. Needs a CUDA GPU, torch, megatron-core, numpy and psutil; nothing of ``data_tools``. Ends with status 1 where they differ.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.repository import RECIPES
from tests.trainer.synthetic_dataset import write_dataset

RECIPE = RECIPES / "tiny_cpu.toml"
TOLERANCE = {"fp32": 1e-3, "bf16": 5e-3}
"""Largest relative difference of a loss: matrix products on a GPU sum in another order, and may use TF32. bf16
on a CPU differs by 2e-4."""


def run_on(platform: str, dataset: Path, steps: int, precision: str) -> list[dict[str, Any]]:
    """Train in a process of its own, since a platform is chosen once per process; return the metrics."""
    run_folder = Path(tempfile.mkdtemp(dir=dataset.parent))
    keys = [
        f"platform.name={platform}",
        f"run.folder={str(run_folder)!r}",
        f"dataset.blend.0.prefix={str(dataset)!r}",
        "dataset.tokenizer=",
        "validation.samples=0",
        f"training.steps={steps}",
        f"training.precision={precision!r}",
        "optimizer.lr_warmup_steps=3",
        "checkpoint.interval_steps=0",
        "logging.tensorboard=false",
    ]
    command = [
        sys.executable,
        "-m",
        "megatron_mathcoder",
        "train",
        str(RECIPE),
        *(word for key in keys for word in ("--set", key)),
    ]
    subprocess.run(command, check=True)
    return [json.loads(line) for line in (run_folder / "metrics.jsonl").read_text().splitlines()]


def largest_difference(rows: list[dict[str, Any]], reference: list[dict[str, Any]]) -> float:
    """Print both runs side by side and return the largest relative difference of a loss."""
    worst = 0.0
    for row, expected in zip(rows, reference, strict=True):
        difference = abs(row["loss"] - expected["loss"]) / expected["loss"]
        worst = max(worst, difference)
        losses, norms = ((row[name], expected[name]) for name in ("loss", "grad_norm"))
        print(f"step {row['step']:3}  loss {losses[0]:.6f} / {losses[1]:.6f}  grad norm {norms[0]:.4f} / {norms[1]:.4f}")
    return worst


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--platform", default="cuda", help="platform to compare with the CPU (default: cuda)")
    parser.add_argument("--steps", type=int, default=20)
    arguments = parser.parse_args()
    status = 0
    with tempfile.TemporaryDirectory() as temporary:
        dataset = Path(temporary) / "counting"
        write_dataset(dataset, documents=400, vocab_size=4096)
        reference = run_on("cpu", dataset, arguments.steps, "fp32")
        for precision, tolerance in TOLERANCE.items():
            worst = largest_difference(run_on(arguments.platform, dataset, arguments.steps, precision), reference)
            verdict = "follows" if worst <= tolerance else "DOES NOT FOLLOW"
            print(f"{arguments.platform} {precision} {verdict} the CPU: loss differs by {worst:.1e}, allowed {tolerance:.0e}")
            status |= worst > tolerance
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
