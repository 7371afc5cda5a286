"""Who this process is among the ranks, read once from the environment.

Decides: rank, world size and rendezvous, from torchrun's variables, srun's, or ours for local ranks; alone otherwise.
Does not: start processes (``local_ranks.py``) or form process groups (``megatron_mathcoder.parallel``).
"""

import os
import subprocess
from dataclasses import dataclass

from megatron_mathcoder.config.errors import PlatformError

RENDEZVOUS_FILE = "MATHCODER_RENDEZVOUS_FILE"
"""Set by ``local_ranks``: a file through which the ranks of one machine find each other, so that no port is needed."""

START_SECONDS = 600.0
"""How long ranks wait for the last of them to start: importing takes seconds on one node, and minutes on a slow file system."""


@dataclass(frozen=True, slots=True)
class Rank:
    """This process among ``world_size`` processes."""

    rank: int
    local_rank: int
    world_size: int
    init_method: str
    """``tcp://host:port`` or ``file:///path`` for torch.distributed; "" when alone."""


def read_rank() -> Rank:
    """Read the environment of torchrun, of srun, or of ``local_ranks``; a process started by hand is alone.

    Raises:
        PlatformError: a launcher's variable is missing, no number, or one that cannot be.
    """
    env = os.environ
    # A batch script has SLURM_NTASKS too, without being one of the tasks; only srun sets the step's variables.
    of_srun = "SLURM_STEP_NUM_TASKS" in env and "SLURM_PROCID" in env
    if RENDEZVOUS_FILE in env:
        rank = Rank(_int("RANK"), _int("LOCAL_RANK"), _int("WORLD_SIZE"), f"file://{env[RENDEZVOUS_FILE]}")
    elif "RANK" in env and "WORLD_SIZE" in env:
        local = _int("LOCAL_RANK") if "LOCAL_RANK" in env else _int("RANK")
        rank = Rank(_int("RANK"), local, _int("WORLD_SIZE"), f"tcp://{_str('MASTER_ADDR')}:{_port('MASTER_PORT')}")
    else:
        rank = _slurm_rank() if of_srun else Rank(rank=0, local_rank=0, world_size=1, init_method="")
    if not 0 <= rank.rank < rank.world_size:  # the others would wait for the one that is not among them
        raise PlatformError(f"rank {rank.rank} of {rank.world_size}: ranks count from 0; start with torchrun or srun")
    return rank


def _slurm_rank() -> Rank:
    world_size = _int("SLURM_STEP_NUM_TASKS")
    if world_size == 1:
        return Rank(rank=0, local_rank=0, world_size=1, init_method="")
    address = os.environ.get("MASTER_ADDR") or _first_host(_str("SLURM_STEP_NODELIST"))
    # Two jobs on one node must not meet, nor a requeued job its predecessor's dying ranks.
    restarts = _int("SLURM_RESTART_COUNT") if "SLURM_RESTART_COUNT" in os.environ else 0
    own = 20000 + (_int("SLURM_JOB_ID") * 31 + restarts * 7) % 10000
    port = _port("MASTER_PORT") if os.environ.get("MASTER_PORT") else own
    return Rank(_int("SLURM_PROCID"), _int("SLURM_LOCALID"), world_size, f"tcp://{address}:{port}")


def _first_host(nodelist: str) -> str:
    if "[" not in nodelist and "," not in nodelist:
        return nodelist
    try:
        names = subprocess.run(["scontrol", "show", "hostnames", nodelist], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise PlatformError(f"SLURM_STEP_NODELIST = {nodelist!r}: scontrol cannot read it ({error}); set MASTER_ADDR") from error
    return names.split()[0]


def _port(name: str) -> int:
    if not 1 <= (value := _int(name)) <= 65535:
        raise PlatformError(f"environment variable {name} = {value} is no port; set one from 1024 to 65535")
    return value


def _str(name: str) -> str:
    if name not in os.environ:
        raise PlatformError(
            f"environment variable {name} is missing, others of its launcher are set; start with torchrun or srun"
        )
    return os.environ[name]


def _int(name: str) -> int:
    value = _str(name)
    try:
        return int(value)
    except ValueError:
        raise PlatformError(f"environment variable {name} = {value!r} is no integer; start with torchrun or srun") from None
