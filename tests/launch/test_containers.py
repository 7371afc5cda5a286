"""Ranks that run in an image which the batch host does not: the lines of launch/cluster_env.sh that put them there."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.launch.scenario import Run, high_job
from tests.repository import ROOT

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(600)]
PYTHON = "/image-python"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Return a root file system that has its own name for Python, and the rest from the machine."""
    folder = tmp_path / "image"
    folder.mkdir()
    for name in ("bin", "lib", "lib64", "sbin"):
        (folder / name).symlink_to(f"usr/{name}")
    (folder / PYTHON[1:]).write_text(f'#!/bin/sh\nexec {ROOT}/.venv/bin/python "$@"\n')
    (folder / PYTHON[1:]).chmod(0o755)
    return folder


@pytest.fixture
def apptainer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return what stands for apptainer: itself, or the stand-in."""
    if shutil.which("apptainer"):
        return "apptainer"
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "apptainer").symlink_to(ROOT / "tests" / "launch" / "apptainer.sh")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return "a stand-in for apptainer"


def test_ranks_in_a_container_are_preempted(
    run: Run, whole: list[float], image: Path, apptainer: str, tmp_path: Path, record_property: Callable[[str, str], None]
) -> None:
    """Two nodes, each rank in an image by apptainer: the signal reaches them, they save, make room and come back."""
    template = (ROOT / "launch" / "cluster_env.sh").read_text()
    site = tmp_path / "site.sh"
    mounts = f"/usr,/etc,{ROOT},{sys.base_prefix}"
    site.write_text(
        f"{run.pair.site.read_text()}\nCONTAINER=apptainer IMAGE={image} MOUNTS={mounts} PYTHON={PYTHON}\n"
        f"{template[template.index('in_image() {') :]}"
    )
    run.pair = type(run.pair)(run.pair.number, site)
    run.steps = 240
    run.submit("--set=checkpoint.interval_steps=0")
    run.at_step(3)
    high_job(run.pair, 1)
    run.wait()
    outcome = run.judge(whole, lost=0)
    assert [each.end.outcome for each in run.attempts()] == ["stopped", "finished"]
    record_property("outcome", f"{outcome}; with {apptainer}")
