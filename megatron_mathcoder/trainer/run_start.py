"""Whether a run may start or go on in its folder, and what the folder then says of it.

Decides: that one run at a time writes there; which rules are asked at a start, when they can be: the recipe against the
checkpoint's, the datasets against those the run began with; and the files that record the answers (run.toml, data.json,
changes.jsonl).
Does not: hold a rule (``config/resume_rules.py``, ``config/run_folder_rules.py``, ``dataset/blend_rules.py``), or load anything.
"""

import contextlib
import fcntl
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

from megatron_mathcoder.config.errors import ConfigError
from megatron_mathcoder.config.loader import load_run_file
from megatron_mathcoder.config.resume_rules import Change, check_resume
from megatron_mathcoder.config.run_folder import CHANGES_FILE, DATA_FILE, LOCK_FILE, RUN_FILE, checkpoint_step
from megatron_mathcoder.config.run_folder_rules import check_no_other_run, check_run_folder
from megatron_mathcoder.config.schema import RunConfig
from megatron_mathcoder.dataset.blend import Blend
from megatron_mathcoder.dataset.blend_rules import check_blend, check_resumed_data
from megatron_mathcoder.dataset.part_identity import identities_text, read_identities

LONGEST_PATIENCE_SECONDS = 120.0
"""A job that comes back may meet its predecessor's dying ranks, and a file system may not know yet that a node is lost."""


@contextlib.contextmanager
def hold_folder(folder: Path, patience_seconds: float, say: Callable[[str], None]) -> Iterator[None]:
    """Let no other run write into ``folder`` meanwhile; one rank calls this, before anything there is read.

    Without locks on that file system, or where the folder cannot be made, which ``check_start`` tells of, nothing is held.

    Raises:
        ConfigError: another run has not let go of it in ``patience_seconds``.
    """
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            lock = stack.enter_context((folder / LOCK_FILE).open("a"))
            _wait_for(lock, folder, patience_seconds, say)
        yield


def _wait_for(lock: TextIO, folder: Path, patience_seconds: float, say: Callable[[str], None]) -> None:
    if _take(lock):
        return
    say(f"another run writes into {folder}; waiting up to {patience_seconds:.0f} s for its end")
    until = time.monotonic() + patience_seconds
    while not _take(lock):
        if time.monotonic() > until:
            raise ConfigError(f'run.folder = "{folder}": another run writes there; wait for its end or choose another folder')
        time.sleep(0.5)


def _take(lock: TextIO) -> bool:
    """Return whether this process has the lock now."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def check_start(config: RunConfig, blend: Blend, checkpoint: Path | None, total_steps: int) -> list[Change]:
    """Ask every rule that needs data or the run's folder; return the changes since ``checkpoint`` that the recipe allows.

    Every rank asks, reading files that only ``record_start`` writes, whole.

    Raises:
        ConfigError: the folder cannot take this run, or the recipe is not the saved one.
        DataError: there is too little data, or it is not what the run began with.
    """
    folder = Path(config.run.folder)
    check_run_folder(folder, config)
    check_blend(config, blend)
    if checkpoint is None:
        if (folder / RUN_FILE).is_file():
            check_no_other_run(folder, load_run_file(folder / RUN_FILE), config)
        return []
    if not (checkpoint / RUN_FILE).is_file():  # imported weights, which loading refuses by what they lack
        return []
    allowed = check_resume(checkpoint, load_run_file(checkpoint / RUN_FILE), config, total_steps)
    check_resumed_data(config, read_identities(folder / DATA_FILE), [part.identity for part in blend.parts])
    return allowed


def record_start(folder: Path, recipe: str, blend: Blend, checkpoint: Path | None, changes: Sequence[Change]) -> None:
    """Write what the run is made of into its folder; one rank calls this, after every rank's ``check_start``."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_whole(folder / RUN_FILE, recipe)
    _write_whole(folder / DATA_FILE, identities_text([part.identity for part in blend.parts]))
    if checkpoint is not None and changes:
        row = {"step": checkpoint_step(checkpoint), "changes": {each.key: [each.before, each.now] for each in changes}}
        with (folder / CHANGES_FILE).open("a") as stream:
            stream.write(json.dumps(row) + "\n")


def _write_whole(path: Path, text: str) -> None:
    """Replace a file that another rank may be reading."""
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.write_text(text)
    temporary.replace(path)
