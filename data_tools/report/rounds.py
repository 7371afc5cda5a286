"""The rounds in which a component's filter was learned, as a recipe's folder has them.

Decides: that ``annotate-N/COMPONENT`` and ``models/COMPONENT_round_N.json`` are one round.
Does not: read documents; labels and evaluations are counted in the manifests.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_tools.report.manifests import read_json


@dataclass(frozen=True, slots=True)
class Round:
    """Who labelled how many documents as what, and the model that was learned: its evaluation on held-out documents."""

    number: int
    annotator: str
    labels: dict[str, int]
    related: int
    without_label: int
    training: int
    training_related: int
    threshold: float
    evaluation: dict[str, Any]


def find_rounds(name: str, roots: Sequence[Path]) -> list[Round]:
    """Return the rounds of a component, in order; none when its filters were ready models."""
    found = []
    for root in roots:
        number = 1
        while (model := root / "models" / f"{name}_round_{number}.json").exists():
            labelled = root / f"annotate-{number}" / name / "manifest.json"
            found.append(_round(number, read_json(model), read_json(labelled) if labelled.exists() else {}))
            number += 1
    return found


def _round(number: int, learned: dict[str, Any], labelled: dict[str, Any]) -> Round:
    settings, reasons = labelled.get("settings") or {}, labelled.get("dropped_by_reason") or {}
    return Round(
        number=number,
        annotator=str(settings.get("model") or ("a person, by source" if settings.get("annotator") == "given" else "not known")),
        labels=labelled.get("labels") or {},
        related=int(labelled.get("related") or 0),
        without_label=sum(count for kind, count in reasons.items() if kind != "not annotated"),
        training=int(learned.get("training") or 0),
        training_related=int(learned.get("training_related") or 0),
        threshold=float(learned.get("threshold") or 0),
        evaluation=learned.get("evaluation") or {},
    )
