"""train.sbatch from submission to the last step, with pretended Slurm commands and real ranks."""

import json
import os
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest

from megatron_mathcoder.cli import main
from megatron_mathcoder.config.run_folder import METRICS_FILE
from megatron_mathcoder.launching.attempts import AttemptLog


def end_a_rank_at(folder: Path, step: int, number: signal.Signals) -> None:
    """Send a signal to rank 1 of the run in ``folder`` once it has come to ``step``."""
    deadline = time.monotonic() + 120
    metrics = folder / METRICS_FILE
    while time.monotonic() < deadline and not (metrics.exists() and len(metrics.read_text().splitlines()) >= step):
        time.sleep(0.01)
    for process in psutil.process_iter(["cmdline"]):
        recipe = str(folder / "submissions" / "1" / "recipe.toml")
        if recipe in (process.info["cmdline"] or [])[-1:] and process.environ().get("SLURM_PROCID") == "1":
            process.send_signal(number)


@pytest.mark.parametrize(
    ("number", "outcome"),
    [(signal.SIGUSR1, "stopped"), pytest.param(signal.SIGKILL, "crashed", marks=pytest.mark.slow)],
)
def test_a_disturbed_run_ends_with_all_its_steps(
    number: signal.Signals, outcome: str, recipe: Path, site: Path, slurm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MASTER_PORT", str(20000 + os.getpid() % 10000))
    folder = recipe.parent / "run"
    longer = [
        f"--set={each}"
        for each in ("training.steps=48", "training.global_batch_size=2", "checkpoint.interval_steps=2", "dataset.seq_length=32")
    ]
    disturber = threading.Thread(target=end_a_rank_at, args=(folder, 3, number))
    disturber.start()
    assert main(["submit", str(recipe), "--nodes", "2", "--site", str(site), *longer]) == 0
    disturber.join()
    outcomes = [attempt.end.outcome for attempt in AttemptLog(folder, "train").read() if attempt.end]
    assert outcomes == [outcome, "finished"]
    steps = [json.loads(line)["step"] for line in (folder / METRICS_FILE).read_text().splitlines()]
    assert steps == list(range(1, 49))
