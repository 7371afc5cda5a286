"""Rules of the folder a run is started in.

Decides: whether a run may begin or go on there.
Does not: compare a recipe with a checkpoint's (``resume_rules``), or write. Each rule returns the text of its error, or "".
"""

import os
import shutil
from pathlib import Path

from megatron_mathcoder.config.architectures import parameter_count
from megatron_mathcoder.config.errors import ConfigError
from megatron_mathcoder.config.resume_rules import changes, may_always_change
from megatron_mathcoder.config.run_folder import CHECKPOINTS, METRICS_FILE, RUN_FILE, torn_saves
from megatron_mathcoder.config.schema import RunConfig

CHECKPOINT_BYTES_PER_PARAMETER = {"bf16": 14, "fp32": 12}
"""At least: the weights in ``precision`` and, in fp32, Adam's two moments and the master weights, which fp32 weights are."""


def check_run_folder(folder: Path, config: RunConfig) -> None:
    """Check that a run can write its files and one checkpoint into ``folder``, which need not exist yet.

    Raises:
        ConfigError: the first broken rule.
    """
    for error in (
        run_folder_is_a_folder(folder),
        run_folder_is_writable(folder),
        disk_holds_a_checkpoint(config, free_bytes(folder)),
    ):
        if error:
            raise ConfigError(error)


def free_bytes(folder: Path) -> int:
    """Return what a run may write into ``folder``: what its disk has free, and what torn saves hold, which the next removes."""
    torn = [path for save in torn_saves(folder / CHECKPOINTS) for path in save.rglob("*")]
    return shutil.disk_usage(_nearest_existing(folder)).free + sum(path.stat().st_blocks * 512 for path in torn)


def check_no_other_run(folder: Path, saved: RunConfig, config: RunConfig) -> None:
    """Check the folder of a run without a checkpoint; ``saved`` is the recipe in its run.toml.

    Raises:
        ConfigError: the folder holds steps of another run.
    """
    if error := folder_holds_no_other_run(folder, saved, config):
        raise ConfigError(error)


def run_folder_is_a_folder(folder: Path) -> str:
    """The run's files need a folder, and every name above it must be one too."""
    for path in (folder, *folder.parents):
        if path.is_file():
            return f'run.folder = "{folder}": {path} is a file; choose another folder'
    return ""


def run_folder_is_writable(folder: Path) -> str:
    """The first save would find out otherwise, hours into the run."""
    nearest = _nearest_existing(folder)
    if os.access(nearest, os.W_OK | os.X_OK):
        return ""
    return f'run.folder = "{folder}": {nearest} cannot be written to; choose another folder or change its permissions'


def disk_holds_a_checkpoint(config: RunConfig, free_bytes: int) -> str:
    """A save needs room for a whole checkpoint beside those that are kept."""
    needed = parameter_count(config.model) * CHECKPOINT_BYTES_PER_PARAMETER[config.training.precision]
    if free_bytes >= needed:
        return ""
    return (
        f'run.folder = "{config.run.folder}": its disk has {free_bytes / 1e9:.2f} GB free, one checkpoint takes at least '
        f"{needed / 1e9:.2f} GB; free space (an older checkpoint of it?) or choose another folder"
    )


def folder_holds_no_other_run(folder: Path, saved: RunConfig, config: RunConfig) -> str:
    """A run that ended before its first save leaves steps behind, which another run must not overwrite."""
    rows = folder / METRICS_FILE
    if not rows.is_file() or rows.stat().st_size == 0:
        return ""
    differing = [each.difference for each in changes(saved, config) if not may_always_change(each.key)]
    if not differing:
        return ""
    return (
        f'run.folder = "{folder}": it holds steps of another run, which has no checkpoint in {CHECKPOINTS}/ and another '
        f"{RUN_FILE}: {'; '.join(differing)}; choose another run.folder or remove this one"
    )


def _nearest_existing(folder: Path) -> Path:
    # Path.exists raises where a folder above may not be looked into.
    return next(path for path in (folder, *folder.absolute().parents) if os.path.exists(path))  # noqa: PTH110


FOLDER_RULES = (run_folder_is_a_folder, run_folder_is_writable, disk_holds_a_checkpoint, folder_holds_no_other_run)
"""The rules of a run's folder."""
