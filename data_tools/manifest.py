"""What an output was made from and what it holds: its manifest.

Decides: what makes two outputs the same (``identity``: stage, settings, hashes of inputs and tokenizer), that one which is there
already is recognised and never replaced unasked, and the two laws of its counts: documents are conserved, and of rows that could
not be read there are no more than a share.
Does not: make anything (``stage.py``).
"""

import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from megatron_mathcoder import __version__
from megatron_mathcoder.config.errors import DataError

BRIEF_CHARACTERS = 100
Record = dict[str, Any]


class OtherOutputError(DataError):
    """What is there was made from something else, and may not be replaced unasked."""


def identity(
    stage: str, settings: dict[str, Any], inputs: list[dict[str, Any]], tokenizer: dict[str, Any] | None = None
) -> Record:
    """Return the keys of a manifest that decide whether a finished output may be reused."""
    keys: Record = {"format": 1, "stage": stage, "settings": settings, "inputs": inputs}
    return keys if tokenizer is None else keys | {"tokenizer": tokenizer}


def code_version() -> Record:
    """Return version, git commit (None outside a clone; ``-dirty`` appended for uncommitted changes) and today's date."""
    root = Path(__file__).resolve().parent.parent
    commit = None
    if (root / ".git").exists():
        command = ["git", "-C", str(root), "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
        try:
            answer = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
            commit = answer.stdout.strip() or None
        except (OSError, subprocess.TimeoutExpired):
            commit = None
    return {"mathcoder_version": __version__, "git_commit": commit, "created": datetime.now(UTC).isoformat(timespec="seconds")}


def finished_manifest(manifest_path: Path, wanted: Record, overwrite: bool) -> Record | None:
    """Return the manifest of a finished output that is the same as ``wanted``; None when there is nothing to reuse.

    Raises DataError when something else is there and ``overwrite`` is False (OtherOutputError when it can be read).
    """
    if not manifest_path.exists() or overwrite:
        return None
    try:
        found: Record = orjson.loads(manifest_path.read_bytes())
    except orjson.JSONDecodeError:
        raise DataError(f"{manifest_path} is not readable as JSON; remove it or add --overwrite") from None
    if other := difference(found, wanted):
        raise OtherOutputError(f"{manifest_path} belongs to another output ({other}); choose another --output or add --overwrite")
    return found


def difference(found: Record, wanted: Record) -> str | None:
    """Say in which key of ``wanted`` an output that was found is another; None when it is the same."""
    for key, value in wanted.items():
        there = found.get(key)
        if key == "settings" and isinstance(there, dict):
            for name in sorted(value.keys() | there.keys()):
                if there.get(name) != value.get(name):
                    return f"setting {name}: {_brief(there.get(name))} there, {_brief(value.get(name))} now"
        elif _without_paths(there) != _without_paths(value):
            return "made from other inputs" if key == "inputs" else f"made with another {key}"
    return None


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= BRIEF_CHARACTERS else f"{text[:BRIEF_CHARACTERS]}…"


def _without_paths(value: Any) -> Any:
    """Drop ``path`` keys: content decides, and the same content may be reached by another path today."""
    if isinstance(value, dict):
        return {key: _without_paths(item) for key, item in value.items() if key != "path"}
    return [_without_paths(item) for item in value] if isinstance(value, list) else value


def check_conservation(documents_in: int, documents_out: int, dropped: int) -> None:
    """Hold the law of every stage: documents in = documents out + dropped. A breach is a defect, not a user's mistake."""
    if documents_in != documents_out + dropped:
        raise RuntimeError(f"documents were lost: {documents_in} in, {documents_out} out + {dropped} dropped")


def check_rejected(rejected: int, rows: int, max_fraction: float, where: Path) -> None:
    """Raise DataError when more than ``max_fraction`` of the rows could not be read."""
    if rejected > max_fraction * rows:
        raise DataError(
            f"{rejected} of {rows} rows ({rejected / rows:.1%}) could not be read, more than --max-reject-fraction "
            f"{max_fraction}; see {where}, mend the input or raise the limit (finished work is kept)"
        )
