"""Checkpoints are exported while the run goes on, and the run is the one it would have been."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from megatron_mathcoder.config.loader import dump_config
from megatron_mathcoder.config.run_folder import CHECKPOINTS, EXPORTS, METRICS_FILE
from megatron_mathcoder.trainer.exports import Exports
from tests.trainer.runs import small_config, train

RUN = ("training.steps=6", "checkpoint.interval_steps=1", "checkpoint.keep_last=2", "checkpoint.export_interval_steps=4")
EXACT = ("step", "loss", "grad_norm", "consumed_samples")


def losses(rows: list[dict[str, Any]]) -> list[list[Any]]:
    return [[row[name] for name in EXACT] for row in rows]


def digests(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix == ".safetensors"}


def export(checkpoint: Path, target: Path) -> dict[str, bytes]:
    """Export as a person does; returns the weights' files."""
    command = [sys.executable, "-m", "megatron_mathcoder", "export-hf", str(checkpoint), str(target)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return digests(target)


@pytest.fixture(scope="module")
def without(tmp_path_factory: pytest.TempPathFactory, dataset: Path) -> tuple[Path, list[dict[str, Any]]]:
    """Return the folder and the metrics of the run that exports nothing and keeps every checkpoint."""
    folder = tmp_path_factory.mktemp("without")
    rows = train(small_config(folder, dataset, *RUN, "checkpoint.keep_last=0", "checkpoint.export_interval_steps=0"))
    return folder, rows


def test_every_fourth_step_and_the_last_are_exported_and_nothing_else_changes(tmp_path: Path, dataset: Path, without) -> None:
    folder, rows = without
    assert losses(train(small_config(tmp_path / "run", dataset, *RUN))) == losses(rows)
    exported = tmp_path / "run" / EXPORTS
    assert sorted(path.name for path in exported.iterdir()) == ["iter_0000004", "iter_0000006"]
    for name in ("iter_0000004", "iter_0000006"):
        assert digests(exported / name) == export(folder / CHECKPOINTS / name, tmp_path / name)
    assert "| step | 4 |" in (exported / "iter_0000004" / "README.md").read_text()
    assert not (folder / EXPORTS).exists()


def test_killed_with_its_export_a_run_exports_after_the_restart(tmp_path: Path, dataset: Path, without) -> None:
    """The run and the export die as on a node that loses its power; the next start owes both folders, and writes them."""
    folder = tmp_path / "run"
    recipe = tmp_path / "run.toml"
    recipe.write_text(dump_config(small_config(folder, dataset, *RUN)))
    command = [sys.executable, "-m", "megatron_mathcoder", "train", str(recipe)]
    process = subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"})
    deadline = time.monotonic() + 120
    while not (exports := psutil.Process(process.pid).children()):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.kill(exports[0].pid, signal.SIGSTOP)
    process.kill()
    process.wait()
    os.kill(exports[0].pid, signal.SIGKILL)
    assert not (folder / EXPORTS / "iter_0000004").exists()
    assert subprocess.run(command, check=False, env=os.environ | {"OMP_NUM_THREADS": "1"}).returncode == 0
    from megatron_mathcoder.trainer.metrics import read_rows

    assert losses(read_rows(folder / METRICS_FILE)) == losses(without[1])
    for name in ("iter_0000004", "iter_0000006"):
        assert digests(folder / EXPORTS / name) == export(without[0] / CHECKPOINTS / name, tmp_path / name)


def test_an_export_that_fails_does_not_end_the_run(tmp_path: Path, dataset: Path, without) -> None:
    partial = tmp_path / EXPORTS / "iter_0000006.partial"
    partial.mkdir(parents=True)
    with (partial / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert losses(train(small_config(tmp_path, dataset, *RUN))) == losses(without[1])
    assert "another process is writing it" in (tmp_path / "logs" / "export-iter_0000006.log").read_text()
    assert sorted(path.name for path in (tmp_path / EXPORTS).iterdir()) == ["iter_0000004", "iter_0000006.partial"]


def test_a_checkpoint_stays_until_it_is_exported(tmp_path: Path) -> None:
    """While one export runs, a second checkpoint waits for its turn; neither may be removed, and a failed one may."""
    first, second, other = (tmp_path / CHECKPOINTS / f"iter_000000{step}" for step in (4, 8, 9))
    for path in (first, second, other):
        path.mkdir(parents=True)
    said: list[str] = []
    with Exports(tmp_path, lambda step: step % 4 == 0, said.append) as exports:
        for path in (first, second, other):
            exports.add(path)
        assert [exports.needs(path) for path in (first, second, other)] == [True, True, False]
        exports.finish()
        assert [exports.needs(path) for path in (first, second, other)] == [False, False, False]
    log = tmp_path / "logs" / "export-iter_0000004.log"
    assert (
        f"warning: {first} was not exported: mathcoder export-hf: checkpoint {first}: no finished checkpoint is in it" in said[1]
    )
    assert f"(all of it: {log}); the run goes on, and its next start tries again if the checkpoint is still there" in said[1]
    assert f"warning: {second} was not exported" in said[3]


def test_going_back_takes_later_exports_back(tmp_path: Path) -> None:
    """Steps 5 to 8 come again with other data, so what they were exported as is no longer of this run."""
    for name in ("iter_0000004", "iter_0000008", "iter_0000012.partial"):
        (tmp_path / EXPORTS / name).mkdir(parents=True)
    waiting = tmp_path / CHECKPOINTS / "iter_0000012"
    waiting.mkdir(parents=True)
    with Exports(tmp_path, lambda step: step % 4 == 0, print) as exports:
        exports.add(waiting)
        exports.discard_after(4)
        assert not exports.needs(waiting)
        exports.finish()
    assert [path.name for path in (tmp_path / EXPORTS).iterdir()] == ["iter_0000004"]
