"""Several ranks on this machine, without torchrun.

Decides: how ``parallel.processes`` ranks are started, where their output goes, that all end when one fails, and that they save
and end when the process that started them is killed.
Does not: anything on more than one machine; that is srun's or torchrun's.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType

from megatron_mathcoder.config.errors import TrainingError
from megatron_mathcoder.platforms.parent_death import signal_at_end_of
from megatron_mathcoder.platforms.ranks import RENDEZVOUS_FILE

STARTER = "MATHCODER_STARTER"
"""Set for the ranks: the number of the process that started them."""
GRACE_SECONDS = 20.0
"""Time for the other ranks to end after one has failed, before they are killed."""


def local_ranks_have_gpus(processes: int, gpus: int) -> str:
    """Two ranks on one GPU deadlock in their first collective, or share its memory."""
    if processes <= gpus:
        return ""
    return f"parallel.processes = {processes}: torch sees {gpus} GPUs, each rank needs one; lower it, or set platform.name to cpu"


PROCESS_RULES = (local_ranks_have_gpus,)
"""The rules of local ranks; ``select.py`` asks them, since only it knows the hardware."""


def stop_without_starter() -> None:
    """On a rank that ``run`` has started: take the end of that process for a request to stop. Elsewhere do nothing."""
    if starter := os.environ.get(STARTER):
        signal_at_end_of(int(starter), signal.SIGTERM)


def run(argv: list[str], count: int, log_folder: Path) -> int:
    """Run ``mathcoder argv`` on ``count`` ranks and return their exit status; rank 0 writes to this terminal.

    Raises:
        TrainingError: a rank other than 0 failed; the message names its log and its last line.
    """
    log_folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="mathcoder-ranks-") as folder:
        ranks = [_start(argv, number, count, Path(folder) / "rendezvous", log_folder) for number in range(count)]
        _forward_signals(ranks)
        try:
            first_failed = _wait_for_failure(ranks)
        finally:
            _end(ranks)
    statuses = {rank.returncode for rank in ranks}
    if first_failed in (None, 0) or len(statuses) == 1:  # rank 0 has spoken in this terminal, or all agree
        return ranks[first_failed or 0].returncode
    log = log_folder / f"rank-{first_failed}.log"
    last_line = (log.read_text(errors="replace").strip().splitlines() or ["it wrote nothing"])[-1]
    status = ranks[first_failed].returncode
    raise TrainingError(f"rank {first_failed} of {count} ended with status {status}: {last_line} (all of it: {log})")


def _start(argv: list[str], number: int, count: int, rendezvous: Path, log_folder: Path) -> subprocess.Popen[bytes]:
    environment = os.environ | {
        "RANK": str(number),
        "LOCAL_RANK": str(number),
        "WORLD_SIZE": str(count),
        RENDEZVOUS_FILE: str(rendezvous),
        STARTER: str(os.getpid()),
        # Each rank would otherwise start as many threads as there are cores.
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // count))),
    }
    command = [sys.executable, "-m", "megatron_mathcoder", *argv]
    if number == 0:
        return subprocess.Popen(command, env=environment)
    with (log_folder / f"rank-{number}.log").open("wb") as log:
        return subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)


def _forward_signals(ranks: list[subprocess.Popen[bytes]]) -> None:
    """Pass a request to stop on to the ranks, which save and end by themselves."""

    def forward(number: int, _frame: FrameType | None) -> None:
        for rank in ranks:
            if rank.poll() is None:
                rank.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, forward)
    # A terminal sends Ctrl-C to the ranks itself; this process only has to outlive them.
    signal.signal(signal.SIGINT, lambda number, frame: None)


def _wait_for_failure(ranks: list[subprocess.Popen[bytes]]) -> int | None:
    """Wait until all ranks have ended well, or one has not; return the number of that one."""
    while True:
        states = [rank.poll() for rank in ranks]
        for number, state in enumerate(states):
            if state not in (None, 0):
                return number
        if None not in states:
            return None
        time.sleep(0.05)


def _end(ranks: list[subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + GRACE_SECONDS
    for rank in ranks:
        try:
            rank.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            rank.kill()
            rank.wait()
