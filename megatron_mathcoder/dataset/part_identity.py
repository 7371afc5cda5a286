"""What tells one dataset from another, in a few numbers.

Decides: the marks by which a dataset is known again when a run resumes, or found twice in a blend: its sizes, a hash of the
ends of its ``.bin``, and its tokenizer's hash.
Does not: judge them (``blend_rules.py``), or read all of the tokens: at 20 billion that would take minutes on every rank.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from megatron_mathcoder.config.errors import DataError

END_BYTES = 1 << 20
"""Bytes hashed at each end of a ``.bin``: enough to see another order of documents, or other ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartIdentity:
    """The marks of one part's dataset."""

    name: str
    tokens: int
    documents: int
    ends_sha256: str
    """Of the first and the last ``END_BYTES`` of the ``.bin`` and, where there is one, of the ``.mask``."""
    tokenizer_sha256: str
    """As the manifest names it; "" for a stock Megatron dataset, which has none."""
    tokenizer_path: str
    """Where that tokenizer lay when the dataset was made, or ""."""
    manifest_tokens: int
    """Tokens the manifest promises; equal to ``tokens`` without one."""

    @property
    def content(self) -> tuple[int, int, str]:
        """What two copies of one dataset have in common."""
        return self.tokens, self.documents, self.ends_sha256


def read_manifest(prefix: str) -> dict[str, Any]:
    """Return the manifest that ``mathcoder tokenize`` left beside a dataset; empty for a stock Megatron dataset, which has none.

    Raises:
        DataError: it is torn, or names no tokenizer.
    """
    path = Path(f"{prefix}.manifest.json")
    if not path.is_file():
        return {}
    try:
        told = json.loads(path.read_text())
        if {"path", "vocab_size"} <= told["tokenizer"].keys():
            return dict(told)
        reason = "it names no tokenizer"
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}"
    raise DataError(f"{path}: is no manifest of mathcoder tokenize ({reason}); tokenize again, or remove it to go without")


def identify_part(name: str, prefix: str, tokens: int, documents: int) -> PartIdentity:
    """Read the marks of the dataset at ``prefix``, whose index says it has ``tokens`` in ``documents``."""
    told = read_manifest(prefix)
    tokenizer = told.get("tokenizer", {})
    return PartIdentity(
        name=name,
        tokens=tokens,
        documents=documents,
        ends_sha256=_hash_of_ends([Path(f"{prefix}.bin"), Path(f"{prefix}.mask")]),
        tokenizer_sha256=tokenizer.get("sha256", ""),
        tokenizer_path=tokenizer.get("path", ""),
        manifest_tokens=told.get("tokens", tokens),
    )


def identities_text(parts: Sequence[PartIdentity]) -> str:
    """Return the parts as the JSON a run folder keeps."""
    return json.dumps([asdict(part) for part in parts], indent=1) + "\n"


def read_identities(path: Path) -> list[PartIdentity]:
    """Read what ``identities_text`` wrote; none where a run has no such file."""
    return [PartIdentity(**part) for part in json.loads(path.read_text())] if path.is_file() else []


def _hash_of_ends(paths: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        if path.is_file():
            with path.open("rb") as stream:
                digest.update(stream.read(END_BYTES))
                stream.seek(max(stream.tell(), path.stat().st_size - END_BYTES))
                digest.update(stream.read(END_BYTES))
    return digest.hexdigest()
