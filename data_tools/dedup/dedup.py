"""``mathcoder dedup``: documents without the copies among them.

Decides: the verb's arguments and its two passes. The first signs every slice (``DIR.signatures/``), the clusters are found in one
process, the second writes the documents that stay; each dropped row names the one that is kept for it. Of copies, the first in
the order of the input stays: name the inputs in the order of preference.
Does not: sign (``signatures.py``), cluster (``clusters.py``), or lay out the output (``document_stage.py``).

A job array does it in two runs of the same command, one for each pass.
"""

import argparse
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_tools.dedup.clusters import EXACT, MIN_SIMILARITY, NEAR, NOT_A_COPY, find_copies
from data_tools.dedup.signatures import BANDS, ROWS, SHINGLE_WORDS, Signatures, sign
from data_tools.document import Document, Dropped
from data_tools.document_stage import filter_parser, input_documents, make_documents
from data_tools.inputs import check_not_read, find_files
from data_tools.letters import MAX_LETTERS
from data_tools.manifest import Record, finished_manifest, identity
from data_tools.partial_folder import PartialFolder
from data_tools.parts import atomic_file
from data_tools.pool import Report
from data_tools.progress import Progress
from data_tools.sources import Source, SourceSlice
from data_tools.sources.record_files import RecordFiles
from data_tools.stage import run_slices
from megatron_mathcoder.config.errors import DataError

VERSION = 2
REASONS = {EXACT: "exact duplicate", NEAR: "near duplicate"}
COPIES = "copies.npz"


@dataclass(frozen=True, slots=True)
class SignTask:
    """One slice to sign into ``folder``."""

    index: int
    piece: SourceSlice
    folder: str


def sign_slice(task: SignTask, report: Report) -> Record:
    """Write the signatures and the ids of one slice's documents."""
    done = 0

    def note_bytes(count: int) -> None:
        nonlocal done
        done = count

    batches: list[Signatures] = []
    ids: list[str] = []
    texts: list[str] = []
    size = 0
    for item in task.piece.documents(note_bytes):
        if not isinstance(item, Document):
            continue
        ids.append(item.id)
        bytes_at_most = 4 * len(item.text) + 1
        if texts and size + bytes_at_most > MAX_LETTERS:
            batches.append(sign(texts))
            texts, size = [], 0
            report(done, len(ids))
        texts.append(item.text)
        size += bytes_at_most
    if texts:
        batches.append(sign(texts))
    _write(Path(task.folder), task.index, _joined(batches), ids)
    report(task.piece.bytes, len(ids))
    return {"bytes": task.piece.bytes, "count": len(ids)}


def _joined(batches: Sequence[Signatures]) -> Signatures:
    batches = batches or [sign([""])]
    ends = np.cumsum([0, *(len(batch.numbers) for batch in batches[:-1])])
    arrays = {field.name: np.concatenate([getattr(batch, field.name) for batch in batches]) for field in fields(Signatures)}
    arrays["number_ends"] = np.concatenate([batch.number_ends + end for batch, end in zip(batches, ends, strict=True)])
    return Signatures(**arrays)


def _write(folder: Path, index: int, signatures: Signatures, ids: list[str]) -> None:
    for field in fields(Signatures):
        with atomic_file(_array(folder, index, field.name)) as stream:
            np.save(stream, getattr(signatures, field.name)[: None if ids else 0])
    with atomic_file(folder / f"slice-{index:05d}.ids") as stream:
        stream.write("\n".join(id.replace("\n", " ") for id in ids).encode("utf-8", "replace"))


def _array(folder: Path, index: int, name: str) -> Path:
    return folder / f"slice-{index:05d}.{name}.npy"


def _read(folder: Path, index: int) -> Signatures:
    """Return a slice's signatures, mapped from disk."""
    return Signatures(**{field.name: np.load(_array(folder, index, field.name), mmap_mode="r") for field in fields(Signatures)})


@dataclass(frozen=True, slots=True)
class MarkedSlice:
    """A slice of which the copies are dropped. ``first`` is the number of its first document among all."""

    piece: SourceSlice
    first: int
    folder: str

    @property
    def bytes(self) -> int:
        """Size of the slice on disk."""
        return self.piece.bytes

    def documents(self, report_bytes: Callable[[int], None]) -> Iterator[Document | Dropped]:
        """Yield each document, or for a copy the record that names the one that is kept."""
        marks = np.load(Path(self.folder) / COPIES)
        kinds: NDArray[np.uint8] = marks["kind"]
        named = dict(zip(marks["dropped"].tolist(), marks["kept_id"].tolist(), strict=True))
        number = self.first
        for item in self.piece.documents(report_bytes):
            if isinstance(item, Document) and kinds[number] != NOT_A_COPY:
                yield item.dropped(f"{REASONS[int(kinds[number])]}: of {named[number]}", kept=named[number])
            else:
                yield item
            number += isinstance(item, Document)


