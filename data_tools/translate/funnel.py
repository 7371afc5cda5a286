"""The funnel: how many documents and computations reached each step of translation, and why the others did not.

Decides: the steps, and how the table is printed.
Does not: count; ``execute.py`` adds one number at a time under ``step`` or ``step: reason``.
"""

from collections.abc import Mapping
from typing import Any

DOCUMENTS, WITH_COMPUTATIONS = "documents", "documents with computations"
COMPUTATIONS, PARSED, RAN, VERIFIED, KEPT = "computations", "parsed", "ran", "verified", "kept"
KEPT_DOCUMENTS = "documents kept"
STEPS = (DOCUMENTS, WITH_COMPUTATIONS, COMPUTATIONS, PARSED, RAN, VERIFIED, KEPT, KEPT_DOCUMENTS)


def lost(step: str, reason: str) -> str:
    """Return the name under which what did not reach ``step`` is counted."""
    return f"not {step}: {reason}"


def table(counts: Mapping[str, int]) -> dict[str, Any]:
    """Return the funnel as JSON data: for each step its count and, where something was lost, the reasons."""
    funnel: dict[str, Any] = {}
    for step in STEPS:
        prefix = f"not {step}: "
        reasons = {name.removeprefix(prefix): count for name, count in counts.items() if name.startswith(prefix)}
        funnel[step] = {"count": counts.get(step, 0)} | ({"lost": dict(sorted(reasons.items()))} if reasons else {})
    return funnel


def text(funnel: Mapping[str, Any]) -> str:
    """Return the funnel as lines for a person."""
    lines = []
    for step, row in funnel.items():
        lines.append(f"{row['count']:>10,}  {step}")
        lines += [f"{'':>14}{count:,} not {step}: {reason}" for reason, count in row.get("lost", {}).items()]
    return "\n".join(lines)
