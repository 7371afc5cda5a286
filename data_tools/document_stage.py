"""A stage that makes documents: its arguments, and the folder that a person finds afterwards.

Decides: what every such verb leaves (``DIR/documents/part-*.jsonl.zst`` with rows ``id``, ``text``, ``metadata``;
``DIR/dropped/part-*.jsonl`` with rows ``id``, ``reason``, ``file``, ``line`` and details; ``DIR/manifest.json``), that ``DIR``
appears in one rename when all is in it, and that documents in = documents out + dropped.
Does not: read a corpus (``sources/``), judge a document (a filter), or do a slice (``document_slice.py``).
"""

import argparse
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from data_tools.arguments import (
    INPUT_HELP,
    add_inputs,
    add_max_reject_fraction,
    add_overwrite,
    add_part,
    add_row_fields,
    add_workers,
    output_path,
)
from data_tools.document_slice import DOCUMENTS, DocumentFilter, DocumentTask, document_slice
from data_tools.inputs import SUFFIXES, check_not_read
from data_tools.manifest import Record, check_conservation, check_rejected, code_version, finished_manifest, identity
from data_tools.partial_folder import PartialFolder, remove_leftover
from data_tools.parts import remove_temporary_files, sync_folder, write_json
from data_tools.progress import Progress
from data_tools.sources import Source
from data_tools.sources.record_files import RecordFiles
from data_tools.stage import run_slices
from megatron_mathcoder.config.errors import DataError


def add_stage_arguments(parser: argparse.ArgumentParser, output: bool = True) -> None:
    """Add what every verb that makes documents takes beside its inputs: ``--output`` (required?), ``--workers``, ``--part``
    …"""
    parser.add_argument("--output", type=output_path, required=output, metavar="DIR", help="folder to make")
    add_max_reject_fraction(parser)
    add_workers(parser)
    add_part(parser)
    add_overwrite(parser)


def filter_parser(prog: str, description: str, output: bool = True) -> argparse.ArgumentParser:
    """Return the parser of a verb that filters documents, with the arguments they all share."""
    parser = argparse.ArgumentParser(prog=prog, description=description)
    add_inputs(parser, INPUT_HELP)
    add_row_fields(parser)
    add_stage_arguments(parser, output)
    return parser


def input_documents(options: argparse.Namespace) -> RecordFiles:
    """Return the source of the documents that a filter's INPUT arguments name."""
    return RecordFiles(options.inputs, options.text_field, options.id_field, options.workers)


def make_documents(
    stage: str,
    source: Source,
    judge: DocumentFilter | None,
    options: argparse.Namespace,
    finish: Callable[[Path, Record], None] | None = None,
    rows: str = DOCUMENTS,
    may_be_empty: bool = False,
) -> Record | None:
    """Do a stage: every slice of ``source`` through ``judge``. Return the manifest, or None while other parts are unfinished.

    ``options`` are those of ``add_inputs`` and ``add_stage_arguments``. ``finish`` may add files to the new folder, and to its
    manifest, before the folder appears. ``rows`` names the folder of what is kept. With ``may_be_empty`` keeping nothing is a
    result too.

    Raises DataError: the output is taken or cannot be replaced, too many rows could not be read, or nothing was left.
    """
    output = _replaceable(options.output)
    wanted = identity(stage, source.settings | ({} if judge is None else judge.settings), source.inputs)
    partial_path = output.with_name(output.name + ".partial")
    _check_beside(output, source.inputs, options.inputs)
    if manifest := finished_manifest(output / "manifest.json", wanted, options.overwrite):
        _check_parts(output / rows, manifest)
        remove_leftover(partial_path, wanted)
        print(f"{output} is already there, from the same inputs: {manifest['documents']} documents; nothing to do")
        return manifest
    _check_free(output, options.overwrite, rows)
    with PartialFolder(partial_path, wanted, options.overwrite, options.part) as partial:
        new = partial.path / "output"
        for name in (rows, "dropped"):
            (new / name).mkdir(parents=True, exist_ok=True)
        tasks = [DocumentTask(index, piece, judge, source.choices, str(new), rows) for index, piece in enumerate(source.slices)]
        with Progress(stage, sum(task.piece.bytes for task in tasks), "documents") as progress:
            records = run_slices(document_slice, tasks, partial, options.workers, progress)
        if records is None or not partial.may_publish():
            return None
        manifest = wanted | _totals(records) | code_version()
        _check_totals(manifest, len(source.inputs), options.max_reject_fraction, new, may_be_empty)
        if finish is not None:
            finish(new, manifest)
        write_json(new / "manifest.json", manifest)
        _publish(new, output)
        partial.remove()
    _print(output, manifest)
    return manifest


