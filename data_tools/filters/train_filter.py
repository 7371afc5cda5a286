"""``mathcoder train-filter``: labelled documents to a fastText model and its evaluation.

Decides: what is positive and what negative, which documents are held out (by a keyed hash of their text, so equal texts are on
one side; a tenth of each class, at least one, and never all), and the threshold, chosen on those. Beside ``MODEL.bin`` stands
``MODEL.json`` with the settings, the inputs, the evaluation table and the threshold, which ``mathcoder filter`` takes by default.
Does not: know fastText (``fasttext_model.py``) or count precision (``evaluation.py``).
"""

import argparse
import random
from pathlib import Path
from typing import Any

import xxhash

from data_tools.arguments import add_overwrite, fraction, output_path, positive_int, positive_number, seed
from data_tools.document import Document
from data_tools.filters.evaluation import choose, evaluation, table_lines
from data_tools.filters.fasttext_model import SETTINGS, load, train, write_training_file
from data_tools.manifest import Record, code_version, finished_manifest, identity
from data_tools.partial_folder import PartialFolder
from data_tools.parts import write_json
from data_tools.progress import Progress
from data_tools.sources.record_files import RecordFiles
from megatron_mathcoder.config.errors import DataError

HELD_OUT_SHARE = 0.1
Labelled = list[tuple[str, bool]]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mathcoder train-filter", description="Labelled documents to a fastText model.")
    for name, text in (
        ("positive", "documents to keep"),
        ("negative", "documents to drop"),
        ("annotated", "documents with metadata.annotation.related = true or false, whoever judged them"),
    ):
        parser.add_argument(f"--{name}", action="append", default=[], metavar="PATH", help=f"{text}; may be given several times")
    parser.add_argument("--output", type=output_path, required=True, metavar="MODEL.bin", help="the model to write")
    parser.add_argument("--text-field", default="text", metavar="NAME", help="field of the text (default: %(default)s)")
    parser.add_argument(
        "--min-precision", type=fraction, metavar="P", help="choose the threshold for it (default: for the best F1)"
    )
    parser.add_argument("--seed", type=seed, default=3407, help="of the order, the split and fastText (default: %(default)s)")
    for name, value in SETTINGS.items():
        if name != "loss":
            parser.add_argument(
                f"--{name}",
                type=positive_int if isinstance(value, int) else positive_number,
                default=value,
                metavar="N" if isinstance(value, int) else "X",
                help="fastText's (default, as published: %(default)s)",
            )
    parser.add_argument(
        "--balance", action="store_true", help="learn from as many documents of the larger class as of the smaller (published)"
    )
    add_overwrite(parser)
    return parser


def parse(argv: list[str]) -> argparse.Namespace:
    """Return the verb's options. Says what is wrong with them and exits, as ``argparse`` does."""
    return _parser().parse_args(argv)


def run(argv: list[str]) -> int:
    """Run the verb. Raises DataError for what a person can mend."""
    options = parse(argv)
    if options.output.is_dir():
        raise DataError(f"--output {str(options.output)!r} is a folder; name a file, such as {options.output / 'model.bin'}")
    if not ((options.positive and options.negative) or options.annotated):
        raise DataError("nothing to learn from; give --positive and --negative, or --annotated")
    sources = {
        name: RecordFiles(paths, options.text_field, "id", 1)
        for name in ("positive", "negative", "annotated")
        if (paths := getattr(options, name))
    }
    settings = {name: getattr(options, name) for name in SETTINGS if name != "loss"} | {"loss": SETTINGS["loss"]}
    wanted = identity(
        "train-filter",
        settings
        | {"seed": options.seed, "min_precision": options.min_precision, "text_field": options.text_field}
        | ({"balance": True} if options.balance else {}),
        [{"role": name, **entry} for name, source in sources.items() for entry in source.inputs],
    )
    manifest_path = options.output.with_suffix(".json")
    if (found := finished_manifest(manifest_path, wanted, options.overwrite)) and options.output.exists():
        print(f"{options.output} is already there, from the same documents and settings; nothing to do")
        _print(options.output, found)
        return 0
    labelled, unreadable = _labelled(sources)
    training, held_out = split(labelled, options.seed)
    if options.balance:
        training = balanced(training)
    with PartialFolder(options.output.with_name(options.output.name + ".partial"), wanted, options.overwrite) as partial:
        made = _learn(partial.path / "model.bin", training, held_out, options, settings)
        counts = {"training": len(training), "training_related": sum(label for _, label in training), "unreadable": unreadable}
        counts["with_both_labels"] = len(_texts(labelled, True) & _texts(labelled, False))
        manifest = wanted | counts | {"evaluation": made, "threshold": made["chosen"]["threshold"]} | code_version()
        # Without the old manifest first, a stop between the two would leave it beside a model that it does not describe.
        manifest_path.unlink(missing_ok=True)
        (partial.path / "model.bin").replace(options.output)
        write_json(manifest_path, manifest)
        partial.remove()
    _print(options.output, manifest)
    return 0


