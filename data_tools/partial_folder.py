"""``OUTPUT.partial/``: unfinished work on an output, and who may go on with it.

Decides: that the folder has the plan and one record per finished slice, that one run works in it at a time (or several, each with
its ``--part``), and that work for another output is not gone on with.
Does not: do slices (``stage.py``), or say what their files are.

A record is written only after the slice's files have their names. So after ``kill -9`` a slice is either finished or done again,
and since its bytes depend on the inputs alone, the final output is the same as without the interruption.
"""

import errno
import fcntl
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import orjson

from data_tools.manifest import OtherOutputError, Record, difference
from data_tools.parts import write_json
from megatron_mathcoder.config.errors import DataError


@dataclass(frozen=True, slots=True)
class Part:
    """One of ``count`` shares of a stage's slices, counted from 1: what one task of a job array does."""

    index: int
    count: int

    def __contains__(self, slice_index: int) -> bool:
        return slice_index % self.count == self.index - 1

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


class PartialFolder:
    """``OUTPUT.partial/``: the plan, the records of finished slices, and their files. Used as a context manager: it holds a lock.

    A run of the whole has it alone; runs of a ``part`` share it.

    Raises DataError when another run holds the lock, or the folder was begun for another output and ``overwrite`` is False.
    """

    def __init__(self, path: Path, wanted: Record, overwrite: bool, part: Part | None = None) -> None:
        self.path, self.part, self._wanted, self._overwrite = path, part, wanted, overwrite
        self._lock: IO[bytes] | None = None

    def __enter__(self) -> Self:
        self.path.mkdir(parents=True, exist_ok=True)
        self._take_lock((fcntl.LOCK_SH if self.part else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        plan_path = self.path / "plan.json"
        if plan_path.exists():
            found = difference(orjson.loads(plan_path.read_bytes()), self._wanted)
            if found and (self.part or not self._overwrite):
                remedy = "remove it" if self.part else "remove it or add --overwrite"
                raise OtherOutputError(f"{self.path} holds unfinished work for another output ({found}); {remedy}")
            if found:
                self._clear()
        write_json(plan_path, self._wanted)
        return self

    def _take_lock(self, kind: int) -> None:
        if self._lock is None:
            self._lock = (self.path / "lock").open("wb")
        try:
            fcntl.flock(self._lock, kind)
        except BlockingIOError:
            raise DataError(f"another run is working in {self.path}; wait for it, or choose another --output") from None
        except OSError as error:
            # Some cluster file systems are mounted without locks; there, not running twice is up to the user.
            if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
                raise

    def may_publish(self) -> bool:
        """Say whether this run publishes: always, except when another part was faster. Waits for parts about to end."""
        if self.part:
            self._take_lock(fcntl.LOCK_EX)
        return (self.path / "plan.json").exists()

    def _clear(self) -> None:
        for path in self.path.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != "lock":
                path.unlink()

    def record_path(self, index: int) -> Path:
        """Return where the record of slice ``index`` is kept."""
        return self.path / "records" / f"slice-{index:05d}.json"

    def remove(self) -> None:
        """Remove the folder, lock and all; call it when the output is published. Without a plan it is no work to go on with."""
        (self.path / "plan.json").unlink(missing_ok=True)
        shutil.rmtree(self.path)

    def close(self) -> None:
        """Let go of the lock."""
        if self._lock is not None:
            self._lock.close()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()


def remove_leftover(path: Path, wanted: Record) -> None:
    """Remove the unfinished work for ``wanted`` that a run left which was killed after it had published the output."""
    if path.exists():
        # Another run that is about to remove it, or work for something else, is not ours to touch.
        with suppress(DataError), PartialFolder(path, wanted, overwrite=False) as leftover:
            leftover.remove()
