"""``mathcoder tokenize``: documents to a Megatron dataset, ``PREFIX.bin`` and ``PREFIX.idx``.

Decides: the verb's arguments, whether documents begin with BOS, and what is left beside the dataset: ``PREFIX.manifest.json``
(written last: it makes the dataset finished), ``PREFIX.rejected.jsonl`` (rows ``file``, ``line``, ``reason``) and, for
conversations, ``PREFIX.mask``: one byte for each token of ``PREFIX.bin``, 1 where the loss of predicting it counts. The trainer
packs a dataset that has a mask into samples document by document (``dataset/packing.py``).
Does not: turn documents into ids (``tokenize_slice.py``, ``tokenize_conversations.py``), lay out bytes
(``indexed_writer.py``), or resume (``stage.py``).

Merging needs the space of the dataset twice for a moment: the slices are removed only when the dataset is complete.
"""

import argparse
from collections import Counter
from pathlib import Path

from data_tools.arguments import (
    INPUT_HELP,
    add_max_reject_fraction,
    add_overwrite,
    add_part,
    add_text_field,
    add_workers,
    output_path,
)
from data_tools.inputs import InputFile, find_files
from data_tools.parts import concatenate, write_json
from data_tools.progress import Progress
from data_tools.rows import check_text_field
from data_tools.stage import (
    PartialFolder,
    Record,
    check_conservation,
    check_rejected,
    code_version,
    finished_manifest,
    identity,
    run_slices,
    scan_inputs,
)
from data_tools.tokens.indexed_writer import ITEM_BYTES, dtype_name, idx_bytes, merge_idx
from data_tools.tokens.tokenize_conversations import tokenize_conversations
from data_tools.tokens.tokenize_slice import SliceFiles, TokenizeTask, process_tokenizer, tokenize_slice
from data_tools.tokens.tokenizer import KINDS, Tokenizer
from megatron_mathcoder.config.errors import DataError
from megatron_mathcoder.config.lce_tokens import LCE_TOKENS


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mathcoder tokenize", description="Documents to a Megatron dataset, PREFIX.bin and PREFIX.idx."
    )
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help=INPUT_HELP)
    parser.add_argument("--tokenizer", required=True, metavar="T", help=KINDS)
    parser.add_argument("--output", type=output_path, required=True, metavar="PREFIX", help="path without .bin and .idx")
    add_text_field(parser)
    parser.add_argument(
        "--bos", action=argparse.BooleanOptionalAction, help="begin each document with BOS (default: when the tokenizer has one)"
    )
    parser.add_argument(
        "--eod-token", metavar="PIECE", help="piece that ends a document, if tokenizer.json does not say it or says another"
    )
    parser.add_argument(
        "--lce", action="store_true", help="rows are conversations with text, code and execution in `messages`; adds PREFIX.mask"
    )
    parser.add_argument(
        "--max-tokens",
        type=int,
        default=0,
        metavar="N",
        help="with --lce: reject longer conversations; give the recipe's seq_length (default: 0, none)",
    )
    add_max_reject_fraction(parser)
    add_workers(parser)
    add_part(parser)
    add_overwrite(parser)
    return parser


def run(argv: list[str]) -> int:
    """Run the verb. Raises DataError for what a person can mend."""
    options = _parser().parse_args(argv)
    tokenizer = process_tokenizer(options.tokenizer, options.eod_token)
    if options.bos and tokenizer.bos_id is None:
        raise DataError(f"--bos was given, but tokenizer {options.tokenizer!r} has no BOS token; leave --bos out")
    bos_id = None if options.bos is False else tokenizer.bos_id
    if options.max_tokens and not options.lce:
        raise DataError(f"--max-tokens {options.max_tokens}: is for --lce; other documents may have any length, leave it out")
    if options.lce:
        _check_lce_tokens(options.tokenizer, tokenizer)
    files = scan_inputs(find_files(options.inputs), options.workers)
    settings: Record = {"lce": True} if options.lce else {"text_field": options.text_field}
    settings |= {"bos": bos_id is not None} | ({"max_tokens": options.max_tokens} if options.max_tokens else {})
    wanted = identity("tokenize", settings, [file.manifest_entry() for file in files], tokenizer.manifest_entry())
    prefix: Path = options.output
    if manifest := finished_manifest(_sibling(prefix, ".manifest.json"), wanted, options.overwrite):
        _check_sizes(prefix, manifest)
        print(f"{prefix} is already there, from the same inputs and tokenizer: {_counts(manifest)}; nothing to do")
        return 0
    _check_free(prefix, options.overwrite)
    partial_path = _sibling(prefix, ".partial")
    tasks = _tasks(files, options, bos_id, partial_path)
    with PartialFolder(partial_path, wanted, options.overwrite, options.part) as partial:
        with Progress("tokenize", sum(task.piece.bytes for task in tasks), "tokens") as progress:
            records = run_slices(
                tokenize_conversations if options.lce else tokenize_slice, tasks, partial, options.workers, progress
            )
        if records is None or not partial.may_publish():
            return 0
        manifest = wanted | _totals(records) | {"dtype": dtype_name(tokenizer.vocab_size)} | code_version()
        _publish(prefix, partial, len(tasks), manifest, options.max_reject_fraction)
    print(
        f"{prefix}: {_counts(manifest)}, {manifest['dtype']}, {'one BOS and ' if bos_id is not None else ''}one EOD per document"
    )
    return 0


