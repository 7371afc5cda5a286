"""A pretended Slurm on PATH, a site, and a dataset, for the tests of this folder."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from data_tools.tokens.indexed_writer import merge_idx
from megatron_mathcoder.config.loader import dump_config
from tests.launching import fake_slurm
from tests.trainer.runs import small_config

SITE = """
TRAIN_OPTIONS=(--partition=open)
RANKS_PER_NODE=1 GPU= TIME_LIMIT=1:00:00 SIGNAL_SECONDS=120 CRASH_LIMIT=3 STALL_MINUTES=5
PYTHON={python} HOST_PYTHON={python} CONTAINER=none IMAGE= LLM_IMAGE= SRUN_OPTIONS=() IN_CONTAINER=()
in_image() {{ :; }}
export OMP_NUM_THREADS=1
"""


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put the pretended Slurm on PATH and return the folder of its state."""
    state = tmp_path / "slurm"
    fake_slurm.install(state / "bin")
    monkeypatch.setenv("PATH", f"{state / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_SLURM", str(state))
    return state


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Return a cluster_env.sh of nodes with one CPU rank."""
    path = tmp_path / "site.sh"
    path.write_text(SITE.format(python=sys.executable))
    return path


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Return the prefix of a dataset that counts, made without torch."""
    prefix, lengths = tmp_path / "counting", tmp_path / "lengths"
    documents = [np.append(1 + (7 * start + np.arange(200)) % 500, 0) for start in range(100)]
    prefix.with_suffix(".bin").write_bytes(np.concatenate(documents).astype("<u2").tobytes())
    lengths.write_bytes(np.array([len(ids) for ids in documents], dtype="<i4").tobytes())
    merge_idx(prefix.with_suffix(".idx"), [lengths], len(documents), "uint16")
    return prefix


@pytest.fixture
def recipe(tmp_path: Path, dataset: Path) -> Path:
    """Return a recipe of 6 steps for a run in ``tmp_path/run``."""
    path = tmp_path / "recipe.toml"
    path.write_text(dump_config(small_config(tmp_path / "run", dataset)))
    return path
