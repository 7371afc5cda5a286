"""The files of a run folder, by name.

Decides: where a run keeps what, and which checkpoint folders are whole.
Does not: read or write weights; trainer, converter and launcher share these names without knowing each other.

    RUN/run.toml                      the resolved recipe
    RUN/lock                          held by the rank that writes here, as long as it lives
    RUN/data.json                     what tells its datasets from others
    RUN/changes.jsonl                 one row per resume with a changed recipe: the step, and old and new values
    RUN/metrics.jsonl                 one row a step
    RUN/validation.jsonl              one row per validation and blend part
    RUN/events.jsonl                  one row per skipped step and per rewind
    RUN/rewound.jsonl                 rows of metrics.jsonl and validation.jsonl that a rewind took back
    RUN/checkpoints/iter_0000100/     a checkpoint: megatron-core's files, run.toml and checksums.json
    RUN/checkpoints/iter_0000200.partial/   a save that never finished; never read, and removed by the next save
    RUN/hf/iter_0000100/              a checkpoint exported in the background, for transformers and vLLM
    RUN/logs/rank-1.log               output of local ranks other than 0
    RUN/logs/export-iter_0000100.log  what an export said
    RUN/logs/stacks-rank-1.txt        stacks of a rank's threads, when no step ended for a long time
    RUN/logs/slurm-1234.log           output of a Slurm job, all its restarts
    RUN/submissions/1/                what `mathcoder submit` submitted: code/, recipe.toml, command.sh
    RUN/attempts/train.jsonl          two rows per attempt of a Slurm job: its start, and how it ended
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from megatron_mathcoder.config.errors import CheckpointError, DataError

RUN_FILE = "run.toml"
LOCK_FILE = "lock"
DATA_FILE = "data.json"
CHANGES_FILE = "changes.jsonl"
METRICS_FILE = "metrics.jsonl"
VALIDATION_FILE = "validation.jsonl"
EVENTS_FILE = "events.jsonl"
REWOUND_FILE = "rewound.jsonl"
CHECKPOINTS = "checkpoints"
EXPORTS = "hf"
LOGS = "logs"
SUBMISSIONS = "submissions"
ATTEMPTS = "attempts"
PARTIAL_SUFFIX = ".partial"
LAST_WRITTEN_FILE = "metadata.json"
"""megatron-core writes this file of a checkpoint after all others."""

_NAME = re.compile(r"iter_(\d{7,})")


def read_rows(path: Path, columns: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Read a JSONL file of a run, whose rows have at least ``columns``; a last line torn by a kill is left out.

    A missing file has no rows.

    Raises:
        DataError: another line is no such row.
    """
    if not path.exists():
        return []
    rows = []
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], start=1):
        try:
            rows.append({**json.loads(line)})
        except (ValueError, TypeError):
            raise DataError(f"{path}: line {number} is no JSON object; the file is damaged, restore it or take it away") from None
        if missing := [column for column in columns if column not in rows[-1]]:
            raise DataError(f"{path}: line {number} has no {missing[0]!r}, which every row of a run has; give a run's folder")
    return rows


def checkpoint_name(step: int) -> str:
    """Return the folder name of the checkpoint after ``step`` steps, as Megatron-LM writes it."""
    return f"iter_{step:07d}"


def checkpoint_step(folder: Path) -> int:
    """Return the step in a checkpoint folder's name, or -1 for another name."""
    match = _NAME.fullmatch(folder.name)
    return int(match[1]) if match else -1


def is_checkpoint(folder: Path) -> bool:
    """Return whether ``folder`` holds a checkpoint whose save was finished."""
    return folder.suffix != PARTIAL_SUFFIX and (folder / LAST_WRITTEN_FILE).is_file()


def checkpoints_in(folder: Path) -> list[Path]:
    """Return the finished checkpoints of a ``checkpoints`` folder, oldest first."""
    found = [path for path in folder.glob("iter_*") if checkpoint_step(path) >= 0 and is_checkpoint(path)]
    return sorted(found, key=checkpoint_step)


def newest_checkpoint(run: Path) -> Path | None:
    """Return the newest finished checkpoint of a run folder, whole or damaged; None without one."""
    found = checkpoints_in(run / CHECKPOINTS)
    return found[-1] if found else None


def torn_saves(folder: Path) -> list[Path]:
    """Return what saves that never finished have left in a ``checkpoints`` folder."""
    return sorted(folder.glob(f"iter_*{PARTIAL_SUFFIX}"))


def find_checkpoint(path: Path) -> Path:
    """Return the checkpoint that ``path`` means: itself, or the newest of a run folder or of its ``checkpoints`` folder.

    Raises:
        CheckpointError: there is none.
    """
    return checkpoints_meant(path)[0]


def checkpoints_meant(path: Path) -> list[Path]:
    """Return what ``find_checkpoint`` may take when the newest are damaged: the same, and those before it, newest first.

    Raises:
        CheckpointError: there is none.
    """
    if not path.exists():
        raise CheckpointError(f"checkpoint {path}: it does not exist; give a run folder, its checkpoints/ or one iter_ folder")
    if is_checkpoint(path):
        return [path]
    if path.suffix == PARTIAL_SUFFIX:
        raise CheckpointError(f"checkpoint {path}: its save was never finished; take an older iter_ folder")
    found = checkpoints_in(path / CHECKPOINTS) or checkpoints_in(path)
    if not found:
        of_hugging_face = "this is a Hugging Face folder, of which mathcoder import-hf makes a checkpoint"
        raise CheckpointError(
            f"checkpoint {path}: no finished checkpoint is in it (an iter_ folder with {LAST_WRITTEN_FILE}); "
            + (of_hugging_face if (path / "config.json").is_file() else "give a run folder, its checkpoints/ or one iter_ folder")
        )
    return found[::-1]
