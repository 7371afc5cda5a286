"""Run a plan: make the target files, carry every copy, digest every tensor, and survive being killed.

Decides: the order of work (that of the Hugging Face files, so that one side is sequential), what is shown meanwhile, when
bytes are safe, and where a killed conversion goes on. Does not: decide what goes where (``copy_plan``) or how a copy is
made (``byte_copy``).

Several threads carry a tensor each; another, after every ``COMMIT_BYTES``, waits until the disk has what they wrote and writes
its names into the journal. What the journal names is never copied again.
"""

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, Self

import xxhash
from tqdm import tqdm

from checkpoints_convert.byte_copy import OpenFiles, carry
from checkpoints_convert.copy_plan import Plan
from checkpoints_convert.nonfinite import FiniteCheck
from checkpoints_convert.partial_folder import LOCK_FILE
from checkpoints_convert.safetensors_stream import SafetensorsFile
from checkpoints_convert.stored_tensor import StoredTensor

COMMIT_BYTES = 1 << 28
"""Tensor bytes between two commits: small enough that the disk is busy from the start."""
COPIERS = 4
"""Threads that carry tensors."""
JOURNAL_FILE = "journal.jsonl"


class TargetFile(NamedTuple):
    """A file to write: its length, and its bytes that are not tensor data as (offset, bytes)."""

    path: Path
    file_bytes: int
    frames: list[tuple[int, bytes]]

    @classmethod
    def of_safetensors(cls, shard: SafetensorsFile, ignored: Mapping[str, bytes]) -> Self:
        """The frames are the header and the content of tensors that no plan carries."""
        places = {name: tensor.blocks[0] for name, tensor in shard.tensors.items()}
        frames = [(places[name].offset, content) for name, content in ignored.items() if name in places]
        return cls(next(iter(places.values())).path, shard.file_bytes, [(0, shard.header), *frames])


class NewCheckpoint(NamedTuple):
    """A Megatron checkpoint laid out: ``copies`` are complete sets of tensors with their places, more than one where ranks store
    the same tensor; small files by name; the marker, written last, that makes the folder a checkpoint.
    """

    copies: list[dict[str, StoredTensor]]
    targets: list[TargetFile]
    small_files: dict[str, bytes]
    marker: tuple[str, bytes]


def write_tensors(
    plan: Plan,
    hf: Mapping[str, StoredTensor],
    targets: Sequence[TargetFile],
    partial: Path,
    *,
    to_hf: bool,
    allow_nonfinite: bool = False,
) -> dict[str, str]:
    """Write the target files, which lie in ``partial``, whole. Returns the digest of every Hugging Face tensor's bytes.

    The digests are taken of the bytes on their way. Raises
    ``CheckpointError`` when a source ends early, or has a NaN or an infinity and ``allow_nonfinite`` is not given.
    """
    journal = begin(plan, targets, partial)
    sizes = {name: tensor.rows * tensor.row_bytes for name, tensor in hf.items()}
    order = sorted(plan.keys() - journal.digests.keys(), key=lambda name: (hf[name].blocks[0].path, hf[name].blocks[0].offset))
    done = sum(sizes[name] for name in journal.digests)
    with (
        OpenFiles([target.path for target in targets]) as files,
        # After the files: what the threads still do at the end needs them open.
        ThreadPoolExecutor(1) as committer,
        ThreadPoolExecutor(COPIERS) as copiers,
        tqdm(total=sum(sizes.values()), initial=done, unit="B", unit_scale=True, disable=None, leave=False) as bar,
    ):
        descriptors = [files.descriptor(target.path) for target in targets]
        copies, commits = dict[str, Future[str]](), list[Future[None]]()
        for name in order:
            check = None if allow_nonfinite else FiniteCheck(name, hf[name].dtype)
            copies[name] = copiers.submit(carry, plan[name], files, to_hf=to_hf, check=check)
        try:
            for batch in batches(order, sizes):
                digests = dict[str, str]()
                for name in batch:
                    digests[name] = copies.pop(name).result()
                    bar.update(sizes[name])
                commits.append(committer.submit(journal.commit, digests, descriptors))
            for commit in commits:
                commit.result()
        except BaseException:
            copiers.shutdown(wait=False, cancel_futures=True)
            raise
    journal.path.unlink()
    return journal.digests


