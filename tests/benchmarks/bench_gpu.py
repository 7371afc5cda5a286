"""Kernels and whole models on one GPU, against what else there is, in one command of less than eight minutes.

    python tests/benchmarks/bench_gpu.py [--out FOLDER] [--only SECTION ...] [--device cpu --tiny]

Needs torch, Triton (and so a C compiler) and megatron-core (with numpy); liger-kernel and transformers where they are installed.
Random weights and tokens. With ``--device cpu --tiny`` it does that under Triton's interpreter: no such number means anything.

Decides: the sections, in processes of their own, so that one that fails, hangs or runs out of memory costs its own budget and
no more, and their order: what is lost first when time runs out is what matters least. Every row says what was measured or why it
was not, and is on disk as soon as it is known; the JSON is written again after each section.
Does not: judge, beyond its exit status: 1 where a kernel has not been seen to compute its definition.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

TOTAL_SECONDS = 460
SECTIONS = {
    "correctness": 90,
    "8B": 75,
    "1.2B": 60,
    "kernels": 110,
    "8B peers": 120,
    "1.2B peers": 110,
    "local spec": 50,
    "ablation": 70,
    "compiled kernels": 90,
}
"""Seconds that each may take; what one leaves over is the next ones' to use, up to their own."""
INTERPRETER = 4
"""Times as long as that a CPU may take, on a busy machine."""
ROWS_FILE, TABLE_FILE = "rows.jsonl", "bench_gpu.json"


class Bench(NamedTuple):
    """Where a section runs, and where its rows go."""

    device: str
    tiny: bool
    folder: Path

    def row(self, section: str, name: str, **numbers: Any) -> None:
        """Append a row to the file, and print it."""
        line = {"section": section, "name": name, **numbers}
        with (self.folder / ROWS_FILE).open("a") as file:
            file.write(json.dumps(line) + "\n")
        print("  ".join(f"{key}={shown(value)}" for key, value in line.items()), flush=True)

    def attempt(self, section: str, name: str, measure: Any) -> None:
        """Add a row of what ``measure`` returns, or of why it did not."""
        try:
            self.row(section, name, measured=True, **measure())
        except Exception as error:  # out of memory, a kernel that does not compile, a package that is not there: the row says it
            first_line = (str(error).strip().splitlines() or [""])[0]
            self.row(section, name, measured=False, reason=f"{type(error).__name__}: {first_line}"[:200])
        free_memory()  # not before: until here an error's frames hold what filled the card

    def rows(self) -> list[dict[str, Any]]:
        """Return all rows there are, of all sections."""
        file = self.folder / ROWS_FILE
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def free_memory() -> None:
    """Give back what a failed or finished measurement held."""
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def run_section(name: str, bench: Bench) -> None:
    """Measure one section in this process."""
    import gpu_kernels
    import gpu_models

    sections = {
        "correctness": gpu_kernels.correctness,
        "kernels": gpu_kernels.kernels,
        "1.2B": gpu_models.small_model,
        "1.2B peers": gpu_models.small_peers,
        "8B": gpu_models.large_model,
        "8B peers": gpu_models.large_peers,
        "local spec": gpu_models.stock_megatron,
        "ablation": gpu_models.ablation,
        "compiled kernels": gpu_kernels.compiled_kernels,
    }
    sections[name](bench)


def run_sections(names: list[str], bench: Bench, arguments: list[str]) -> None:
    """Run each in a process of its own, within its budget and what is left of the whole."""
    patience = INTERPRETER if bench.tiny else 1
    end = time.monotonic() + TOTAL_SECONDS * patience
    for name in names:
        left, budget = end - time.monotonic(), SECTIONS[name] * patience
        if left < 15:
            bench.row(name, "whole section", measured=False, reason=f"{TOTAL_SECONDS} s were over")
            continue
        command = [sys.executable, __file__, *arguments, "--worker", name]
        try:
            status = subprocess.run(command, timeout=min(budget, left), check=False).returncode
            if status:
                bench.row(name, "whole section", measured=False, reason=f"its process ended with status {status}")
        except subprocess.TimeoutExpired:
            bench.row(name, "rest of the section", measured=False, reason=f"{min(budget, left):.0f} s were over")
        write_json(bench)


def write_json(bench: Bench) -> dict[str, Any]:
    """Write all rows so far; return them with the versions."""
    found = {"versions": versions(bench.device), "rows": bench.rows()}
    temporary = bench.folder / f"{TABLE_FILE}.tmp"
    temporary.write_text(json.dumps(found, indent=1))
    temporary.replace(bench.folder / TABLE_FILE)
    return found


def versions(device: str) -> dict[str, Any]:
    """Return what the numbers depend on."""
    from importlib.metadata import PackageNotFoundError, version

    import torch

    found: dict[str, Any] = {"python": platform.python_version(), "date": time.strftime("%Y-%m-%d")}
    for package in ("torch", "triton", "megatron-core", "liger-kernel", "transformers"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    found["c_compiler"] = os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang")  # Triton's launchers need one
    found["device"] = platform.processor() or "cpu"
    if device == "cuda":
        properties = torch.cuda.get_device_properties(0)
        found |= {"device": properties.name, "memory_gib": properties.total_memory / 2**30}
    return found


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as Markdown, a table for each section."""
    lines = []
    for section in dict.fromkeys(row["section"] for row in rows):
        members = [row for row in rows if row["section"] == section]
        columns = list(dict.fromkeys(key for row in members for key in row if key not in ("section", "measured")))
        lines += [f"\n### {section}\n", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
        lines += [f"| {' | '.join(shown(row.get(column, '')) for column in columns)} |" for row in members]
    return "\n".join(lines)


def main() -> int:
    """Measure, print, and write the JSON."""
    parser = argparse.ArgumentParser(description="kernels and models on one GPU")
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("OUT") or "runs/bench_gpu"))
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--tiny", action="store_true", help="sizes that a CPU's interpreter can do; checks this script alone")
    parser.add_argument("--only", nargs="+", choices=tuple(SECTIONS), default=list(SECTIONS))
    parser.add_argument("--worker", choices=tuple(SECTIONS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.device == "cpu":
        os.environ["TRITON_INTERPRET"] = "1"  # before anything imports triton
    # A model that fills the card must not fail for want of memory in one piece; torch reads this before it takes any.
    os.environ.setdefault("PYTORCH_ALLOC_CONF", "expandable_segments:True")
    import torch

    if options.device == "cuda" and not torch.cuda.is_available():
        print("bench_gpu: torch sees no GPU here; nothing was measured")
        return 0
    bench = Bench(options.device, options.tiny, options.out)
    if options.worker:
        run_section(options.worker, bench)
        return 0
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / ROWS_FILE).unlink(missing_ok=True)
    own = ["--out", str(options.out), "--device", options.device, *(["--tiny"] if options.tiny else [])]
    run_sections(options.only, bench, own)
    found = write_json(bench)
    rows = found["rows"]
    print(table(rows))
    print(f"\n{json.dumps(found['versions'])}\n{options.out / TABLE_FILE}")
    return 0 if all(row.get("agrees", False) for row in rows if row["section"] == "correctness") else 1


if __name__ == "__main__":
    sys.exit(main())
