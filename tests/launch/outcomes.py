"""The table of docs/launch.md: ``python -m tests.launch.outcomes outcomes.xml`` after a run of the scenarios."""

import importlib
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path


def table(path: Path) -> str:
    """Return one row per scenario: its number, what is done to the run, how it ended, and the seconds it took."""
    rows = ["| | scenario | ended with | s |", "|---|---|---|---|"]
    for number, case in enumerate(
        sorted(ElementTree.parse(path).iter("testcase"), key=lambda case: case.get("classname", "")), 1
    ):
        module, name = case.get("classname", ""), case.get("name", "")
        done = getattr(importlib.import_module(module), name).__doc__ or ""
        found = [prop.get("value", "") for prop in case.iter("property") if prop.get("name") == "outcome"]
        bad = next((kind.upper() for kind in ("failure", "error", "skipped") if case.find(kind) is not None), "")
        title = f"**{name.removeprefix('test_').replace('_', ' ')}**: {done.strip().splitlines()[0]}"
        rows.append(f"| {number} | {title} | {bad or ''.join(found)} | {float(case.get('time', '0')):.0f} |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(table(Path(sys.argv[1])))
