"""Checkpoints become Hugging Face folders while the run goes on.

Decides: when ``export-hf`` runs (one at a time, at the lowest priority, in a process of its own), what is still owed after a
restart (every checkpoint on disk that is due and has no folder yet), and that a checkpoint stays until it is exported.
Does not: convert anything (``checkpoints_convert``), or fail the run: an export that fails is said, with its log. Rank 0 alone.
"""

import contextlib
import os
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from megatron_mathcoder.config.run_folder import CHECKPOINTS, EXPORTS, LOGS, checkpoint_step, checkpoints_in

LOWEST_PRIORITY = 19


class Exports:
    """The exports of a run; use as a context manager, which ends what is running. ``add`` and ``poll`` never wait."""

    def __init__(self, folder: Path, is_due: Callable[[int], bool], say: Callable[[str], None]) -> None:
        """``folder`` is the run's; ``is_due`` says for a step whether its checkpoint is exported. Takes up what is owed."""
        self._folder, self._is_due, self._say = folder, is_due, say
        self._owed = deque(path for path in checkpoints_in(folder / CHECKPOINTS) if self._lacks(path))
        self._running: tuple[Path, subprocess.Popen[bytes]] | None = None

    def __enter__(self) -> Self:
        """Start with what is owed."""
        self.poll()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End the export that runs; the next start of the run goes on with it."""
        self._end()

    def _end(self) -> None:
        if self._running is not None:
            _, process = self._running
            process.kill()
            process.wait()
            self._running = None

    def target(self, checkpoint: Path) -> Path:
        """Return the folder that a checkpoint is exported to."""
        return self._folder / EXPORTS / checkpoint.name

    def _lacks(self, checkpoint: Path) -> bool:
        return self._is_due(checkpoint_step(checkpoint)) and not self.target(checkpoint).exists()

    def add(self, checkpoint: Path) -> None:
        """Export a new checkpoint if it is due."""
        if self._lacks(checkpoint):
            self._owed.append(checkpoint)
        self.poll()

    def needs(self, checkpoint: Path) -> bool:
        """Return whether a checkpoint must not be removed yet."""
        return checkpoint in self._owed or (self._running is not None and self._running[0] == checkpoint)

    def discard_after(self, step: int) -> None:
        """Forget and remove what was exported after ``step``: the run goes back to it, and those steps come again, otherwise."""
        self._owed = deque(path for path in self._owed if checkpoint_step(path) <= step)
        if self._running is not None and checkpoint_step(self._running[0]) > step:
            self._end()
        for path in (self._folder / EXPORTS).glob("iter_*"):
            if checkpoint_step(path.with_suffix("")) > step:
                shutil.rmtree(path)

    def poll(self) -> None:
        """Take note of an export that has ended, and start the next."""
        if self._running is not None:
            checkpoint, process = self._running
            if process.poll() is None:
                return
            self._running = None
            self._tell(checkpoint, process.returncode)
        if self._owed:
            self._running = self._start(self._owed.popleft())

    def finish(self) -> None:
        """Wait until nothing is owed."""
        while self._running is not None:
            checkpoint, process = self._running
            if process.poll() is None:
                self._say(f"exporting {checkpoint} to {self.target(checkpoint)}; {len(self._owed)} more after it")
            process.wait()
            self.poll()

    def _log(self, checkpoint: Path) -> Path:
        return self._folder / LOGS / f"export-{checkpoint.name}.log"

    def _start(self, checkpoint: Path) -> tuple[Path, subprocess.Popen[bytes]]:
        command = [sys.executable, "-m", "megatron_mathcoder", "export-hf", str(checkpoint), str(self.target(checkpoint))]
        self._log(checkpoint).parent.mkdir(parents=True, exist_ok=True)
        with self._log(checkpoint).open("wb") as log:
            # A session of its own: the Ctrl-C that lets the run save must not end the export.
            process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        with contextlib.suppress(ProcessLookupError):  # it has ended already
            os.setpriority(os.PRIO_PROCESS, process.pid, LOWEST_PRIORITY)
        return checkpoint, process

    def _tell(self, checkpoint: Path, status: int) -> None:
        if status == 0 or self.target(checkpoint).exists():
            self._say(f"exported {checkpoint} to {self.target(checkpoint)}")
            return
        lines = self._log(checkpoint).read_text(errors="replace").strip().splitlines() or [f"it ended with status {status}"]
        self._say(
            f"warning: {checkpoint} was not exported: {lines[-1]} (all of it: {self._log(checkpoint)}); the run goes on, "
            "and its next start tries again if the checkpoint is still there"
        )
