"""How many answers a CPU-second grades, beside Math-Verify on the same pairs in the same run.

    python tests/benchmarks/bench_grade.py

Decides: the measurement: recorded rows through ``strict`` (every row), unique pairs of other texts through our reader, a
sample of those through Math-Verify alone; process time, one core, and a 20 kB answer.
Does not: judge, except by its exit status (1 when a bar below is missed).
"""

import gzip
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from data_tools.answers import evaluate
from data_tools.answers.compare import STRICT, compare
from data_tools.answers.extract import final_answer
from megatron_mathcoder.evaluation.graders import Graders
from megatron_mathcoder.evaluation.math_verify import equal

RECORDED = Path(__file__).parents[2] / "../shared/data/mathcoder_outputs"
LEAST_ROWS = 2000
LEAST_HARD_PAIRS = 250
MOST_SECONDS_20_KB = 1.0
PEER_PAIRS = 200


def recorded_rows() -> list[tuple[str, str]]:
    rows = []
    for path in sorted(RECORDED.glob("*.jsonl.gz")):
        with gzip.open(path, "rt") as stream:
            rows += [(str(row["ground_truth"]["answer"]), row["completion"]) for row in map(json.loads, stream)]
    return rows


def rate(judge: Callable[[str, str], object], pairs: Sequence[tuple[str, str]]) -> float:
    """Return pairs per CPU-second."""
    begin = time.process_time()
    for pair in pairs:
        judge(*pair)
    return len(pairs) / (time.process_time() - begin)


def main() -> int:
    rows = recorded_rows()
    unique = {(gold, answer) for gold, text in rows if (answer := final_answer(text)) is not None and answer != gold}
    hard = sorted(pair for pair in unique if not all(text.lstrip("-").isdecimal() for text in pair))
    with Graders() as graders:
        graded = rate(lambda gold, text: graders.grade("strict", gold, text), rows)
    # The rows hold the same answers, and what they are worth is remembered.
    evaluate._values_at_points.cache_clear()
    ours = rate(lambda gold, answer: compare(gold, answer, STRICT), hard)
    equal("1", "1")
    peer = rate(equal, hard[:: max(1, len(hard) // PEER_PAIRS)])
    seconds = 1 / min(rate(compare, [("12345", text)]) for text in ("1+" * 10_000, "(" * 20_000, "\\frac" * 4_000))
    print(f"recorded rows:     {graded:10,.0f} / CPU-s ({len(rows)} rows; bar {LEAST_ROWS})")
    print(f"unique hard pairs: {ours:10,.0f} / CPU-s ({len(hard)} pairs; bar {LEAST_HARD_PAIRS})")
    print(f"Math-Verify alone: {peer:10,.0f} / CPU-s; ours is {ours / peer:.1f} times as fast")
    print(f"a 20 kB answer:    {seconds:10.4f} CPU-s (bar {MOST_SECONDS_20_KB})")
    return int(graded < LEAST_ROWS or ours < LEAST_HARD_PAIRS or seconds > MOST_SECONDS_20_KB)


if __name__ == "__main__":
    sys.exit(main())
