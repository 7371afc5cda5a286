"""What can happen to a run: faults drawn at random, and processes in which they happen.

Decides: the kinds of fault, and their random step and moment, as a pure function of a number.
Does not: judge; ``test_faults.py`` does.
"""

import contextlib
import os
import random
import resource
import signal
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from megatron_mathcoder.config.run_folder import CHECKPOINTS, checkpoints_in
from megatron_mathcoder.config.schema import RunConfig
from megatron_mathcoder.platforms.ranks import Rank
from tests.multiprocess import RANKS
from tests.trainer.runs import train_rank

ENDS_THE_RUN = ("kill", "kill in a save", "SIGTERM", "SIGUSR1", "time limit", "full disk")
DAMAGES = ("none", "none", "torn file", "flipped bit", "missing file")
STEPS = 16
INTERVAL = 3


@dataclass(frozen=True)
class Fault:
    """One way in which a run ends, and what becomes of its newest checkpoint while it is down."""

    kind: str
    step: int
    """The fault happens after this step has begun, or in the first save from then on."""
    delay_seconds: float
    """After the beginning of the step, or the grace of a time limit."""
    event: int
    """Which operation of a save on the file system, counted from its first, is the last before a kill."""
    file_bytes: int
    """What fits on a full disk, as the largest size of a file."""
    damage: str
    place: float
    """Where in the files, and in a file, the damage is; 0 to 1."""


@dataclass(frozen=True)
class Schedule:
    """Faults one after another, each after a resume; at least three steps lie between two, and after the last."""

    number: int
    ranks: int
    in_background: bool
    faults: tuple[Fault, ...]


def draw_schedule(number: int) -> Schedule:
    """Return schedule ``number``: two faults, on one rank or, one time in five, on two data-parallel ranks."""
    draw = random.Random(number)
    first = draw.randint(1, 8)
    steps = (first, draw.randint(first + 4, STEPS - 4))
    faults = tuple(
        Fault(
            kind=draw.choice(ENDS_THE_RUN),
            step=step,
            delay_seconds=draw.uniform(0.0, 0.06),
            event=draw.randint(0, 30),
            file_bytes=draw.randint(1_000, 150_000),
            damage=draw.choice(DAMAGES),
            place=draw.random(),
        )
        for step in steps
    )
    return Schedule(number, 2 if number % 5 == 4 else 1, draw.random() < 0.5, faults)


def run_until(config: RunConfig, ranks: int, fault: Fault | None) -> list[int | None]:
    """Train on forked ranks until ``fault`` ends the run, or to its end; return the ranks' exit codes."""
    with tempfile.TemporaryDirectory() as folder:
        init_method = f"file://{folder}/rendezvous" if ranks > 1 else ""
        processes = [
            RANKS.Process(target=_train_and_suffer, args=(Rank(number, number, ranks, init_method), config, fault))
            for number in range(ranks)
        ]
        for process in processes:
            process.start()
        processes[0].join(120)
        # A rank that lost its neighbour finds out by itself; a launcher would not wait for that.
        for process in processes[1:]:
            process.join(1 if processes[0].exitcode not in (0, 85) else 20)
            process.kill()
            process.join()
    return [process.exitcode for process in processes]


def damage_newest(folder: Path, fault: Fault) -> str:
    """Damage the newest checkpoint where it is not the only one; return the file, or ""."""
    found = checkpoints_in(folder / CHECKPOINTS)
    if fault.damage == "none" or len(found) < 2:
        return ""
    files = sorted(path for path in found[-1].iterdir() if path.name not in ("checksums.json", "metadata.json"))
    path = files[int(fault.place * len(files))]
    content = bytearray(path.read_bytes())
    position = int(fault.place * len(content))
    if fault.damage == "missing file":
        path.unlink()
    elif fault.damage == "torn file":
        path.write_bytes(content[:position])
    else:
        content[position] ^= 1 << (position % 8)
        path.write_bytes(content)
    return path.name


def _train_and_suffer(rank: Rank, config: RunConfig, fault: Fault | None) -> None:
    with Path(os.devnull).open("w") as nothing, contextlib.redirect_stdout(nothing), contextlib.redirect_stderr(nothing):
        if fault is not None and rank.rank == 0:
            _prepare(fault, Path(config.run.folder) / CHECKPOINTS)
        status = train_rank(rank, config)
    sys.exit(status)


def _prepare(fault: Fault, checkpoints: Path) -> None:
    from megatron_mathcoder.checkpoint import CheckpointFiles
    from megatron_mathcoder.trainer.trainer import Trainer

    train_step, start_save = Trainer._step, CheckpointFiles.start_save
    begun = False

    def step(self: Any) -> None:
        nonlocal begun
        if self.state.step >= fault.step and not begun:
            begun = True
            _begin(fault)
        train_step(self)

    def save(self: Any, chunks: Any, optimizer: Any, counters: Any, step: int) -> None:
        if fault.kind == "kill in a save" and step >= fault.step:
            _kill_at_event(fault.event, checkpoints)
        start_save(self, chunks, optimizer, counters, step)

    Trainer._step, CheckpointFiles.start_save = step, save  # type: ignore[method-assign]


def _begin(fault: Fault) -> None:
    if fault.kind == "full disk":
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (fault.file_bytes, fault.file_bytes))
    elif fault.kind != "kill in a save":
        threading.Thread(target=_send_signals, args=(fault,), daemon=True).start()


def _send_signals(fault: Fault) -> None:
    if fault.kind == "time limit":
        os.kill(os.getpid(), signal.SIGUSR1)
        time.sleep(fault.delay_seconds)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5 * fault.delay_seconds)
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(fault.delay_seconds)
    os.kill(os.getpid(), {"kill": signal.SIGKILL, "SIGTERM": signal.SIGTERM, "SIGUSR1": signal.SIGUSR1}[fault.kind])


def _kill_at_event(last: int, checkpoints: Path) -> None:
    """Kill this rank at an operation under ``checkpoints``, its own or that of a process that writes for it."""
    rank, count = os.getpid(), 0

    def count_event(name: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        if name in ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir") and str(arguments[0]).startswith(str(checkpoints)):
            count += 1
            if count > last:
                os.kill(rank, signal.SIGKILL)

    sys.addaudithook(count_event)
