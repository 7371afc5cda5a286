"""A folder that is there whole or not at all.

Decides: how a target folder comes to be: written as ``NAME.partial``, synced, then renamed; an existing target is refused
or, when the user says so, replaced in the same moment, if it is a model's and not what is being read. Does not: know what is
in it.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from checkpoints_convert.manifest import MANIFEST_FILE
from megatron_mathcoder.config.errors import CheckpointError
from megatron_mathcoder.config.run_folder import PARTIAL_SUFFIX

LOCK_FILE = ".lock"
MARKS = (MANIFEST_FILE, "config.json")
"""A folder with one of these files is a conversion's result or a Hugging Face model; no other is replaced."""


@contextmanager
def partial_folder(target: Path, *, source: Path, needed_bytes: int, overwrite: bool) -> Iterator[Path]:
    """Yield ``target.partial``; on success it becomes ``target``. After a failure it stays, so that the work can be resumed.

    Raises ``CheckpointError`` when the target exists and may not be replaced, another process is writing it, or the disk has
    fewer than ``needed_bytes`` free.
    """
    target = Path(os.path.abspath(target))  # noqa: PTH100  resolve() would follow a link the user may want replaced
    partial = target.with_name(target.name + PARTIAL_SUFFIX)
    if target.exists():
        _check_replaceable(target, source, overwrite)
    partial.mkdir(parents=True, exist_ok=True)
    lock = os.open(partial / LOCK_FILE, os.O_RDWR | os.O_CREAT)
    try:
        _take(lock, partial)
        _check_space(partial, needed_bytes)
        yield partial
        (partial / LOCK_FILE).unlink()
        sync_folder(partial)
        _move_into_place(partial, target)
    finally:
        os.close(lock)


def _check_replaceable(target: Path, source: Path, overwrite: bool) -> None:
    """Refuse a target that holds the ``source``, to replace one unasked, and to replace what is no model."""
    if target.resolve() in (source.resolve(), *source.resolve().parents):
        raise CheckpointError(f"{target}: holds {source}, which is being read; choose another folder")
    if not overwrite:
        raise CheckpointError(f"{target}: exists; choose another folder or add --overwrite to replace it")
    if not target.is_dir():
        raise CheckpointError(f"{target}: is a file; the target is a folder, choose another name")
    if any(target.iterdir()) and not any((target / name).is_file() for name in MARKS):
        raise CheckpointError(
            f"{target}: holds no model ({' or '.join(MARKS)}), so --overwrite leaves it alone; choose another folder or remove it"
        )


def _take(lock: int, partial: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise CheckpointError(f"{partial}: another process is writing it; wait for it or end it") from None
    except OSError:
        return  # this file system has no locks


def _check_space(partial: Path, needed_bytes: int) -> None:
    already = sum(path.stat().st_blocks * 512 for path in partial.iterdir() if path.is_file())
    free = shutil.disk_usage(partial).free
    if free + already < needed_bytes:
        raise CheckpointError(
            f"{partial.parent}: {free / 1e9:.3g} GB free, {needed_bytes / 1e9:.3g} GB needed; free space or choose another disk"
        )


def _move_into_place(partial: Path, target: Path) -> None:
    replaced = target.with_name(f".{target.name}.replaced")
    shutil.rmtree(replaced, ignore_errors=True)
    if target.exists():
        target.rename(replaced)
    partial.rename(target)
    sync(target.parent)
    shutil.rmtree(replaced, ignore_errors=True)


def sync(path: Path) -> None:
    """Wait until a file, or the entries of a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Wait until a folder and all in it are on the disk."""
    for path in sorted(folder.rglob("*")):
        sync(path)
    sync(folder)
