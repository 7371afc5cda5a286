"""What all scenarios share: the worker's pair of nodes, one dataset, and the losses of undisturbed runs."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.launch.scenario import Pair, Run, reference, resume, slurm, worker_number
from tests.trainer.synthetic_dataset import write_dataset


@pytest.fixture(scope="session")
def cluster() -> Path:
    """Return the folder of the running cluster; skip where there is none."""
    configuration = os.environ.get("SLURM_CONF", "")
    if not configuration or not (Path(configuration).parent / "cluster_env.sh").is_file():
        pytest.skip("no cluster of tests/launch/cluster.sh is up; make test-slurm starts one (root, Debian's Slurm)")
    return Path(configuration).parent


@pytest.fixture(scope="session")
def pair(cluster: Path) -> Pair:
    """Return the two nodes of this test worker."""
    return Pair(worker_number(), cluster / "cluster_env.sh")


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the prefix of a dataset of 512 ids."""
    prefix = tmp_path_factory.mktemp("dataset") / "counting"
    write_dataset(prefix, documents=120)
    return prefix


@pytest.fixture(scope="session")
def losses(cluster: Path, dataset: Path) -> Callable[..., list[float]]:
    """Return a function that gives the losses of an undisturbed run in a layout."""

    def of_layout(*layout: str, data_parallel_size: int = 1) -> list[float]:
        return reference(cluster, dataset, *layout, data_parallel_size=data_parallel_size)

    return of_layout


@pytest.fixture(scope="session")
def whole(losses: Callable[..., list[float]]) -> list[float]:
    """Return the undisturbed losses in the scenarios' usual layout, two data-parallel ranks."""
    return losses(data_parallel_size=2)


@pytest.fixture
def run(tmp_path: Path, dataset: Path, pair: Pair) -> Run:
    """Return a run of 60 steps on two nodes, not yet submitted."""
    return Run(tmp_path / "run", dataset, pair)


@pytest.fixture(autouse=True)
def the_nodes_are_left_idle(request: pytest.FixtureRequest) -> None:
    """After a scenario its jobs have gone and its nodes are as they were, whatever happened."""
    if "pair" not in request.fixturenames:
        return
    pair: Pair = request.getfixturevalue("pair")
    yield
    slurm("scancel", f"--partition={pair.low}")
    slurm("scancel", f"--partition={pair.high}")
    for node in pair.nodes:
        resume(node)