def _print(output: Path, manifest: Record) -> None:
    print(
        f"{output}: {manifest['documents_in']} documents in = {manifest['documents']} out + {_dropped_text(manifest)}; "
        f"{manifest['text_bytes'] / 1e6:.1f} MB of text in {len(manifest['parts'])} parts"
    )


def _check_totals(totals: Record, inputs: int, max_reject_fraction: float, new: Path, may_be_empty: bool) -> None:
    check_conservation(totals["documents_in"], totals["documents"], totals["dropped"])
    check_rejected(totals["unreadable"], totals["documents_in"], max_reject_fraction, new / "dropped")
    if totals["documents"] == 0 and not may_be_empty:
        raise DataError(f"no documents: {_dropped_text(totals)} of {inputs} inputs; see {new / 'dropped'}")


def _replaceable(output: Path) -> Path:
    """Return the folder that is made: where ``output`` is a link, what it leads to. Raises DataError: it is a mount point."""
    output = output.resolve() if output.is_symlink() else output
    if output.is_mount():
        raise DataError(f"--output {str(output)!r} is a mount point, which no folder can replace; name a folder in it")
    return output


def _check_parts(folder: Path, manifest: Record) -> None:
    """Raise DataError when parts have gone since: what reads the folder would miss their documents without a word."""
    if gone := [part["name"] for part in manifest["parts"] if not (folder / part["name"]).exists()]:
        raise DataError(f"{folder / gone[0]} is not there, though the manifest names it; make it again with --overwrite")


def _check_free(output: Path, overwrite: bool, rows: str) -> None:
    """Refuse to touch a folder that these verbs did not make, also with ``overwrite``: it may be someone's home."""
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return
    ours = (output / "manifest.json").exists() and (output / rows).is_dir()
    if not (ours and overwrite):
        raise DataError(f"--output {str(output)!r} exists and was not made by mathcoder; choose another or remove it")


def _check_beside(output: Path, inputs: Sequence[Record], named: Sequence[str]) -> None:
    """Refuse an output that holds an input, which would be gone when it is published, or that would be read as one."""
    paths: list[str] = [entry["path"] for entry in inputs if "path" in entry]
    for path in paths:
        if Path(path).resolve().is_relative_to(output.resolve()):
            raise DataError(f"--output {str(output)!r} holds the input {path!r}; choose a folder beside it")
    if any(path.lower().endswith(SUFFIXES) for path in paths):
        check_not_read(output, named)


def _publish(new: Path, output: Path) -> None:
    remove_temporary_files(new)
    if output.exists():
        shutil.rmtree(output)
    new.rename(output)
    sync_folder(output.parent)


def _totals(records: Sequence[Record]) -> Record:
    reasons: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for record in records:
        reasons.update(record["dropped_by_reason"])
        counts.update(record["counts"])
    return {
        "documents_in": sum(record["count"] for record in records),
        "documents": sum(record["documents"] for record in records),
        "unreadable": sum(record["unreadable"] for record in records),
        "dropped": sum(record["dropped"] for record in records),
        "dropped_by_reason": dict(sorted(reasons.items())),
        "text_bytes": sum(record["text_bytes"] for record in records),
        **({"counts": dict(sorted(counts.items()))} if counts else {}),
        "parts": [part for record in records for part in record["parts"]],
    }


def _dropped_text(totals: Record) -> str:
    reasons = ", ".join(f"{count} {kind}" for kind, count in totals["dropped_by_reason"].items())
    return f"{totals['dropped']} dropped" + (f" ({reasons})" if reasons else "")