def _learn(
    model_file: Path, training: Labelled, held_out: Labelled, options: argparse.Namespace, settings: dict[str, Any]
) -> dict[str, Any]:
    """Write a model and return its evaluation."""
    training_file = model_file.with_name("training.txt")
    write_training_file(training_file, training)
    train(training_file, model_file, options.seed, settings)
    model = load(model_file)
    scores, related = [model.score(text) for text, _ in held_out], [label for _, label in held_out]
    return evaluation(scores, related, choose(scores, related, options.min_precision))


def _labelled(sources: dict[str, RecordFiles]) -> tuple[Labelled, int]:
    """Return the texts of all sources with their labels, and the number of rows that could not be read."""
    labelled: Labelled = []
    unreadable = before = 0
    pieces = [(name, piece) for name, source in sources.items() for piece in source.slices]
    with Progress("train-filter: documents", sum(piece.bytes for _, piece in pieces), "documents") as progress:

        def note_bytes(done: int) -> None:
            progress.show(before + done, len(labelled))

        for name, piece in pieces:
            for item in piece.documents(note_bytes):
                if isinstance(item, Document):
                    labelled.append((item.text, _label(item) if name == "annotated" else name == "positive"))
                else:
                    unreadable += 1
            before += piece.bytes
    return labelled, unreadable


def _label(document: Document) -> bool:
    annotation = document.metadata.get("annotation")
    related = annotation.get("related") if isinstance(annotation, dict) else None
    if not isinstance(related, bool):
        raise DataError(f"document {document.id!r} of --annotated has no metadata.annotation.related; it must be true or false")
    return related


def _texts(labelled: Labelled, label: bool) -> set[str]:
    return {text for text, related in labelled if related is label}


def split(labelled: Labelled, seed: int) -> tuple[Labelled, Labelled]:
    """Return (training, held out), each in a seeded order.

    Raises DataError when a class has fewer than two texts: one must be learned from and another held out.
    """
    sides: tuple[Labelled, Labelled] = ([], [])
    for label in (True, False):
        texts = sorted(_texts(labelled, label), key=lambda text: _key(text, seed))
        if len(texts) < 2:
            kind = "positive" if label else "negative"
            raise DataError(
                f"{len(texts)} different {kind} documents; at least 2 are needed, one to learn from and one to test on"
            )
        cut = min(max(round(HELD_OUT_SHARE * len(texts)), 1), len(texts) - 1)
        sides[1].extend((text, label) for text in texts[:cut])
        sides[0].extend((text, label) for text in texts[cut:])
    for side in sides:
        random.Random(seed).shuffle(side)
    return sides


def balanced(training: Labelled) -> Labelled:
    """Return the first texts of each class, as many as the smaller one has. What is held out keeps the classes' true shares."""
    left = dict.fromkeys((True, False), min(sum(related is label for _, related in training) for label in (True, False)))
    chosen: Labelled = []
    for text, related in training:
        if left[related]:
            left[related] -= 1
            chosen.append((text, related))
    return chosen


def _key(text: str, seed: int) -> int:
    return xxhash.xxh3_64_intdigest(text.encode("utf-8", "replace"), seed=seed & (2**64 - 1))


def _print(model: Path, manifest: Record) -> None:
    made: dict[str, Any] = manifest["evaluation"]
    print(
        f"{model}: learned from {manifest['training']} documents ({manifest['training_related']} related), "
        f"tested on {made['held_out']} ({made['held_out_related']} related)"
    )
    if manifest.get("unreadable"):
        print(f"{manifest['unreadable']} rows could not be read; mathcoder prepare says which and why")
    if manifest.get("with_both_labels"):
        print(f"{manifest['with_both_labels']} texts have both labels, and are learned from as both")
    print("\n".join(table_lines(made)))