class MarkedDocuments:
    """Source of the documents of ``source`` that are no copies. ``firsts``: the number of each slice's first document among all.

    ``among`` is a hash of all inputs, since what is a copy depends on them too.
    """

    def __init__(self, source: Source, firsts: Sequence[int], folder: Path, among: str) -> None:
        self.settings = source.settings | _settings() | {"among": among}
        self.inputs = source.inputs
        self.choices = source.choices | set(REASONS.values())
        self.slices = [MarkedSlice(piece, firsts[index], str(folder)) for index, piece in enumerate(source.slices)]


class AllDocuments:
    """Several sources one after the other."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.settings: dict[str, Any] = {"sources": [source.settings for source in sources]} | _settings()
        self.inputs = [entry for source in sources for entry in source.inputs]
        self.choices: frozenset[str] = frozenset()
        self.slices = [piece for source in sources for piece in source.slices]


def _settings() -> dict[str, Any]:
    return {"version": VERSION, "shingle_words": SHINGLE_WORDS, "bands": BANDS, "rows": ROWS, "min_similarity": MIN_SIMILARITY}


def _parser() -> argparse.ArgumentParser:
    parser = filter_parser(
        prog="mathcoder dedup",
        description="Documents without copies. Of copies the first stays: name the inputs in the order of preference.",
    )
    parser.add_argument(
        "--each",
        action="store_true",
        help="make a folder of each INPUT, DIR/NAME, without copies within it or of an earlier INPUT",
    )
    return parser


def _outputs(options: argparse.Namespace) -> dict[Path, Source]:
    """Return what is to be made, and from which documents."""
    if not options.each:
        return {options.output: input_documents(options)}
    find_files(options.inputs)
    outputs: dict[Path, Source] = {}
    for name in options.inputs:
        path = options.output / Path(name).absolute().name.split(".")[0]
        if path in outputs:
            raise DataError(f"--each would make {path} of two inputs; give the folders different last names")
        outputs[path] = RecordFiles([name], options.text_field, options.id_field, options.workers)
    return outputs


def run(argv: list[str]) -> int:
    """Run the verb. Raises DataError for what a person can mend."""
    options = _parser().parse_args(argv)
    # Asked again when the documents are written; by then all of them would have been signed.
    check_not_read(options.output, options.inputs)
    outputs = _outputs(options)
    everything = AllDocuments(list(outputs.values()))
    wanted = identity("dedup", everything.settings, everything.inputs)
    among = hashlib.sha256("".join(entry["sha256"] for entry in everything.inputs).encode()).hexdigest()
    folder = options.output.with_name(options.output.name + ".signatures")
    firsts = [0] * len(everything.slices)
    if not all(_is_finished(path, MarkedDocuments(source, firsts, folder, among), options) for path, source in outputs.items()):
        counts = _sign_all(everything, folder, wanted, options)
        if counts is None:
            print("then run the same parts again, to write the documents")
            return 0
        firsts = np.cumsum([0, *counts]).tolist()
    made = []
    for path, source in outputs.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        given = argparse.Namespace(**{**vars(options), "output": path})
        made.append(make_documents("dedup", MarkedDocuments(source, firsts, folder, among), None, given))
        firsts = firsts[len(source.slices) :]
    if None not in made and folder.exists():
        with PartialFolder(folder, wanted, options.overwrite) as signatures:
            signatures.remove()
    return 0


def _is_finished(path: Path, marked: MarkedDocuments, options: argparse.Namespace) -> bool:
    wanted = identity("dedup", marked.settings, marked.inputs)
    return finished_manifest(path / "manifest.json", wanted, options.overwrite) is not None


def _sign_all(source: Source, path: Path, wanted: Record, options: argparse.Namespace) -> list[int] | None:
    """Sign every slice and find the copies; return each slice's number of documents, None while other parts are unfinished."""
    with PartialFolder(path, wanted, options.overwrite, options.part) as folder:
        tasks = [SignTask(index, piece, str(folder.path)) for index, piece in enumerate(source.slices)]
        with Progress("dedup: signatures", sum(task.piece.bytes for task in tasks), "documents") as progress:
            records = run_slices(sign_slice, tasks, folder, options.workers, progress)
        if records is None or not folder.may_publish():
            return None
        counts = [record["count"] for record in records]
        if not (folder.path / COPIES).exists():
            _mark(folder.path, counts)
            if options.part:
                return None
    return counts


def _mark(folder: Path, counts: Sequence[int]) -> None:
    """Find the copies and write who they are and what is kept for them."""
    copies = find_copies([_read(folder, index) for index in range(len(counts))])
    dropped = np.flatnonzero(copies.kind)
    ids = _ids(folder, counts, set(copies.kept[dropped].tolist()))
    kept_ids = np.array([ids[number] for number in copies.kept[dropped].tolist()], dtype=np.str_)
    with atomic_file(folder / COPIES) as stream:
        np.savez(stream, kind=copies.kind, dropped=dropped, kept_id=kept_ids)


def _ids(folder: Path, counts: Sequence[int], wanted: set[int]) -> dict[int, str]:
    ids: dict[int, str] = {}
    first = 0
    for index, count in enumerate(counts):
        here = [number for number in range(first, first + count) if number in wanted] if wanted else []
        if here:
            lines = (folder / f"slice-{index:05d}.ids").read_text(encoding="utf-8").split("\n")
            ids |= {number: lines[number - first] for number in here}
        first += count
    return ids
