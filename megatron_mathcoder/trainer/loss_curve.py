"""``mathcoder plot``: the loss curve of a run.

Decides: what the picture shows: training loss of each step and its running mean, validation loss of each part, against tokens.
Does not: need the run to have ended; it reads the metrics written so far.
"""

import argparse
from pathlib import Path
from typing import Any

from megatron_mathcoder.config.errors import DataError, PlatformError
from megatron_mathcoder.config.run_folder import METRICS_FILE, VALIDATION_FILE, read_rows

PICTURE_FILE = "loss_curve.png"
COLUMNS = ("step", "loss", "consumed_tokens")
FORMATS = (".png", ".pdf", ".svg")
SMOOTHING = 0.9
"""Weight of the past in the running mean."""


def run(argv: list[str]) -> int:
    """Run ``mathcoder plot``."""
    parser = argparse.ArgumentParser(
        prog="mathcoder plot", description="Draw the loss curve of a run and print where it began and ended."
    )
    parser.add_argument("run_folder", type=Path)
    parser.add_argument("--output", type=Path, metavar="FILE", help=f"picture to write (default: RUN_FOLDER/{PICTURE_FILE})")
    arguments = parser.parse_args(argv)
    # A step that was skipped has changed no weight; its loss may be none.
    steps = [row for row in read_rows(arguments.run_folder / METRICS_FILE, COLUMNS) if not row.get("skipped")]
    if not steps:
        raise DataError(
            f"{arguments.run_folder}: {METRICS_FILE} is missing or empty; give the folder of a run that has made a step"
        )
    validations = read_rows(arguments.run_folder / VALIDATION_FILE)
    picture = arguments.output or arguments.run_folder / PICTURE_FILE
    if picture.suffix not in FORMATS:
        raise DataError(f"--output {picture}: must end in one of {', '.join(FORMATS)}; name a picture")
    draw(steps, validations, picture)
    for line in summary(steps, validations):
        print(line)
    print(f"picture: {picture}")
    return 0


def summary(steps: list[dict[str, Any]], validations: list[dict[str, Any]]) -> list[str]:
    """Return one line for the training loss and one per validated part: before and after."""
    lines = [
        f"training loss: {steps[0]['loss']:.4f} at step {steps[0]['step']}, {steps[-1]['loss']:.4f} at step {steps[-1]['step']}"
    ]
    for part, rows in _by_part(validations).items():
        first, last = rows[0], rows[-1]
        lines.append(f"validation loss on {part}: {first['loss']:.4f} before, {last['loss']:.4f} after step {last['step']}")
    return lines


def draw(steps: list[dict[str, Any]], validations: list[dict[str, Any]], picture: Path) -> None:
    """Write the picture, in the format that its name ends in.

    Raises:
        PlatformError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise PlatformError("mathcoder plot needs matplotlib; install it with pip install 'megatron-mathcoder[train]'") from None
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot(xlabel="tokens", ylabel="loss (nats per token)")
    tokens_at = {0: 0} | {row["step"]: row["consumed_tokens"] for row in steps}
    tokens = [row["consumed_tokens"] for row in steps]
    losses = [row["loss"] for row in steps]
    axes.plot(tokens, losses, color="C0", alpha=0.3, linewidth=0.8)
    axes.plot(tokens, _running_mean(losses), color="C0", label="training (running mean)")
    for number, (part, rows) in enumerate(_by_part(validations).items(), start=1):
        points = [(tokens_at[row["step"]], row["loss"]) for row in rows if row["step"] in tokens_at]
        axes.plot(*zip(*points, strict=True), color=f"C{number}", marker="o", markersize=3, label=f"validation: {part}")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(picture, dpi=120)


def _by_part(validations: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    parts: dict[str, list[dict[str, Any]]] = {}
    for row in validations:
        parts.setdefault(row["part"], []).append(row)
    return parts


def _running_mean(values: list[float]) -> list[float]:
    """Exponential mean that begins unbiased (Kingma & Ba 2015, section 3)."""
    means, total, weight = [], 0.0, 0.0
    for value in values:
        total = SMOOTHING * total + (1 - SMOOTHING) * value
        weight = SMOOTHING * weight + (1 - SMOOTHING)
        means.append(total / weight)
    return means
