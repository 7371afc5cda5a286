"""Who a process is, from each launcher's environment."""

import pytest

from megatron_mathcoder.config.errors import PlatformError
from megatron_mathcoder.platforms.ranks import Rank, read_rank

NAMES = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "MATHCODER_RENDEZVOUS_FILE")
TORCHRUN = {"RANK": "3", "LOCAL_RANK": "1", "WORLD_SIZE": "4", "MASTER_ADDR": "host", "MASTER_PORT": "29500"}
SLURM = {
    "SLURM_PROCID": "5",
    "SLURM_LOCALID": "1",
    "SLURM_NTASKS": "8",
    "SLURM_STEP_NUM_TASKS": "8",
    "SLURM_STEP_NODELIST": "node7",
    "SLURM_JOB_ID": "1234",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in (*NAMES, *SLURM, "SLURM_RESTART_COUNT"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def set_all(environment: pytest.MonkeyPatch, values: dict[str, str]) -> None:
    for name, value in values.items():
        environment.setenv(name, value)


def test_alone(environment: pytest.MonkeyPatch) -> None:
    assert read_rank() == Rank(0, 0, 1, "")


def test_torchrun(environment: pytest.MonkeyPatch) -> None:
    set_all(environment, TORCHRUN)
    assert read_rank() == Rank(3, 1, 4, "tcp://host:29500")


def test_local_ranks(environment: pytest.MonkeyPatch) -> None:
    set_all(environment, {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2", "MATHCODER_RENDEZVOUS_FILE": "/tmp/meet"})
    assert read_rank() == Rank(1, 1, 2, "file:///tmp/meet")


def test_srun(environment: pytest.MonkeyPatch) -> None:
    set_all(environment, SLURM)
    rank = read_rank()
    assert (rank.rank, rank.local_rank, rank.world_size) == (5, 1, 8)
    host, port = rank.init_method.removeprefix("tcp://").split(":")
    assert host == "node7"
    assert 20000 <= int(port) < 30000


def test_a_requeued_job_meets_on_another_port(environment: pytest.MonkeyPatch) -> None:
    set_all(environment, SLURM)
    before = read_rank().init_method
    environment.setenv("SLURM_RESTART_COUNT", "1")
    assert read_rank().init_method != before


def test_a_batch_script_is_no_rank(environment: pytest.MonkeyPatch) -> None:
    """sbatch sets the job's variables in the script, but only srun those of a step."""
    set_all(environment, {name: value for name, value in SLURM.items() if "STEP" not in name})
    assert read_rank() == Rank(0, 0, 1, "")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"RANK": "0", "WORLD_SIZE": "2"}, "environment variable MASTER_ADDR is missing"),
        (
            {"RANK": "zero", "WORLD_SIZE": "2", "MASTER_ADDR": "a", "MASTER_PORT": "1", "LOCAL_RANK": "0"},
            "RANK = 'zero' is no integer",
        ),
        (TORCHRUN | {"LOCAL_RANK": "a"}, "LOCAL_RANK = 'a' is no integer"),
        (TORCHRUN | {"RANK": "4"}, "rank 4 of 4: ranks count from 0"),
        (TORCHRUN | {"MASTER_PORT": "70000"}, "MASTER_PORT = 70000 is no port; set one from 1024 to 65535"),
        (SLURM | {"MASTER_PORT": "x"}, "MASTER_PORT = 'x' is no integer"),
    ],
)
def test_an_environment_of_no_launcher_is_named(environment: pytest.MonkeyPatch, values: dict[str, str], message: str) -> None:
    set_all(environment, values)
    with pytest.raises(PlatformError, match=message):
        read_rank()
