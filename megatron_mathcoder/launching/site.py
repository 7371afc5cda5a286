"""What ``launch/cluster_env.sh`` says of the cluster.

Decides: which of its variables are read before a job is submitted; bash reads the file, so that there is one way to write it.
Does not: hold a name of any cluster, or check one; Slurm does.
"""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from megatron_mathcoder.config.errors import LaunchError

_PRINT = """
set -eu
source "$1" >&2
printf '%s\\0' "$RANKS_PER_NODE" "$GPU" "$TIME_LIMIT" "$SIGNAL_SECONDS" "${TRAIN_OPTIONS[@]}"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The cluster, as far as a submission needs to know it."""

    file: Path
    ranks_per_node: int
    """Tasks of one node, one per GPU."""
    gpu: str
    """Kind of GPU as ``mathcoder plan`` names it; "" = none."""
    time_limit: str
    """As ``sbatch --time`` takes it."""
    signal_seconds: int
    """Shortest time between USR1 and the limit."""
    options: tuple[str, ...]
    """Of sbatch, for training jobs: partition, account, GPUs."""


def read_site(file: Path) -> Site:
    """Read a ``cluster_env.sh``.

    Raises:
        LaunchError: it is missing, bash stumbles over it, or a variable has no usable value.
    """
    if not file.is_file():
        raise LaunchError(f"--site {file}: no such file; give a copy of launch/cluster_env.sh with the names of your cluster")
    answer = subprocess.run(["bash", "-c", _PRINT, "read_site", str(file)], capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        reason = (answer.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise LaunchError(f"{file}: bash cannot read it: {reason}; compare it with launch/cluster_env.sh")
    ranks, gpu, limit, lead, *options = answer.stdout.split("\0")[:-1]
    for name, value in (("RANKS_PER_NODE", ranks), ("SIGNAL_SECONDS", lead)):
        if not (value.isdecimal() and int(value) > 0):
            raise LaunchError(f"{file}: {name} = {value!r}: must be a whole number of at least 1")
    seconds(limit, f"{file}: TIME_LIMIT")
    return Site(
        file=file,
        ranks_per_node=int(ranks),
        gpu=gpu,
        time_limit=limit,
        signal_seconds=int(lead),
        options=tuple(options),
    )


def seconds(limit: str, name: str) -> int:
    """Return the seconds of a time limit in one of sbatch's forms: M, M:S, H:M:S, D-H, D-H:M or D-H:M:S.

    Raises:
        LaunchError: it is in none of them; the message begins with ``name``.
    """
    if not re.fullmatch(r"\d+(:\d+){0,2}|\d+-\d+(:\d+){0,2}", limit):
        raise LaunchError(f"{name} = {limit!r}: must be minutes, H:M:S or D-H:M:S, such as 24:00:00")
    days, dash, rest = limit.rpartition("-")
    numbers = [int(number) for number in rest.split(":")]
    if dash:
        hours, minutes, secs = (*numbers, 0, 0)[:3]
    elif len(numbers) == 3:
        hours, minutes, secs = numbers
    else:
        hours, (minutes, secs) = 0, (*numbers, 0)[:2]
    return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + secs
