"""``mathcoder tokenize``: documents to a Megatron dataset, ``PREFIX.bin`` and ``PREFIX.idx``, of one tokenizer or of several.

Decides: the verb's arguments, whether documents begin with BOS, and where the datasets of several tokenizers are. They are made
by one reading of the documents; each has its own manifest and its own unfinished work, so a dataset is the same, byte for byte,
and is recognised as the same, whether its tokenizer was named alone or among others.
Does not: turn documents into ids (``tokenize_slice.py``, ``tokenize_conversations.py``), publish a dataset
(``dataset_files.py``), or resume (``partial_folder.py``).
"""

import argparse
import re
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from data_tools.arguments import (
    INPUT_HELP,
    TOKENIZER_NAME,
    add_max_reject_fraction,
    add_overwrite,
    add_part,
    add_text_field,
    add_workers,
    output_path,
    whole_number,
)
from data_tools.inputs import InputFile, find_files
from data_tools.manifest import Record, identity
from data_tools.partial_folder import PartialFolder
from data_tools.progress import Progress
from data_tools.row_fields import check_text_field
from data_tools.stage import run_shared_slices, scan_inputs
from data_tools.tokens.dataset_files import Dataset, sibling
from data_tools.tokens.tokenize_conversations import tokenize_conversations
from data_tools.tokens.tokenize_slice import Target, TokenizeTask, process_tokenizer, tokenize_slice
from data_tools.tokens.tokenizer import KINDS, Tokenizer
from megatron_mathcoder.config.errors import DataError
from megatron_mathcoder.config.lce_tokens import LCE_TOKENS


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mathcoder tokenize",
        description="Documents to a Megatron dataset, PREFIX.bin and PREFIX.idx. Several tokenizers make a dataset each, "
        "PREFIX-NAME.bin and PREFIX-NAME.idx, by one reading of the documents.",
    )
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help=INPUT_HELP)
    parser.add_argument(
        "--tokenizer",
        action="append",
        required=True,
        metavar="T",
        help=f"{KINDS}; may be given several times, each as NAME=T or named after its file or folder",
    )
    parser.add_argument(
        "--output",
        type=output_path,
        required=True,
        metavar="PREFIX",
        help=f"path without .bin and .idx; {TOKENIZER_NAME} in it stands for a tokenizer's name",
    )
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
        type=whole_number,
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
    if options.max_tokens and not options.lce:
        raise DataError(f"--max-tokens {options.max_tokens}: is for --lce; other documents may have any length, leave it out")
    prefixes = _prefixes(options.tokenizer, options.output)
    tokenizers = {path: process_tokenizer(path, options.eod_token) for path in prefixes}
    for path, tokenizer in tokenizers.items():
        _check(path, tokenizer, options)
    files = scan_inputs(find_files(options.inputs), options.workers)
    datasets = [_dataset(prefixes[path], path, tokenizer, files, options) for path, tokenizer in tokenizers.items()]
    if options.workers > 1:
        # The workers load their own; together with these they would be the most memory that this verb takes.
        tokenizers.clear()
        process_tokenizer.cache_clear()
    missing = [dataset for dataset in datasets if not dataset.is_finished(options.overwrite)]
    if missing:
        _make(missing, files, options)
    return 0


def _prefixes(given: Sequence[str], output: Path) -> dict[str, Path]:
    """Return each tokenizer's path and the prefix of its dataset. Raises DataError when two would be the same."""
    named = [_name_and_path(text) for text in given]
    if TOKENIZER_NAME not in str(output) and len(named) > 1:
        output = sibling(output, f"-{TOKENIZER_NAME}")
    prefixes: dict[str, Path] = {}
    for name, path in named:
        prefix = Path(str(output).replace(TOKENIZER_NAME, name))
        if prefix in prefixes.values() or path in prefixes:
            raise DataError(f"--tokenizer {path}: {prefix} would be made twice; name each tokenizer once, as NAME=T if need be")
        prefixes[path] = prefix
    return prefixes


def _name_and_path(text: str) -> tuple[str, str]:
    """Return the name of a tokenizer and its path: of ``NAME=T`` both, else of its folder, or its file up to a dot."""
    found = re.fullmatch(r"([^/=]+)=(.+)", text)
    if found and not Path(text).exists():
        return found[1], found[2]
    path = Path(text)
    stem = path.name if path.is_dir() else path.name.split(".")[0]
    return (path.resolve().parent.name if stem in ("tokenizer", "") else stem), text


def _check(path: str, tokenizer: Tokenizer, options: argparse.Namespace) -> None:
    if options.bos and tokenizer.bos_id is None:
        raise DataError(f"--bos was given, but tokenizer {path!r} has no BOS token; leave --bos out")
    missing = [name for name in LCE_TOKENS if tokenizer.token_id(name) is None] if options.lce else []
    if missing:
        raise DataError(
            f"tokenizer {path!r} has no token {missing[0]}; add the LCE format's to it and to its model: mathcoder add-tokens"
        )


def _dataset(prefix: Path, path: str, tokenizer: Tokenizer, files: list[InputFile], options: argparse.Namespace) -> Dataset:
    bos_id = None if options.bos is False else tokenizer.bos_id
    settings: Record = {"lce": True} if options.lce else {"text_field": options.text_field}
    settings |= {"bos": bos_id is not None} | ({"max_tokens": options.max_tokens} if options.max_tokens else {})
    wanted = identity("tokenize", settings, [file.manifest_entry() for file in files], tokenizer.manifest_entry())
    return Dataset(prefix, Target(path, options.eod_token, bos_id, str(sibling(prefix, ".partial"))), wanted)


def _make(datasets: Sequence[Dataset], files: list[InputFile], options: argparse.Namespace) -> None:
    """Make the datasets by one reading of the documents; with a part, as far as it goes."""
    pieces = [piece for file in files for piece in file.slices]
    if not pieces:
        raise DataError(f"the {len(files)} input files are empty; there is nothing to tokenize")
    if not options.lce:
        check_text_field(pieces[0], options.text_field)
    targets = tuple(dataset.target for dataset in datasets)
    tasks = [TokenizeTask(index, piece, options.text_field, targets, options.max_tokens) for index, piece in enumerate(pieces)]
    work = tokenize_conversations if options.lce else tokenize_slice
    with ExitStack() as stack:
        folders = [
            stack.enter_context(PartialFolder(dataset.partial_path, dataset.wanted, options.overwrite, options.part))
            for dataset in datasets
        ]
        with Progress("tokenize", sum(task.piece.bytes for task in tasks), "tokens") as progress:
            made = run_shared_slices(work, tasks, folders, options.workers, progress)
        if made is None:
            return
        for dataset, folder, records in zip(datasets, folders, made, strict=True):
            if folder.may_publish():
                dataset.publish(folder, records, options.max_reject_fraction)
            # Another part that waits for this folder may hold the next one.
            folder.close()
