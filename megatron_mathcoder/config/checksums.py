"""Whether a checkpoint's files are what was written.

Decides: one CRC-32 per file, in ``checksums.json`` beside them. torch's reader of a checkpoint checks none: a flipped bit loads
without an error. CRC-32 finds every burst of up to 32 bits and misses one in four billion of the rest.
Does not: guard against somebody who changes the sums too, or say what a file means.
"""

import json
import zlib
from collections.abc import Iterable
from pathlib import Path

CHECKSUMS_FILE = "checksums.json"
_BLOCK_BYTES = 8 * 2**20


def checksum(path: Path) -> str:
    """Return the CRC-32 of a file's bytes as eight hexadecimal digits."""
    value = 0
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            value = zlib.crc32(block, value)
    return f"{value:08x}"


def write_checksums(folder: Path, checksums: dict[str, str]) -> None:
    """Write the sums (file name → CRC-32) of a folder's files."""
    (folder / CHECKSUMS_FILE).write_text(json.dumps({"crc32": checksums}, indent=1, sort_keys=True) + "\n")


def read_checksums(folder: Path) -> dict[str, str]:
    """Return the sums of a folder's files; none if it was written without."""
    path = folder / CHECKSUMS_FILE
    return dict(json.loads(path.read_text())["crc32"]) if path.is_file() else {}


def damaged_files(folder: Path, checksums: Iterable[tuple[str, str]]) -> list[str]:
    """Return the files that are missing or whose bytes do not give their sum."""
    return [name for name, expected in checksums if not (folder / name).is_file() or checksum(folder / name) != expected]
