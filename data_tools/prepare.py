"""``mathcoder prepare``: raw corpora to documents.

Decides: the verb's arguments and what it leaves: ``DIR/documents/part-*.jsonl.zst`` (rows ``id``, ``text``, ``metadata``),
``DIR/dropped/part-*.jsonl`` (rows ``id``, ``reason``, ``file``, ``line``) and ``DIR/manifest.json``. ``DIR`` appears in one
rename, when all is in it.
Does not: read a corpus (``sources/``) or judge its documents.
"""

import argparse
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_tools.arguments import INPUT_HELP, add_max_reject_fraction, add_overwrite, add_text_field, add_workers, output_path
from data_tools.document import Document, reason_kind
from data_tools.parts import PartWriter, remove_temporary_files, sync_folder, write_json
from data_tools.pool import Report
from data_tools.progress import Progress
from data_tools.sources import Source, SourceSlice
from data_tools.sources.installed_packages import DEFAULT_PACKAGES, InstalledPackages
from data_tools.sources.installed_packages import NAME as INSTALLED_PACKAGES
from data_tools.sources.record_files import NAME as RECORD_FILES
from data_tools.sources.record_files import RecordFiles
from data_tools.stage import (
    PartialFolder,
    Record,
    check_conservation,
    check_rejected,
    code_version,
    finished_manifest,
    identity,
    run_slices,
)
from megatron_mathcoder.config.errors import DataError

REPORT_EVERY_DOCUMENTS = 64


@dataclass(frozen=True, slots=True)
class PrepareTask:
    """One slice to turn into parts under ``output`` (with ``documents/`` and ``dropped/`` in it)."""

    index: int
    piece: SourceSlice
    output: str


def prepare_slice(task: PrepareTask, report: Report) -> Record:
    """Write the documents and the dropped rows of one slice; return its counts."""
    output = Path(task.output)
    read = text_bytes = read_bytes = 0
    reasons: Counter[str] = Counter()

    def note_bytes(done: int) -> None:
        nonlocal read_bytes
        read_bytes = done

    with (
        PartWriter(output / "documents", task.index, ".jsonl.zst") as documents,
        PartWriter(output / "dropped", task.index, ".jsonl") as dropped,
    ):
        for item in task.piece.documents(note_bytes):
            read += 1
            if isinstance(item, Document):
                documents.write(item.to_json_line())
                text_bytes += len(item.text.encode())
            else:
                dropped.write(item.to_json_line())
                reasons[reason_kind(item.reason)] += 1
            if read % REPORT_EVERY_DOCUMENTS == 0:
                report(read_bytes, read)
    report(task.piece.bytes, read)
    return {
        "bytes": task.piece.bytes,
        "count": read,
        "documents": documents.rows,
        "dropped": dropped.rows,
        "dropped_by_reason": dict(sorted(reasons.items())),
        "text_bytes": text_bytes,
        "parts": documents.parts,
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mathcoder prepare", description="Raw corpora to documents, each with an id and a text."
    )
    parser.add_argument("inputs", nargs="*", metavar="INPUT", help=INPUT_HELP)
    parser.add_argument("--output", type=output_path, required=True, metavar="DIR", help="folder to make")
    parser.add_argument("--source", choices=(RECORD_FILES, INSTALLED_PACKAGES), default=RECORD_FILES, help="default: %(default)s")
    add_text_field(parser)
    parser.add_argument(
        "--id-field",
        default="id",
        metavar="NAME",
        help="field of the id; a row without one is named FILE:LINE (default: %(default)s)",
    )
    packages = ",".join(DEFAULT_PACKAGES)
    parser.add_argument(
        "--packages", metavar="A,B", help=f"for --source {INSTALLED_PACKAGES} (default: those installed of {packages})"
    )
    add_max_reject_fraction(parser)
    add_workers(parser)
    add_overwrite(parser)
    return parser


def _source(options: argparse.Namespace) -> Source:
    if options.source == INSTALLED_PACKAGES:
        if options.inputs:
            raise DataError(
                f"--source {INSTALLED_PACKAGES} reads no INPUT, but {options.inputs[0]!r} was given; leave one of the two out"
            )
        return InstalledPackages(options.packages.split(",") if options.packages else None)
    if not options.inputs:
        raise DataError(f"no INPUT given; name files or folders, or use --source {INSTALLED_PACKAGES}")
    return RecordFiles(options.inputs, options.text_field, options.id_field, options.workers)


def run(argv: list[str]) -> int:
    """Run the verb. Raises DataError for what a person can mend."""
    options = _parser().parse_args(argv)
    output: Path = options.output
    source = _source(options)
    wanted = identity("prepare", source.settings, source.inputs)
    if manifest := finished_manifest(output / "manifest.json", wanted, options.overwrite):
        print(f"{output} is already there, from the same inputs: {manifest['documents']} documents; nothing to do")
        return 0
    _check_free(output, options.overwrite)
    with PartialFolder(output.with_name(output.name + ".partial"), wanted, options.overwrite) as partial:
        new = partial.path / "output"
        for name in ("documents", "dropped"):
            (new / name).mkdir(parents=True, exist_ok=True)
        tasks = [PrepareTask(index, piece, str(new)) for index, piece in enumerate(source.slices)]
        with Progress("prepare", sum(task.piece.bytes for task in tasks), "documents") as progress:
            records = run_slices(prepare_slice, tasks, partial, options.workers, progress)
        totals = _totals(records)
        check_conservation(totals["documents_in"], totals["documents"], totals["dropped"])
        if options.source == RECORD_FILES:
            check_rejected(totals["dropped"], totals["documents_in"], options.max_reject_fraction, new / "dropped")
        if totals["documents"] == 0:
            raise DataError(f"no documents: {_dropped_text(totals)} of {len(source.inputs)} inputs; see {new / 'dropped'}")
        write_json(new / "manifest.json", wanted | totals | code_version())
        _publish(new, output)
        partial.remove()
    print(
        f"{output}: {totals['documents_in']} documents in = {totals['documents']} out + {_dropped_text(totals)}; "
        f"{totals['text_bytes'] / 1e6:.1f} MB of text in {len(totals['parts'])} parts"
    )
    return 0


def _check_free(output: Path, overwrite: bool) -> None:
    """Refuse to touch a folder that this verb did not make, also with ``overwrite``: it may be someone's home."""
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return
    ours = (output / "manifest.json").exists() and (output / "documents").is_dir()
    if not (ours and overwrite):
        raise DataError(f"--output {str(output)!r} exists and was not made by mathcoder prepare; choose another or remove it")


def _publish(new: Path, output: Path) -> None:
    remove_temporary_files(new)
    if output.exists():
        shutil.rmtree(output)
    new.rename(output)
    sync_folder(output.parent)


def _totals(records: list[Record]) -> dict[str, Any]:
    reasons: Counter[str] = Counter()
    for record in records:
        reasons.update(record["dropped_by_reason"])
    return {
        "documents_in": sum(record["count"] for record in records),
        "documents": sum(record["documents"] for record in records),
        "dropped": sum(record["dropped"] for record in records),
        "dropped_by_reason": dict(sorted(reasons.items())),
        "text_bytes": sum(record["text_bytes"] for record in records),
        "parts": [part for record in records for part in record["parts"]],
    }


def _dropped_text(totals: dict[str, Any]) -> str:
    reasons = ", ".join(f"{count} {kind}" for kind, count in totals["dropped_by_reason"].items())
    return f"{totals['dropped']} dropped" + (f" ({reasons})" if reasons else "")
