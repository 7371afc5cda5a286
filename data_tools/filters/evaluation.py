"""How well scores tell two classes apart, and where to draw the line.

Decides: the threshold with the best F1 on held-out documents, or the lowest one that reaches a wanted precision.
Does not: score anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from megatron_mathcoder.config.errors import DataError

TABLE_THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


@dataclass(frozen=True, slots=True)
class Point:
    """What a threshold does to the held-out documents: shares from 0 to 1; ``kept`` is of all of them."""

    threshold: float
    precision: float
    recall: float
    kept: float

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0

    def row(self) -> dict[str, float]:
        """Return the row of an evaluation table."""
        values = {
            "threshold": self.threshold,
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
            "kept": self.kept,
        }
        return {name: round(value, 4) for name, value in values.items()}


def point(scores: Sequence[float], related: Sequence[bool], threshold: float) -> Point:
    """Return what keeping scores of at least ``threshold`` does."""
    kept, truth = np.asarray(scores) >= threshold, np.asarray(related, dtype=bool)
    hits = int((kept & truth).sum())
    precision = hits / int(kept.sum()) if kept.any() else 1.0
    return Point(threshold, precision, hits / max(int(truth.sum()), 1), float(kept.mean()))


def choose(scores: Sequence[float], related: Sequence[bool], min_precision: float | None) -> Point:
    """Return the point of best F1; with ``min_precision``, the one of most recall that reaches it.

    Raises DataError when no threshold reaches the precision.
    """
    values = np.unique(np.asarray(scores, dtype=np.float64))
    # Half way between neighbours, so that what scores a little less than the held-out documents is judged like them.
    between = [0.0, *((values[1:] + values[:-1]) / 2).round(6).tolist()]
    points = [point(scores, related, threshold) for threshold in between]
    if min_precision is None:
        return max(points, key=lambda found: (found.f1, found.precision))
    reaching = [found for found in points if found.precision >= min_precision]
    if not reaching:
        best = max(found.precision for found in points)
        raise DataError(
            f"no threshold reaches --min-precision {min_precision}; the best precision on held-out documents is {best:.3f}"
        )
    return max(reaching, key=lambda found: (found.recall, found.precision))


def evaluation(scores: Sequence[float], related: Sequence[bool], chosen: Point) -> dict[str, Any]:
    """Return the evaluation of a model: the chosen point and the table around it."""
    table = [point(scores, related, threshold).row() for threshold in TABLE_THRESHOLDS]
    counts = {"held_out": len(scores), "held_out_related": int(sum(related))}
    return counts | {"chosen": chosen.row(), "table": table}


def table_lines(found: dict[str, Any]) -> list[str]:
    """Return the evaluation as lines to print."""
    head = f"{'threshold':>10}{'precision':>11}{'recall':>9}{'F1':>9}{'kept':>9}"
    rows = sorted([*found["table"], found["chosen"]], key=lambda row: row["threshold"])
    return [head] + [
        f"{row['threshold']:>10.4f}{row['precision']:>11.4f}{row['recall']:>9.4f}{row['f1']:>9.4f}{row['kept']:>9.4f}"
        + ("  <- chosen" if row == found["chosen"] else "")
        for row in rows
    ]
