"""``mathcoder translate``: documents to completions, the computations found in each with a program that shows its result.

Decides: the verb's arguments and what it leaves: ``DIR/completions/part-*.jsonl.zst`` (rows of ``computation.py``),
``DIR/dropped/``, ``DIR/manifest.json`` with the funnel, and for a language model ``DIR.requests/``, the log of what was asked.
Does not: run any code; ``mathcoder execute`` does.

With a language model the work has two steps: every request that has no final answer yet is sent and logged; then the rows are
written from the log. So a killed run repeats no request, and another run over more documents asks only for the new ones.
"""

import argparse
from collections import Counter
from pathlib import Path
from typing import Any

from data_tools.arguments import INPUT_HELP, add_inputs, add_row_fields
from data_tools.document_stage import add_stage_arguments, input_documents, make_documents
from data_tools.inputs import whole_file
from data_tools.llm.arguments import add_model_arguments, asked_model
from data_tools.llm.ask import answer_all, asks_for_json
from data_tools.manifest import Record
from data_tools.rows import Row, RowReader
from data_tools.translate.translators import ModelTranslator, SymbolicTranslator

COMPLETIONS = "completions"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mathcoder translate",
        description="Find the computations in documents, and write a Python program that shows each result.",
    )
    add_inputs(parser, INPUT_HELP)
    add_row_fields(parser)
    parser.add_argument(
        "--translator",
        choices=("symbolic", "openai", "vllm"),
        default="symbolic",
        help="symbolic: embedded, no model; openai: any OpenAI-compatible server; vllm: in this process (default: %(default)s)",
    )
    add_stage_arguments(parser)
    group = add_model_arguments(parser, max_tokens=3072, max_characters=9000)
    group.add_argument(
        "--reply-format",
        choices=("auto", "json", "sections"),
        default="auto",
        help="auto: JSON by schema when a probe shows that the server holds to it, labelled sections otherwise",
    )
    return parser


def parse(argv: list[str]) -> argparse.Namespace:
    """Return the verb's options. Says what is wrong with them and exits, as ``argparse`` does."""
    return _parser().parse_args(argv)


def run(argv: list[str]) -> int:
    """Run the verb. Raises DataError for what a person can mend."""
    options = parse(argv)
    source = input_documents(options)
    if options.translator == "symbolic":
        _finish(make_documents("translate", source, SymbolicTranslator(), options, _add_funnel, COMPLETIONS))
        return 0
    asked = asked_model("translator", options)
    translator = ModelTranslator(asked=asked, as_json=asks_for_json(asked, options))
    if not answer_all(options, source, translator):
        return 0
    _finish(make_documents("translate", source, translator, options, _add_funnel, COMPLETIONS))
    return 0


def _add_funnel(folder: Path, manifest: Record) -> None:
    """Count what was found, from the rows themselves."""
    reasons: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for path in sorted((folder / COMPLETIONS).iterdir()):
        for row in RowReader(whole_file(path)):
            assert isinstance(row, Row)
            completion: dict[str, Any] = row.value["completion"]
            counts["computations"] += len(completion["computations"])
            counts["documents_with_computations"] += bool(completion["computations"])
            counts["cut_off"] += completion["finish_reason"] == "length"
            reasons.update(each["reason"] for each in completion["unparsed"])
    manifest["funnel"] = {name: counts[name] for name in ("documents_with_computations", "computations", "cut_off")}
    manifest["funnel"] |= {"unparsed": reasons.total(), "unparsed_by_reason": dict(reasons.most_common())}


def _finish(manifest: Record | None) -> None:
    if manifest is None:
        return
    funnel = manifest["funnel"]
    print(
        f"{manifest['documents']} documents → {funnel['documents_with_computations']} with computations → "
        f"{funnel['computations']} computations with code; {funnel['unparsed']} passages gave none"
    )
    for reason, count in funnel["unparsed_by_reason"].items():
        print(f"{count:9,}  {reason}")
