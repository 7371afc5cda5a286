"""The ranks of an attempt while they run, as one command that starts them all (``srun …``).

Decides: when they hang, and when a command that was told to end counts as killed.
Does not: start them again, or record anything (``attempt.py``).
"""

import contextlib
import signal
import subprocess
import time
from pathlib import Path
from types import FrameType

from megatron_mathcoder.config.errors import LaunchError
from megatron_mathcoder.config.run_folder import CHECKPOINTS, METRICS_FILE

POLL_SECONDS = 0.5
END_SECONDS = 60.0
"""From asking srun to end its ranks to killing srun; Slurm itself kills the ranks after KillWait, 30 s by default."""
TOLD_SECONDS = 8.0
"""From Slurm's SIGTERM until ranks that have not ended count as hung. Their SIGKILL, after KillWait, is this process's end too,
and what is to be done must have been done by then."""


class RunningRanks:
    """The running command, and what happened to it from outside."""

    def __init__(self, command: list[str], folder: Path, stall_seconds: float) -> None:
        """Start ``command``; end it when ``folder`` shows no change for ``stall_seconds`` (0 = never)."""
        self.stalled = False
        self._told = 0.0
        self._folder = folder
        self._stall_seconds = stall_seconds
        self._started = time.time()
        # Slurm signals the ranks itself. This process must outlive them, and remember that the job was told to end.
        signal.signal(signal.SIGTERM, self._note)
        signal.signal(signal.SIGUSR1, lambda number, frame: None)
        try:
            self._process = subprocess.Popen(command)
        except OSError as error:
            raise LaunchError(f"{command[0]}: {error.strerror}; batch scripts start ranks by srun") from error

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self._told = self._told or time.monotonic()  # Slurm says it more than once

    @property
    def told_to_end(self) -> bool:
        """Whether Slurm has told the batch script to end."""
        return self._told > 0

    def wait(self) -> int:
        """Return the command's exit status when it has ended; 128 + signal if it was killed, or soon will be."""
        while True:
            try:
                status = self._process.wait(POLL_SECONDS)
                return status if status >= 0 else 128 - status
            except subprocess.TimeoutExpired:
                if self.told_to_end and time.monotonic() - self._told > TOLD_SECONDS:
                    return 128 + signal.SIGKILL
                if self._stall_seconds and not self.stalled and time.time() - self._last_sign() > self._stall_seconds:
                    self._end_stalled()

    def _last_sign(self) -> float:
        """Return when the attempt started or something in the run folder last changed, seconds since 1970."""
        return max([self._started, *changes_of(self._folder)])

    def _end_stalled(self) -> None:
        say(f"nothing in {self._folder} has changed for {self._stall_seconds / 60:g} minutes; ending the ranks")
        self.stalled = True
        self._process.terminate()  # srun passes it on, and Slurm kills what is left after KillWait
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()


def changes_of(folder: Path) -> list[float]:
    """Return when the files changed that a living run changes: its metrics and its checkpoints; seconds since 1970."""
    times = []
    for path in [folder / METRICS_FILE, folder / CHECKPOINTS, *(folder / CHECKPOINTS).glob("iter_*/*")]:
        with contextlib.suppress(FileNotFoundError):  # the run deletes and renames as we look
            times.append(path.stat().st_mtime)
    return times


def say(text: str) -> None:
    """Print a line to the job's log, which may lie on a full disk."""
    with contextlib.suppress(OSError):
        print(text, flush=True)
