"""The record of a conversion, kept beside its result: what every byte should be.

Decides: what is digested: each tensor's bytes in Hugging Face order, each data file's bytes around its tensors, each small
file whole. Together they are every byte of the folder, so one flipped bit anywhere shows. Does not: compare (``verify``).
"""

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import xxhash

from checkpoints_convert.byte_copy import digest_range
from checkpoints_convert.stored_tensor import Block, StoredTensor
from megatron_mathcoder.config.errors import CheckpointError

MANIFEST_FILE = "conversion.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """All digests are xxh3-128, hexadecimal."""

    source: str
    """Name of the folder that was converted."""
    tensors: dict[str, str]
    """Hugging Face tensor → digest of its bytes."""
    frames: dict[str, str]
    """Data file → digest of everything in it that is not tensor data."""
    files: dict[str, str]
    """Small file, by its path in the folder → digest."""
    hf_headers: dict[str, str] = field(default_factory=dict)
    """safetensors file of the source → its JSON header, byte for byte; what an export needs to write the same files again."""
    hf_ignored: dict[str, str] = field(default_factory=dict)
    """Tensor of the source that no model needs → its bytes, hexadecimal."""


def blocks_by_file(folder: Path, tensors: Iterable[StoredTensor]) -> dict[str, list[Block]]:
    """The blocks of each data file, in the order of their offsets, by the file's path in ``folder``."""
    home, found = folder.resolve(), defaultdict[str, set[Block]](set)
    for block in (block for tensor in tensors for block in tensor.blocks):
        found[block.path.resolve().relative_to(home).as_posix()].add(block)
    return {name: sorted(found[name], key=lambda block: block.offset) for name in sorted(found)}


def frame_digests(folder: Path, tensors: Iterable[StoredTensor]) -> dict[str, str]:
    """For each data file, the digest of all its bytes outside of the tensors' blocks, with their places."""
    return {name: _frame_digest(folder / name, blocks) for name, blocks in blocks_by_file(folder, tensors).items()}


def _frame_digest(path: Path, blocks: list[Block]) -> str:
    digest, position = xxhash.xxh3_128(), 0
    with path.open("rb") as file:
        for block in [*blocks, Block(0, 0, 0, 0, path, path.stat().st_size)]:
            file.seek(position)
            digest.update(position.to_bytes(8, "little") + file.read(block.offset - position))
            position = block.offset + block.rows * block.width
    return digest.hexdigest()


def file_digests(folder: Path, other_than: Iterable[str]) -> dict[str, str]:
    """Digest of every file of ``folder`` and its subfolders that is not in ``other_than``."""
    skip = {MANIFEST_FILE, *other_than}
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.relative_to(folder).as_posix() not in skip)
    return {path.relative_to(folder).as_posix(): digest_range(path, 0, path.stat().st_size) for path in paths}


def bytes_digest(content: bytes) -> str:
    """Digest of a small file's content."""
    return xxhash.xxh3_128_hexdigest(content)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest with a digest of itself."""
    content = asdict(manifest)
    text = json.dumps({"digest": _self_digest(content), **content}, indent=1, ensure_ascii=False)
    (folder / MANIFEST_FILE).write_text(text + "\n")


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a folder; None when it has none. Raises ``CheckpointError`` when it is damaged."""
    path = folder / MANIFEST_FILE
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_bytes())
        if content.pop("digest") != _self_digest(content):
            raise ValueError("its digest is another")
        return Manifest(**content)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path}: damaged ({error}); convert again, or remove it to go without") from None


def _self_digest(content: dict[str, object]) -> str:
    return xxhash.xxh3_128_hexdigest(json.dumps(content, sort_keys=True).encode())
