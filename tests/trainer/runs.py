"""Training runs for tests: the tiny recipe, smaller, on as many ranks as its layout needs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from megatron_mathcoder.config.batch import model_parallel_size
from megatron_mathcoder.config.loader import load_config
from megatron_mathcoder.config.run_folder import METRICS_FILE, read_rows
from megatron_mathcoder.config.schema import RunConfig
from megatron_mathcoder.platforms.ranks import Rank
from tests.multiprocess import run_ranks
from tests.repository import RECIPES

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


def train(config: RunConfig, data_parallel_size: int = 1) -> list[dict[str, Any]]:
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


def with_folder(config: RunConfig, folder: Path) -> RunConfig:
    """Return ``config`` with its run in another folder."""
    return replace(config, run=replace(config.run, folder=str(folder)))
