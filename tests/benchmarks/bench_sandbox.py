"""How fast isolated code runs, beside a fresh interpreter for each snippet and a Jupyter kernel for each problem.

    python tests/benchmarks/bench_sandbox.py [--snippets 200] [--problems 100]

Decides: the measurement: the same sympy snippet, and the same recorded trajectories of GSM8K, by both ways in turn, two at a
time.
Does not: judge, except by its exit status (1 when a bar below is missed). The kernels need the extra ``bench``, as ``make bench``
installs it. Without them that ratio is said not to be measured.
"""

import argparse
import gzip
import importlib.util
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from data_tools.sandbox.outcome import Limits
from data_tools.sandbox.replay import blocks_of
from data_tools.sandbox.sandbox import Sandbox

LEAST_AGAINST_PYTHON = 25.0
LEAST_AGAINST_JUPYTER = 20.0
AT_A_TIME = 2
SNIPPET = "import numpy\nfrom sympy import symbols, solve\nx = symbols('x')\nprint(solve(x**2 - 5*x + 6, x))\n"
EXPECTED = "[2, 3]\n"
OUTPUTS = Path(__file__).parents[2] / "../shared/data/mathcoder_outputs"
RECORDED = "MathCoder-CL-34b__GSM8K__GSM8K_test_result-20230913-1304-correct.jsonl.gz"


def rate(work: Callable[[Any], None], items: Sequence[Any]) -> float:
    """Return items per second, ``AT_A_TIME`` of them at a time."""
    start = time.perf_counter()
    with ThreadPoolExecutor(AT_A_TIME) as threads:
        for _ in threads.map(work, items):
            pass
    return len(items) / (time.perf_counter() - start)


def fresh_python(_: int) -> None:
    done = subprocess.run([sys.executable, "-c", SNIPPET], capture_output=True, text=True, check=True)
    assert done.stdout == EXPECTED, done


def in_sandbox(sandbox: Sandbox) -> Callable[[int], None]:
    def run(_: int) -> None:
        outcome = sandbox.run(SNIPPET)
        assert outcome.stdout == EXPECTED, outcome

    return run


def in_session(sandbox: Sandbox) -> Callable[[list[str]], None]:
    def run(codes: list[str]) -> None:
        with sandbox.session() as session:
            for code in codes:
                assert session.run(code).status in ("ok", "exception")

    return run


def in_kernel(codes: list[str]) -> None:
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel(kernel_name="python3")
    try:
        for code in codes:
            client.execute_interactive(code, output_hook=lambda message: None, timeout=60)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def trajectories(count: int) -> list[list[str]]:
    with gzip.open(OUTPUTS / RECORDED, "rt") as stream:
        rows = (blocks_of(json.loads(line)) for line in stream)
        return [[code for code, _ in blocks] for blocks in itertools.islice(filter(None, rows), count)]


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure the sandbox beside fresh interpreters and Jupyter kernels.")
    parser.add_argument("--snippets", type=int, default=200)
    parser.add_argument("--problems", type=int, default=100)
    arguments = parser.parse_args()
    report: dict[str, Any] = {}
    with Sandbox(Limits(cpu_seconds=10), workers=AT_A_TIME) as sandbox:
        few = max(8, arguments.snippets // 10)
        slow = rate(fresh_python, range(few))
        fast = rate(in_sandbox(sandbox), range(arguments.snippets))
        slow = (slow + rate(fresh_python, range(few))) / 2
        report["snippets_per_second"] = {
            "sandbox": round(fast, 1),
            "fresh_python": round(slow, 2),
            "ratio": round(fast / slow, 1),
        }
        passed = fast / slow >= LEAST_AGAINST_PYTHON
        has_jupyter = all(importlib.util.find_spec(name) for name in ("jupyter_client", "ipykernel"))
        if OUTPUTS.is_dir() and has_jupyter:
            problems = trajectories(arguments.problems)
            slow = rate(in_kernel, problems[: max(8, arguments.problems // 10)])
            fast = rate(in_session(sandbox), problems)
            ratio = fast / slow
            report["trajectories_per_second"] = {"session": round(fast, 1), "kernel": round(slow, 2), "ratio": round(ratio, 1)}
            passed = passed and ratio >= LEAST_AGAINST_JUPYTER
        else:
            report["trajectories_per_second"] = "not measured: needs ../shared/data and pip install -e '.[bench]'"
    print(json.dumps(report | {"passed": passed}, indent=1))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
