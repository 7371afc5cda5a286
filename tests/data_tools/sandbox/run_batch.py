"""Runs a JSON list of snippets from standard input in a sandbox and prints their outcomes: for tests that need another user.

python run_batch.py CPU_SECONDS < codes.json
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

from data_tools.sandbox.outcome import Limits
from data_tools.sandbox.sandbox import Sandbox


def main() -> None:
    with Sandbox(Limits(cpu_seconds=float(sys.argv[1])), workers=4) as sandbox:
        outcomes = [asdict(outcome) for outcome in sandbox.run_many(json.load(sys.stdin))]
    json.dump({"walls": sandbox.walls, "outcomes": outcomes}, sys.stdout)


if __name__ == "__main__":
    main()