def _sibling(prefix: Path, suffix: str) -> Path:
    return prefix.with_name(prefix.name + suffix)


def _tasks(files: list[InputFile], options: argparse.Namespace, bos_id: int | None, folder: Path) -> list[TokenizeTask]:
    pieces = [piece for file in files for piece in file.slices]
    if not pieces:
        raise DataError(f"the {len(files)} input files are empty; there is nothing to tokenize")
    if not options.lce:
        check_text_field(pieces[0], options.text_field)
    return [
        TokenizeTask(
            index,
            piece,
            options.text_field,
            options.tokenizer,
            options.eod_token,
            bos_id,
            str(folder),
            options.max_tokens,
        )
        for index, piece in enumerate(pieces)
    ]


def _check_lce_tokens(path: str, tokenizer: Tokenizer) -> None:
    missing = [name for name in LCE_TOKENS if tokenizer.token_id(name) is None]
    if missing:
        raise DataError(
            f"tokenizer {path!r} has no token {missing[0]}; add the LCE format's to it and to its model: mathcoder add-tokens"
        )


def _check_free(prefix: Path, overwrite: bool) -> None:
    """Refuse to replace a dataset that has no manifest, unless an interrupted run of ours put it there."""
    taken = [path for suffix in (".bin", ".idx") if (path := _sibling(prefix, suffix)).exists()]
    if taken and not overwrite and not _sibling(prefix, ".partial").exists():
        raise DataError(
            f"{taken[0]} exists without a manifest, so it is not known what it is; choose another --output or add --overwrite"
        )


def _check_sizes(prefix: Path, manifest: Record) -> None:
    expected = {
        ".bin": manifest["tokens"] * ITEM_BYTES[manifest["dtype"]],
        ".idx": idx_bytes(manifest["documents"]),
    }
    if "loss_tokens" in manifest:
        expected[".mask"] = manifest["tokens"]
    for suffix, size in expected.items():
        path = _sibling(prefix, suffix)
        found = path.stat().st_size if path.exists() else None
        if found != size:
            raise DataError(f"{path} should have {size} bytes by its manifest but has {found}; make it again with --overwrite")


def _totals(records: list[Record]) -> Record:
    reasons: Counter[str] = Counter()
    for record in records:
        reasons.update(record["rejected_by_reason"])
    return {
        "rows": sum(record["rows"] for record in records),
        "documents": sum(record["documents"] for record in records),
        "tokens": sum(record["count"] for record in records),
        "slices_by_reference": sum(record.get("by_reference", 0) for record in records),
        **({"loss_tokens": sum(record["loss_tokens"] for record in records)} if "loss_tokens" in records[0] else {}),
        "rejected": sum(reasons.values()),
        "rejected_by_reason": dict(sorted(reasons.items())),
    }


def _publish(prefix: Path, partial: PartialFolder, count: int, manifest: Record, max_fraction: float) -> None:
    """Check the counts, merge the slices, and give the files their names, the manifest last."""
    check_conservation(manifest["rows"], manifest["documents"], manifest["rejected"])
    slices = [SliceFiles.of(partial.path, index) for index in range(count)]
    rejects = _sibling(prefix, ".rejected.jsonl")
    concatenate(partial.path / "merged.rejected", [files.rejected for files in slices])
    (partial.path / "merged.rejected").replace(rejects)
    check_rejected(manifest["rejected"], manifest["rows"], max_fraction, rejects)
    if manifest["documents"] == 0:
        raise DataError(
            f"no documents in {len(manifest['inputs'])} input files ({manifest['rejected']} rejected rows); see {rejects}"
        )
    print(f"merging {count} slices, {manifest['tokens'] * ITEM_BYTES[manifest['dtype']] / 1e6:.1f} MB", flush=True)
    concatenate(partial.path / "merged.bin", [files.tokens for files in slices])
    if "loss_tokens" in manifest:
        concatenate(partial.path / "merged.mask", [files.mask for files in slices])
    merge_idx(partial.path / "merged.idx", [files.lengths for files in slices], manifest["documents"], manifest["dtype"])
    # Without the old manifest first, a stop between the next lines would leave it beside files it does not describe.
    _sibling(prefix, ".manifest.json").unlink(missing_ok=True)
    _sibling(prefix, ".mask").unlink(missing_ok=True)
    if "loss_tokens" in manifest:
        (partial.path / "merged.mask").replace(_sibling(prefix, ".mask"))
    (partial.path / "merged.bin").replace(_sibling(prefix, ".bin"))
    (partial.path / "merged.idx").replace(_sibling(prefix, ".idx"))
    write_json(_sibling(prefix, ".manifest.json"), manifest)
    partial.remove()


def _counts(manifest: Record) -> str:
    reasons = ", ".join(f"{count} {kind}" for kind, count in manifest["rejected_by_reason"].items())
    rejected = f"{manifest['rejected']} rejected" + (f" ({reasons})" if reasons else "")
    counted = f", {manifest['loss_tokens']:,} of them learned" if "loss_tokens" in manifest else ""
    return f"{manifest['rows']} rows = {manifest['documents']} documents + {rejected}; {manifest['tokens']:,} tokens{counted}"
