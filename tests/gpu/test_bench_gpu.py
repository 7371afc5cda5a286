"""The GPU's benchmark, tiny and under Triton's interpreter: that it runs, and that what fails is a row and not the end."""

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.repository import ROOT

pytest.importorskip("triton")
SCRIPT = ROOT / "tests" / "benchmarks" / "bench_gpu.py"


@pytest.fixture
def bench_gpu(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    import bench_gpu

    return bench_gpu


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "rows.jsonl").read_text().splitlines()]


def run(folder: Path, *sections: str) -> dict[str, Any]:
    command = [sys.executable, str(SCRIPT), "--device", "cpu", "--tiny", "--out", str(folder), "--only", *sections]
    finished = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return dict(json.loads((folder / "bench_gpu.json").read_text()))


def test_every_kernel_agrees_and_the_large_model_trains(tmp_path: Path) -> None:
    found = run(tmp_path, "correctness", "8B")
    assert [row["reason"] for row in found["rows"] if not row["measured"]] == []
    assert all(row["agrees"] for row in found["rows"] if row["section"] == "correctness")
    assert sum(row["section"] == "correctness" for row in found["rows"]) == 14
    large = [row for row in found["rows"] if row["section"] == "8B"]
    assert all(row["tokens_per_second"] > 0 for row in large[:-1])
    assert large[-1]["name"] == "kernels of a step"
    assert 0 < large[-1]["busy_share"] <= 1
    assert found["versions"]["torch"]


@pytest.mark.parametrize("agrees", [{"agrees": False}, {}], ids=["another number", "no number"])
def test_a_kernel_not_seen_to_be_right_is_status_one(
    agrees: dict[str, bool], bench_gpu: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def section(_names: list[str], bench: Any, _arguments: list[str]) -> None:
        bench.row("correctness", "sound", measured=True, agrees=True)
        bench.row("correctness", "other", measured=bool(agrees), **agrees)

    monkeypatch.setattr(bench_gpu, "run_sections", section)
    monkeypatch.setattr(sys, "argv", ["bench_gpu.py", "--device", "cpu", "--tiny", "--out", str(tmp_path)])
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    assert bench_gpu.main() == 1


def test_nan_is_no_agreement(bench_gpu: ModuleType) -> None:
    import gpu_kernels
    import torch

    good, bad = torch.ones(3), torch.tensor([1.0, float("nan"), 1.0])
    ways = {"ours": lambda: (good, bad), "eager": lambda: (good, good)}
    bench = bench_gpu.Bench("cpu", True, Path())
    assert gpu_kernels._agreement(lambda _device: gpu_kernels.Case([], ways, gradient=False), bench)["agrees"] is False


@pytest.mark.slow
def test_every_section_runs(tmp_path: Path) -> None:
    found = run(tmp_path, "kernels", "1.2B", "1.2B peers", "8B peers", "local spec", "ablation", "compiled kernels")
    assert {row["section"] for row in found["rows"]} == {"kernels", "1.2B", "8B", "ablation", "compiled kernels"}
    beside = [row for row in found["rows"] if row["name"].startswith(("Hugging Face", "megatron-core"))]
    assert len(beside) == 6
    assert all(row["times_ours"] > 0 for row in beside)
    missing = [row["reason"] for row in found["rows"] if not row["measured"]]
    assert all("liger_kernel" in reason for reason in missing), missing


@pytest.mark.slow
def test_ligers_rows_are_called_as_liger_wants_it() -> None:
    """Its kernels are compiled, since most do not run under the interpreter."""
    pytest.importorskip("liger_kernel")
    command = [sys.executable, "-m", "tests.gpu.compile_liger"]
    finished = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert finished.returncode == 0, finished.stderr
    assert [line.split()[0] for line in finished.stdout.splitlines()] == [
        "rms_norm",
        "add_rms_norm",
        "rotary",
        "swiglu",
        "linear_cross_entropy",
    ]


def test_what_fails_is_a_row_with_its_reason(bench_gpu: ModuleType, tmp_path: Path) -> None:
    def fails() -> dict[str, Any]:
        raise MemoryError("17 GiB are not there\nand a second line")

    bench = bench_gpu.Bench("cpu", True, tmp_path)
    bench.attempt("kernels", "broken", fails)
    bench.attempt("kernels", "sound", lambda: {"ms": 1.0})
    assert rows(tmp_path) == [
        {"section": "kernels", "name": "broken", "measured": False, "reason": "MemoryError: 17 GiB are not there"},
        {"section": "kernels", "name": "sound", "measured": True, "ms": 1.0},
    ]
    assert "| broken | MemoryError: 17 GiB are not there |  |" in bench_gpu.table(rows(tmp_path))


def test_a_section_that_hangs_costs_its_own_budget(
    bench_gpu: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench_gpu, "SECTIONS", {"kernels": 0.1, "8B": 0.1})
    bench = bench_gpu.Bench("cpu", True, tmp_path)
    bench_gpu.run_sections(["kernels", "8B"], bench, ["--out", str(tmp_path), "--device", "cpu", "--tiny"])
    assert json.loads((tmp_path / "bench_gpu.json").read_text())["rows"] == rows(tmp_path)
    assert [(row["section"], row["reason"]) for row in rows(tmp_path)] == [("kernels", "0 s were over"), ("8B", "0 s were over")]
