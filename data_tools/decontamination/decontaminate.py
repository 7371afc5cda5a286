"""``mathcoder decontaminate``: documents without those that hold a benchmark's items.

Decides: the verb's arguments, and the report: per benchmark how many of its items were found and in how many documents
(``contamination.json`` in the output, and printed). Each dropped row names the item and shows the offending passage.
Does not: find leaks (``contamination_filter.py``, ``published_rule.py``) or lay out the output (``document_stage.py``).
"""

import argparse
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import orjson

from data_tools.arguments import positive_int
from data_tools.benchmarks import find_benchmarks, read_benchmarks
from data_tools.decontamination.contamination_filter import ContaminationFilter
from data_tools.decontamination.published_rule import PublishedFilter
from data_tools.decontamination.self_test import ITEMS, recall_lines, self_test
from data_tools.document_slice import DocumentFilter
from data_tools.document_stage import filter_parser, input_documents, make_documents
from data_tools.manifest import Record
from data_tools.parts import write_json
from data_tools.sources import documents_of
from megatron_mathcoder.config.errors import DataError

REPORT = "contamination.json"
EXAMPLES = 3
SHOWN_CHARACTERS = 100
SHOWN_NAMES = 20


def _parser() -> argparse.ArgumentParser:
    parser = filter_parser(
        prog="mathcoder decontaminate",
        description="Documents without those that hold a benchmark's questions or solutions.",
        output=False,
    )
    parser.add_argument(
        "--benchmarks",
        action="append",
        required=True,
        metavar="PATH",
        help="benchmark file (.json, .jsonl, .parquet), or folder without its *train* and *negatives* files; may be repeated",
    )
    parser.add_argument(
        "--mode",
        choices=("containment", "published"),
        default="containment",
        help="published: MathCoder2's rule, 13-word Jaccard over 0.6, for comparison (default: %(default)s)",
    )
    parser.add_argument(
        "--self-test", action="store_true", help="plant benchmark items in INPUT and print how many are found; needs no --output"
    )
    parser.add_argument(
        "--items",
        type=positive_int,
        default=ITEMS,
        metavar="N",
        help="items of each benchmark that --self-test plants (default: %(default)s)",
    )
    return parser


def run(argv: list[str]) -> int:
    """Run the verb. Raises DataError for what a person can mend."""
    options = _parser().parse_args(argv)
    files, passed_over = find_benchmarks(options.benchmarks)
    if passed_over:
        print(f"not read, since they are no test sets: {_listed(list(map(str, passed_over)))}; name a file to have it read")
    judge: DocumentFilter = ContaminationFilter.of(files)
    if options.mode == "published":
        judge = PublishedFilter(tuple(map(str, files)), ContaminationFilter.of(files).sha256)
    source = input_documents(options)
    if options.self_test:
        items = [item for found in read_benchmarks(files).values() for item in found]
        print("\n".join(recall_lines(self_test(judge, items, documents_of(source), options.items))))
        return 0
    if options.output is None:
        raise DataError("no --output given; name the folder to make, or add --self-test to see what would be found")
    manifest = make_documents("decontaminate", source, judge, options, lambda new, made: _write_report(new, made, files))
    if manifest is not None:
        print("\n".join(report_lines(orjson.loads((options.output / REPORT).read_bytes()))))
    return 0


def _write_report(new: Path, manifest: Record, files: list[Path]) -> None:
    """Write what was found of each benchmark, with examples, and put the counts into the manifest."""
    items: defaultdict[str, set[str]] = defaultdict(set)
    documents: Counter[str] = Counter()
    examples: defaultdict[str, list[Any]] = defaultdict(list)
    for path in sorted((new / "dropped").glob("part-*.jsonl")):
        with path.open("rb") as stream:
            for row in map(orjson.loads, stream):
                if "benchmark" not in row:
                    continue
                name = row["benchmark"]
                documents[name] += 1
                items[name].add(row["item"])
                if len(examples[name]) < EXAMPLES:
                    examples[name].append(row)
    sizes = {name: len(items) for name, items in read_benchmarks(files).items()}
    report = {
        name: {"items": size, "items_found": len(items[name]), "documents_dropped": documents[name]}
        for name, size in sizes.items()
    }
    manifest["benchmarks"] = report
    write_json(new / REPORT, {name: {**row, "examples": examples[name]} for name, row in report.items()})


def report_lines(report: dict[str, dict[str, Any]]) -> list[str]:
    """Return what a person is shown of ``contamination.json``: the benchmarks that were found, with a passage of each."""
    found = {name: row for name, row in report.items() if row["documents_dropped"]}
    lines = [f"{'benchmark':28}{'items':>8}{'found':>8}{'documents':>11}  for example"] if found else []
    for name, row in found.items():
        example = row["examples"][0]
        passage = " ".join(example["passage"].split())
        shown = passage if len(passage) <= SHOWN_CHARACTERS else passage[: SHOWN_CHARACTERS - 1] + "…"
        lines.append(f"{name:28}{row['items']:>8}{row['items_found']:>8}{row['documents_dropped']:>11}  {example['id']}: {shown}")
    clean = [f"{name} ({row['items']} items)" for name, row in report.items() if name not in found]
    return lines + ([f"nothing found of {_listed(clean)}"] if clean else [])


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    return ", ".join(names[:SHOWN_NAMES]) + more
