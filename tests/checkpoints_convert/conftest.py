"""Stock megatron-core in processes of its own, and logits of Hugging Face folders."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from megatron_mathcoder.config.architecture_file import architecture_text
from megatron_mathcoder.config.schema import ModelConfig
from tests.checkpoints_convert.tiny_models import TINY, hf_logits, save_hf_model
from tests.repository import SHARED_DATA

STOCK_MEGATRON = Path(__file__).with_name("stock_megatron.py")

StockMegatron = Callable[..., Path]


@pytest.fixture(scope="session")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2 × 24 token ids below 113 as .npy."""
    path = tmp_path_factory.mktemp("tokens") / "tokens.npy"
    np.save(path, np.random.default_rng(0).integers(0, 113, (2, 24)))
    return path


@pytest.fixture(scope="session")
def stock_megatron(tokens: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StockMegatron]:
    """Run a stock GPTModel; returns a folder with logits.npy, losses.json and, if it was not loaded, checkpoint/."""

    server = subprocess.Popen(
        [sys.executable, str(STOCK_MEGATRON)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )

    def run(
        model: ModelConfig,
        *,
        tp: int = 1,
        pp: int = 1,
        vpp: int = 1,
        load: Path | None = None,
        steps: int = 0,
        save: bool = False,
        prefix: str = "",
        spelling: str = "",
    ) -> Path:
        folder = tmp_path_factory.mktemp("stock")
        job: dict[str, Any] = {"model": asdict(model), "tp": tp, "pp": pp, "vpp": vpp, "steps": steps, "tokens": str(tokens)}
        job |= {"prefix": prefix, "spelling": spelling}
        job |= {"store": str(folder / "store"), "logits": str(folder / "logits.npy"), "losses": str(folder / "losses.json")}
        job |= {"load": str(load or ""), "save": ""}
        if load is None or save:
            (folder / "checkpoint").mkdir()
            (folder / "checkpoint" / "model.toml").write_text(architecture_text(model))
            job["save"] = str(folder / "checkpoint")
        (folder / "job.json").write_text(json.dumps(job))
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(f"{folder / 'job.json'}\n")
        server.stdin.flush()
        answer = server.stdout.readline()
        assert answer == "ok\n", "\n".join(path.read_text() for path in sorted(folder.glob("rank-*.log")))
        return folder

    yield run
    assert server.stdin is not None
    server.stdin.close()
    server.wait(timeout=60)


@pytest.fixture(scope="session")
def hf_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Make a family's tiny random model as transformers saves it, once a session; returns its folder, not to be changed."""
    made: dict[tuple[str, str, str], Path] = {}

    def make(family: str, dtype: str = "float32", max_shard_size: str = "5GB") -> Path:
        key = (family, dtype, max_shard_size)
        if key not in made:
            made[key] = save_hf_model(family, dtype, max_shard_size, tmp_path_factory.mktemp(family))
        return made[key]

    return make


@pytest.fixture(scope="session")
def logits_of(tokens: Path) -> Callable[..., np.ndarray]:
    """Logits of a Hugging Face folder, computed in fp32 or another precision."""
    return lambda folder, dtype="float32": hf_logits(folder, tokens, dtype)


@pytest.fixture
def tiny() -> ModelConfig:
    return TINY


@pytest.fixture(scope="session")
def tiny_checkpoint(stock_megatron: StockMegatron) -> Path:
    """A torch_dist checkpoint of TINY with its model.toml, written by stock megatron-core in one process."""
    return stock_megatron(TINY) / "checkpoint"


@pytest.fixture(scope="session")
def mistral_tokenizer() -> Path:
    path = SHARED_DATA / "tokenizers" / "mistral_v1.model"
    if not path.is_file():
        pytest.skip("the shared tokenizers are not on this machine")
    return path
