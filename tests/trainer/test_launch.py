"""The ways to start a run on one machine, and the ways in which a person can get it wrong."""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from megatron_mathcoder.config.loader import dump_config
from megatron_mathcoder.config.run_folder import CHECKPOINTS, METRICS_FILE
from tests.trainer.runs import small_config, train

MATHCODER = [sys.executable, "-m", "megatron_mathcoder"]
TP2 = "parallel.tensor_model_parallel_size=2"


def recipe_file(tmp_path: Path, dataset: Path, *overrides: str) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(dump_config(small_config(tmp_path / "run", dataset, *overrides)))
    return path


def start(command: list[Any], **options: Any) -> subprocess.Popen[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, **options
    )


def finish(command: list[Any], **options: Any) -> tuple[int, str, str]:
    process = start(command, **options)
    output, errors = process.communicate(timeout=200)
    return process.returncode, output, errors


def losses(folder: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (folder / METRICS_FILE).read_text().splitlines()]


def test_local_ranks(tmp_path: Path, dataset: Path) -> None:
    status, output, errors = finish(
        [*MATHCODER, "train", recipe_file(tmp_path, dataset), "--set", TP2, "--set", "parallel.processes=2"]
    )
    assert (status, errors) == (0, "")
    assert "TP 2 × PP 1 × CP 1 × DP 1" in output
    # 302 samples of 64 places for 19,296 tokens
    assert "0.17% of an epoch is padding" in output
    alone = train(small_config(tmp_path / "alone", dataset))
    assert losses(tmp_path / "run") == pytest.approx([row["loss"] for row in alone], abs=1e-5)
    assert (tmp_path / "run" / "logs" / "rank-1.log").read_text() == ""


def test_torchrun(tmp_path: Path, dataset: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    torchrun = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc-per-node=2",
        "--master-addr=127.0.0.1",
        f"--master-port={port}",
    ]
    recipe = recipe_file(tmp_path, dataset)
    status, output, errors = finish([*torchrun, "-m", "megatron_mathcoder", "train", recipe, "--set", TP2])
    assert status == 0, errors
    assert "TP 2 × PP 1 × CP 1 × DP 1" in output
    assert len(losses(tmp_path / "run")) == 6


def test_a_dead_rank_ends_the_run(tmp_path: Path, dataset: Path) -> None:
    recipe = recipe_file(tmp_path, dataset, "training.steps=5000")
    process = start([*MATHCODER, "train", recipe, "--set", TP2, "--set", "parallel.processes=2"])
    wait_for(lambda: (tmp_path / "run" / METRICS_FILE).exists() and losses(tmp_path / "run"), process)
    os.kill(rank_process(process.pid, "1"), signal.SIGKILL)
    _output, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "mathcoder train: rank 1 of 2 ended with status -9" in errors


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 85), (signal.SIGKILL, -signal.SIGKILL)])
def test_a_signal_to_who_started_local_ranks_has_them_save(number: int, status: int, tmp_path: Path, dataset: Path) -> None:
    """Killed, it passes nothing on; what it leaves must not train on unseen."""
    recipe = recipe_file(tmp_path, dataset, "training.steps=5000")
    process = start([*MATHCODER, "train", recipe, "--set", TP2, "--set", "parallel.processes=2"])
    wait_for(lambda: (tmp_path / "run" / METRICS_FILE).exists() and losses(tmp_path / "run"), process)
    process.send_signal(number)
    process.communicate(timeout=60)  # until no rank holds its output any more
    assert process.returncode == status
    assert [path.name for path in (tmp_path / "run" / CHECKPOINTS).iterdir()] == [f"iter_{len(losses(tmp_path / 'run')):07d}"]


def wait_for(condition: Callable[[], object], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)


def rank_process(parent: int, rank: str) -> int:
    """Return the process id of the parent's child with this rank."""
    import psutil

    return next(child.pid for child in psutil.Process(parent).children() if child.environ().get("RANK") == rank)


def small_files() -> None:
    """Let no file of this process and its children grow beyond 300 kB, as a full disk would."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))


def test_a_full_disk_during_a_save(tmp_path: Path, dataset: Path) -> None:
    recipe = recipe_file(tmp_path, dataset, "checkpoint.interval_steps=3")
    status, _output, errors = finish([*MATHCODER, "train", recipe], preexec_fn=small_files)
    assert status == 2
    [message] = [line for line in errors.splitlines() if line.startswith("mathcoder train:")]
    assert "saving" in message
    assert "iter_0000003 failed" in message
    assert "GB free there); free space or move run.folder" in message
    assert "Traceback" not in errors
    assert finish([*MATHCODER, "train", recipe])[0] == 0
    alone = train(small_config(tmp_path / "alone", dataset))
    assert losses(tmp_path / "run") == [row["loss"] for row in alone]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: recipe"),
        (["missing.toml"], "missing.toml"),
        (["RECIPE", "--set", "optimiser.lr=1"], "did you mean"),
        (["RECIPE", "--set", "optimizer.lr=fast"], 'optimizer.lr = "fast": must be a number'),
        (["RECIPE", "--set", "dataset.blend.0.prefix='nowhere/tokens'"], "dataset nowhere/tokens: nowhere/tokens.idx is missing"),
        (["RECIPE", "--set", "model.vocab_size=100"], "it holds token id"),
        (["RECIPE", "--set", "checkpoint.initial='nowhere'"], "checkpoint nowhere: it does not exist"),
        (["RECIPE", "--set", "platform.name=cuda"], "torch sees 0"),
        (["RECIPE", "--set", "parallel.processes=3", "--set", TP2], "parallel"),
    ],
)
def test_mistakes_are_one_line(arguments: list[str], message: str, tmp_path: Path, dataset: Path) -> None:
    recipe = recipe_file(tmp_path, dataset)
    status, _output, errors = finish([*MATHCODER, "train", *(str(recipe) if word == "RECIPE" else word for word in arguments)])
    assert status == 2
    assert message in errors
    assert "Traceback" not in errors
    assert errors.strip().splitlines()[-1].startswith("mathcoder train:")
