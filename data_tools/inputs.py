"""From what a person names (files, folders) to slices: pieces of input that can be read on their own, in a fixed order.

Decides: which files count, the order they are read in, where a plain JSONL or parquet file is cut. The cuts depend on the
inputs alone, never on the number of workers, so the output does not either.
Does not: parse rows (``rows.py``).

A plain ``.jsonl`` is cut at newlines and a ``.parquet`` at row groups. ``.gz`` and ``.zst`` can only be read from their
beginning, so such a file is one slice.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import TypeVar

from megatron_mathcoder.config.errors import DataError

SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.zst", ".parquet")
MIN_SLICE_BYTES = 16 * 2**20
MAX_SLICE_BYTES = 256 * 2**20
CHUNK_BYTES = 2**20
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class InputSlice:
    """A piece of an input file.

    ``start`` and ``end`` are byte offsets for plain JSONL, row-group numbers for parquet, and 0 and the file's size for a
    compressed file. ``first_line`` is the 1-based line (parquet: row) that the slice begins with. ``bytes`` is its size on
    disk, for progress.
    """

    path: str
    start: int
    end: int
    first_line: int
    bytes: int


def whole_file(path: str | Path) -> InputSlice:
    """Return a file as one slice, for who reads its rows in one go."""
    size = Path(path).stat().st_size
    return InputSlice(str(path), 0, size, 1, size)


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file as it was when the run was planned: ``bytes`` on disk, ``sha256`` of its content, and its slices."""

    path: str
    bytes: int
    sha256: str
    slices: tuple[InputSlice, ...]

    def manifest_entry(self) -> dict[str, str | int]:
        """Return the row of a manifest's ``inputs``."""
        return {"path": self.path, "bytes": self.bytes, "sha256": self.sha256}


def find_files(inputs: Sequence[str], suffixes: Sequence[str] = SUFFIXES, pattern: str = "*") -> list[str]:
    """Return the files that ``inputs`` name, as ``files_by_input`` finds them."""
    return [file for files in files_by_input(inputs, suffixes, pattern) for file in files]


def files_by_input(inputs: Sequence[str], suffixes: Sequence[str] = SUFFIXES, pattern: str = "*") -> list[list[str]]:
    """Return the files that each of ``inputs`` names: the file itself, or a folder's files sorted by path.

    A folder written by ``mathcoder prepare`` stands for its ``documents/``, also inside another folder. Of a folder, only files
    with one of ``suffixes`` (in any case) and a name like one of ``pattern`` (``cc_en*,cc_fr*``) count; the others are passed
    over, and so are hidden files and folders, ``*.rejected.jsonl`` and what is in ``*.partial`` folders. Links are followed, but
    those to what is read anyway.

    Raises DataError: nothing there, an unknown suffix, a folder without a readable file, or a file named twice. Raises OSError
    for a folder that may not be read.
    """
    listed = ", ".join(suffixes)
    found: list[list[str]] = []
    for name in inputs:
        path = Path(name)
        if path.is_dir():
            files = _files_of_folder(path, tuple(suffixes), pattern)
            if not files:
                named = "" if pattern == "*" else f" named like {pattern!r}; --files names others"
                raise DataError(f"input folder {path.as_posix()!r} holds no {listed} file{named}")
            found.append(files)
        elif not path.exists():
            raise DataError(f"input {name!r} does not exist; name a file or a folder with {listed}")
        elif not path.name.lower().endswith(tuple(suffixes)):
            raise DataError(f"input {name!r} has an unknown suffix; readable are {listed}")
        else:
            found.append([path.as_posix()])
    seen: set[str] = set()
    for name in (file for files in found for file in files):
        real = os.path.realpath(name)
        if real in seen:
            raise DataError(f"input {name!r} is named twice; its documents would be read twice, so name it once")
        seen.add(real)
    return found


