"""``mathcoder annotate``: a sample of documents, each with a label that says whether it is worth keeping.

Decides: the verb's arguments and what it leaves: ``DIR/documents/`` with ``metadata.annotation`` (``label``, ``related``, who
said it), ``DIR/dropped/`` with the others and why, ``DIR/manifest.json`` with the labels counted, and for a language model
``DIR.requests/``, the log of what was asked. ``mathcoder train-filter --annotated DIR`` learns from it.
Does not: label a document itself: a language model does, or a person by ``--given``.

Every request that has no final answer yet is sent and logged; then the rows are written from the log. So a killed run asks
nothing twice, and a larger sample asks only for what is new.
"""

import argparse
from collections import Counter
from pathlib import Path

from data_tools.annotation.annotators import MALFORMED, NO_REPLY, RULES, GivenAnnotator, ModelAnnotator
from data_tools.annotation.sample import WHOLE, Sample
from data_tools.annotation.schemes import SCHEMES
from data_tools.arguments import fraction, positive_int, seed
from data_tools.document_slice import DOCUMENTS
from data_tools.document_stage import filter_parser, input_documents, make_documents
from data_tools.llm.arguments import add_model_arguments, asked_model
from data_tools.llm.ask import answer_all
from data_tools.manifest import Record
from data_tools.sources import documents_of
from data_tools.sources.record_files import RecordFiles
from megatron_mathcoder.config.errors import DataError


def _parser() -> argparse.ArgumentParser:
    parser = filter_parser(
        prog="mathcoder annotate", description="A sample of documents with labels, from which a filter is learned."
    )
    parser.add_argument(
        "--annotator",
        choices=("openai", "vllm", "given"),
        required=True,
        help="openai: any OpenAI-compatible server; vllm: in this process; given: a person, by --given",
    )
    parser.add_argument(
        "--given",
        action="append",
        default=[],
        type=_given,
        metavar="PATTERN=LABEL",
        help="with --annotator given: the label of documents whose file is like PATTERN (* for anything); the first that fits",
    )
    parser.add_argument(
        "--scheme",
        choices=tuple(SCHEMES),
        default="seven",
        help="the kinds: " + "; ".join(f"{name}: {', '.join(each.labels)}" for name, each in SCHEMES.items()),
    )
    parser.add_argument(
        "--rule",
        choices=RULES,
        default="any",
        help="a document is related when any, or most, of its passages are, or its first one (default: %(default)s)",
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--fraction", type=fraction, default=1.0, metavar="F", help="share of documents to annotate (default: all)")
    size.add_argument("--sample", type=positive_int, metavar="N", help="number of documents to annotate")
    parser.add_argument("--seed", type=seed, default=3407, help="of the sample (default: %(default)s)")
    parser.add_argument("--score", metavar="NAME", help="with --between: the score that a filter stored under this name")
    parser.add_argument(
        "--between", nargs=2, type=fraction, metavar=("A", "B"), help="annotate only documents whose score is from A to B"
    )
    add_model_arguments(parser, max_tokens=256, max_characters=5000)
    return parser


def _given(text: str) -> tuple[str, str]:
    pattern, equals, label = text.rpartition("=")
    if not equals or not pattern:
        raise argparse.ArgumentTypeError(f"{text!r} is not PATTERN=LABEL, such as '*/planetmath/*=theory'")
    return pattern, label


def parse(argv: list[str]) -> argparse.Namespace:
    """Return the verb's options. Says what is wrong with them and exits, as ``argparse`` does."""
    return _parser().parse_args(argv)


def run(argv: list[str]) -> int:
    """Run the verb. Raises DataError for what a person can mend."""
    options = parse(argv)
    _check(options)
    source = input_documents(options)
    sample = _sample(options, source)
    annotator: GivenAnnotator | ModelAnnotator
    if options.annotator == "given":
        annotator = GivenAnnotator(given=tuple(options.given), scheme=options.scheme, sample=sample)
    else:
        asked = asked_model("annotator", options)
        annotator = ModelAnnotator(asked=asked, scheme=options.scheme, rule=options.rule, sample=sample)
        if not answer_all(options, source, annotator):
            return 0
    manifest = make_documents("annotate", source, annotator, options, _add_labels)
    if manifest is not None:
        _print(manifest, options.output)
    return 0


def _check(options: argparse.Namespace) -> None:
    labels = SCHEMES[options.scheme].labels
    for pattern, label in options.given:
        if label not in labels:
            raise DataError(f"--given {pattern}={label}: no such label; --scheme {options.scheme} has {', '.join(labels)}")
    if options.annotator == "given" and not options.given:
        raise DataError("--annotator given needs --given PATTERN=LABEL, once for each kind of file")
    if bool(options.score) != bool(options.between):
        raise DataError("--score and --between belong together; give both, or neither")
    if options.between and options.between[0] > options.between[1]:
        low, high = options.between
        raise DataError(f"--between {low:g} {high:g}: no score lies there; give the smaller one first")


def _sample(options: argparse.Namespace, source: RecordFiles) -> Sample:
    low, high = options.between or (0.0, 1.0)
    sample = Sample(options.seed, round(options.fraction * WHOLE), options.score or "", low, high)
    return sample.smallest(options.sample, source.slices, options.workers) if options.sample else sample


def _add_labels(folder: Path, manifest: Record) -> None:
    """Count the labels, from the rows themselves."""
    rows = RecordFiles([str(folder / DOCUMENTS)], "text", "id", 1)
    annotations = [document.metadata["annotation"] for document in documents_of(rows)]
    manifest["labels"] = dict(Counter(each["label"] for each in annotations).most_common())
    manifest["related"] = sum(each["related"] for each in annotations)


def _print(manifest: Record, output: Path) -> None:
    labels = ", ".join(f"{count} {label}" for label, count in manifest["labels"].items())
    reasons = manifest["dropped_by_reason"]
    lost = ", ".join(f"{reasons[kind]} {kind}" for kind in (MALFORMED, NO_REPLY) if kind in reasons)
    print(
        f"{manifest['documents']} documents labelled, {manifest['related']} of them related: {labels}"
        + (f"; without a label: {lost}, see {output / 'dropped'}" if lost else "")
    )