def begin(plan: Plan, targets: Sequence[TargetFile], partial: Path) -> "Journal":
    """Go on with what an earlier run of the same conversion has done in ``partial``, or make the target files."""
    journal = Journal(partial / JOURNAL_FILE, fingerprint(plan, targets))
    if not journal.digests:
        clear(partial)
        for target in targets:
            make_file(target)
    journal.start()
    return journal


def batches(names: Iterable[str], sizes: Mapping[str, int]) -> Iterator[list[str]]:
    """The names in order, ``COMMIT_BYTES`` of tensors or a little more at a time."""
    batch, size = list[str](), 0
    for name in names:
        batch.append(name)
        size += sizes[name]
        if size >= COMMIT_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def clear(partial: Path) -> None:
    """Remove what another conversion left behind."""
    for path in partial.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != LOCK_FILE:
            path.unlink()


def make_file(target: TargetFile) -> None:
    """Create a file at its full length with everything in it but tensor data."""
    target.path.parent.mkdir(exist_ok=True, parents=True)
    with target.path.open("wb") as file:
        file.truncate(target.file_bytes)
        for offset, content in target.frames:
            file.seek(offset)
            file.write(content)


def fingerprint(plan: Plan, targets: Sequence[TargetFile]) -> str:
    """A digest of all that a half-done conversion relies on: the copies, and its sources' sizes and times."""
    written = {target.path for target in targets}
    digest = xxhash.xxh3_128()
    seen: set[Path] = set()
    for name, copies in plan.items():
        digest.update(name.encode())
        for copy in copies:
            digest.update(repr((copy.hf_path.name, copy.hf_offset, copy.rows, [(p.name, *at) for p, *at in copy.parts])).encode())
            seen |= {copy.hf_path, *(path for path, *_ in copy.parts)}
    for path in sorted(seen - written):
        state = path.stat()
        digest.update(repr((str(path), state.st_size, state.st_mtime_ns)).encode())
    return digest.hexdigest()


class Journal:
    """Which tensors of a conversion are on the disk, in a file beside them."""

    def __init__(self, path: Path, identity: str) -> None:
        """Take over what an earlier run of the same conversion finished; a journal of another conversion counts for nothing."""
        self.path, self._identity, self._disk_failed = path, identity, False
        self.digests: dict[str, str] = {}
        lines = path.read_text().splitlines() if path.is_file() else []
        if lines and lines[0] == json.dumps({"conversion": identity}):
            for line in lines[1:]:
                try:
                    self.digests |= json.loads(line)
                except ValueError:
                    break  # the line being written when the process died

    def start(self) -> None:
        """Write the journal anew, without a line that was cut."""
        lines = [{"conversion": self._identity}, *({name: digest} for name, digest in self.digests.items())]
        self.path.write_text("".join(json.dumps(line) + "\n" for line in lines))

    def commit(self, digests: Mapping[str, str], descriptors: Sequence[int]) -> None:
        """Wait until the disk has these tensors, then say so; nothing more once the disk has failed.

        The kernel tells of a page it could not write once: the next fsync succeeds, though the page may be a later tensor's.
        """
        if self._disk_failed:
            return
        self._disk_failed = True
        for descriptor in descriptors:
            os.fsync(descriptor)
        self._disk_failed = False
        with self.path.open("a") as file:
            file.write("".join(json.dumps({name: digest}) + "\n" for name, digest in digests.items()))
            file.flush()
            os.fsync(file.fileno())
        self.digests |= digests
