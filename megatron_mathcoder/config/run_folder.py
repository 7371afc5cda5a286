"""The files of a run folder, by name.

Decides: where a run keeps what, and which checkpoint folders are whole.
Does not: read or write weights; trainer, converter and launcher share these names without knowing each other.

    RUN/run.toml                      the resolved recipe
    RUN/data.json                     what tells its datasets from others
    RUN/changes.jsonl                 one row per resume with a changed recipe: the step, and old and new values
    RUN/metrics.jsonl                 one row a step
    RUN/validation.jsonl              one row per validation and blend part
    RUN/events.jsonl                  one row per skipped step and per rewind
    RUN/rewound.jsonl                 rows of metrics.jsonl and validation.jsonl that a rewind took back
    RUN/checkpoints/iter_0000100/     a checkpoint: megatron-core's files, run.toml and checksums.json
    RUN/checkpoints/iter_0000200.partial/   a save that never finished; never read
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
from pathlib import Path
from typing import Any

from megatron_mathcoder.config.errors import CheckpointError

RUN_FILE = "run.toml"
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


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read a JSONL file of a run; a last line torn by a kill is left out. A missing file has no rows."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]


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


def find_checkpoint(path: Path) -> Path:
    """Return the checkpoint that ``path`` means: itself, or the newest of a run folder or of its ``checkpoints`` folder.

    Raises:
        CheckpointError: there is none.
    """
    if not path.exists():
        raise CheckpointError(f"checkpoint {path}: it does not exist; give a run folder, its checkpoints/ or one iter_ folder")
    if is_checkpoint(path):
        return path
    if path.suffix == PARTIAL_SUFFIX:
        raise CheckpointError(f"checkpoint {path}: its save was never finished; take an older iter_ folder")
    newest = (checkpoints_in(path / CHECKPOINTS) or checkpoints_in(path))[-1:]
    if not newest:
        raise CheckpointError(
            f"checkpoint {path}: no finished checkpoint is in it (an iter_ folder with {LAST_WRITTEN_FILE}); "
            "give a run folder, its checkpoints/ or one iter_ folder"
        )
    return newest[0]