def shown(path: str) -> str:
    """Return a path as text that any file may hold: a name's bytes that are no UTF-8 are spelled ``\\xe9``."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def check_not_read(output: Path, inputs: Sequence[str]) -> None:
    """Raise DataError for an output of rows in one of the folders ``inputs``: the next run would read it too."""
    place = output.resolve()
    for name in inputs:
        root = _root_of(Path(name), SUFFIXES).resolve()
        if root.is_dir() and place.is_relative_to(root) and not any(map(_is_passed_over, place.relative_to(root).parts)):
            raise DataError(
                f"output {str(output)!r} lies in the input folder {name!r}, where the next run would look for documents; "
                "choose a place beside it"
            )


def _root_of(folder: Path, suffixes: tuple[str, ...]) -> Path:
    # A web site may have a folder of that name too; there it is one among others.
    return folder / "documents" if suffixes == SUFFIXES and (folder / "documents").is_dir() else folder


def _files_of_folder(folder: Path, suffixes: tuple[str, ...], pattern: str) -> list[str]:
    root = _root_of(folder, suffixes)
    patterns = pattern.split(",")
    named = [path for path in _files_below(root) if path.name.lower().endswith(suffixes)]
    wanted = [path for path in named if any(fnmatch(path.name, one) for one in patterns)]
    files = [path for path in wanted if path.is_file() and not path.name.endswith(".rejected.jsonl")]
    # Manuals and mirrors link one page under several names. Where only links lead to a file, the first stays.
    files.sort(key=lambda path: (path.is_symlink(), path), reverse=True)
    by_file = {os.path.realpath(path): path for path in files}
    return sorted(path.as_posix() for path in by_file.values())


def _files_below(root: Path) -> Iterator[Path]:
    """Yield the files below a folder, those of a folder that several links lead to once; what the verbs leave beside is none."""
    seen: set[str] = set()
    for name, folders, files in os.walk(root, followlinks=True, onerror=_refuse):
        real = os.path.realpath(name)
        beside = {"dropped"} if "documents" in folders else set()
        open_ones = [each for each in folders if each not in beside and not _is_passed_over(each)]
        open_ones.sort(key=lambda each: ((Path(name) / each).is_symlink(), each))
        folders[:] = [] if real in seen else open_ones
        if real not in seen:
            yield from (Path(name) / each for each in files if not each.startswith("."))
        seen.add(real)


def _is_passed_over(folder: str) -> bool:
    return folder.startswith(".") or folder.endswith(".partial")


def _refuse(error: OSError) -> None:
    """A folder that cannot be listed may hold documents, so it is not passed over in silence, as ``os.walk`` would."""
    raise error


def grouped(items: Iterable[Item], weight: Callable[[Item], int], limit: int) -> Iterator[tuple[Item, ...]]:
    """Cut a list into groups, each ended by the item with which it weighs ``limit`` or more."""
    group: list[Item] = []
    total = 0
    for item in items:
        group.append(item)
        total += weight(item)
        if total >= limit:
            yield tuple(group)
            group, total = [], 0
    if group:
        yield tuple(group)


def suffix_of(path: str) -> str:
    """Return what says how a file is read: ``.jsonl``, ``.gz``, ``.zst`` or ``.parquet``, in any case."""
    return Path(path).suffix.lower()


def slice_size(total_bytes: int) -> int:
    """Return the bytes a slice should have: about a thousand slices for a large input, within 16 and 256 MiB."""
    return min(max(total_bytes // 1000, MIN_SLICE_BYTES), MAX_SLICE_BYTES)


def scan_file(path: str, slice_bytes: int) -> InputFile:
    """Read a file once for its hash and, for plain JSONL, its cuts and line numbers (about 1 GB/s)."""
    digest = hashlib.sha256()
    size = start = line = 0
    first_line = 1
    plain = suffix_of(path) == ".jsonl"
    slices: list[InputSlice] = []
    with Path(path).open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
            last_newline = chunk.rfind(b"\n") if plain else -1
            cut = size + last_newline + 1
            if last_newline >= 0 and cut - start >= slice_bytes:
                line += chunk.count(b"\n", 0, last_newline + 1)
                slices.append(InputSlice(path, start, cut, first_line, cut - start))
                start, first_line = cut, line + 1
            elif plain:
                line += chunk.count(b"\n")
            size += len(chunk)
    if suffix_of(path) == ".parquet":
        slices = _parquet_slices(path, size, slice_bytes)
    elif start < size:
        slices.append(InputSlice(path, start, size, first_line, size - start))
    return InputFile(path, size, digest.hexdigest(), tuple(slices))


def _parquet_slices(path: str, size: int, slice_bytes: int) -> list[InputSlice]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_metadata(path)
    except (pa.ArrowException, OSError):
        # Reading it will fail the same way, and then the failure is rejected with its reason like any other.
        return [InputSlice(path, 0, 1, 1, size)]
    slices: list[InputSlice] = []
    start = rows = slice_rows = weight = 0
    for group in range(metadata.num_row_groups):
        weight += metadata.row_group(group).total_byte_size
        slice_rows += metadata.row_group(group).num_rows
        if weight >= slice_bytes or group + 1 == metadata.num_row_groups:
            share = size * (group + 1 - start) // metadata.num_row_groups
            slices.append(InputSlice(path, start, group + 1, rows + 1, share))
            rows += slice_rows
            start, slice_rows, weight = group + 1, 0, 0
    return slices
