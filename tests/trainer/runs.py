"""Training runs for tests: the tiny recipe, smaller, on as many ranks as its layout needs."""

import json
from pathlib import Path
from typing import Any

from megatron_mathcoder.config.batch import model_parallel_size
from megatron_mathcoder.config.loader import load_config
from megatron_mathcoder.config.run_folder import (
    EVENTS_FILE,
    METRICS_FILE,
    REWOUND_FILE,
    VALIDATION_FILE,
    find_checkpoint,
    read_rows,
)
from megatron_mathcoder.config.schema import RunConfig
from megatron_mathcoder.platforms.ranks import Rank
from tests.multiprocess import run_ranks
from tests.repository import RECIPES

Row = dict[str, Any]

RECIPE = RECIPES / "tiny_cpu.toml"

SMALL = (
    "model.vocab_size=512",
    "model.num_layers=4",
    "model.hidden_size=64",
    "model.ffn_hidden_size=96",
    "model.kv_channels=16",
    "dataset.seq_length=64",
    "training.micro_batch_size=1",
    "training.global_batch_size=8",
    "training.steps=6",
    "optimizer.lr=3e-3",
    "optimizer.lr_warmup_steps=2",
    "validation.interval_steps=0",
    "validation.samples=0",
    "checkpoint.interval_steps=0",
    "logging.tensorboard=false",
)


def small_config(folder: Path, dataset: Path, *overrides: str) -> RunConfig:
    """Return the tiny recipe cut down to a second or two, with its run in ``folder``."""
    here = (f"run.folder={str(folder)!r}", f"dataset.blend.0.prefix={str(dataset)!r}", "dataset.tokenizer=")
    return load_config(RECIPE, [*SMALL, *here, *overrides])


def train(config: RunConfig, data_parallel_size: int = 1) -> list[Row]:
    """Train on the ranks that ``config`` needs for one copy of the model, times ``data_parallel_size``; return the metrics."""
    statuses = run_ranks(train_rank, model_parallel_size(config.parallel) * data_parallel_size, config)
    assert set(statuses) == {0}
    return read_rows(Path(config.run.folder) / METRICS_FILE)


def train_rank(rank: Rank, config: RunConfig) -> int:
    """Train as one rank."""
    import torch

    from megatron_mathcoder.trainer.main import train

    torch.set_num_threads(1)
    return train(config, rank)


def exact_rows(folder: Path, file: str = METRICS_FILE) -> list[Row]:
    """Return the rows of a run's file without what is measured: what must be equal to the last bit."""
    from megatron_mathcoder.trainer.metrics import MEASURED

    return [{name: value for name, value in row.items() if name not in MEASURED} for row in read_rows(folder / file)]


def tensor_checksums(checkpoint: Path) -> dict[str, str]:
    """Return the checksums of the files that hold weights and Adam's moments."""
    sums = json.loads((checkpoint / "checksums.json").read_text())["crc32"]
    return {name: value for name, value in sums.items() if name.endswith(".distcp")}


def common_state(checkpoint: Path) -> dict[str, Any]:
    """Return the counters and Adam's parameter groups, with its ``step``; equal contents may be stored in other bytes."""
    import torch

    return dict(torch.load(checkpoint / "common.pt", weights_only=False))


def assert_same_run(folder: Path, expected: Path) -> None:
    """Check that all rows and the newest checkpoint of two runs are equal to the last bit."""
    for file in (METRICS_FILE, VALIDATION_FILE, EVENTS_FILE, REWOUND_FILE):
        assert exact_rows(folder, file) == exact_rows(expected, file), file
    newest, reference = (find_checkpoint(each) for each in (folder, expected))
    assert newest.name == reference.name
    assert tensor_checksums(newest) == tensor_checksums(reference)
    assert common_state(newest) == common_state(reference)
