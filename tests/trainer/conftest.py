"""One dataset and one initial checkpoint for all training tests of a session."""

from pathlib import Path

import pytest

from tests.trainer.runs import small_config, train
from tests.trainer.synthetic_dataset import write_dataset


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the prefix of a dataset of 512 ids."""
    prefix = tmp_path_factory.mktemp("dataset") / "counting"
    write_dataset(prefix, documents=120)
    return prefix


@pytest.fixture(scope="session")
def initial(tmp_path_factory: pytest.TempPathFactory, dataset: Path) -> Path:
    """Return a run folder whose checkpoint all layouts start from, since pipeline stages have seeds of their own."""
    folder = tmp_path_factory.mktemp("initial") / "run"
    train(small_config(folder, dataset, "training.steps=1", "optimizer.lr_warmup_steps=0"))
    return folder
