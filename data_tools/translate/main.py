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

from data_tools.arguments import INPUT_HELP, add_inputs, add_row_fields, output_path, positive_int
from data_tools.document_stage import add_stage_arguments, input_documents, make_documents
from data_tools.inputs import InputSlice
from data_tools.rows import Row, RowReader
from data_tools.stage import Record
from data_tools.translate.ask import ask, asks_for_json, exchange_batch
from data_tools.translate.translators import ModelTranslator, SymbolicTranslator
from megatron_mathcoder.config.errors import DataError

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
    group = parser.add_argument_group("for a language model")
    group.add_argument("--model", metavar="NAME", help="the served model's name; for vllm a Hugging Face folder or name")
    group.add_argument("--base-url", default="http://localhost:8000/v1", metavar="URL", help="(default: %(default)s)")
    group.add_argument("--api-key-file", type=Path, metavar="FILE", help="file that holds the server's key")
    group.add_argument(
        "--requests", type=output_path, metavar="DIR", help="log of requests and replies (default: OUTPUT.requests)"
    )
    group.add_argument(
        "--max-tokens", type=positive_int, default=3072, metavar="N", help="a reply's tokens (default: %(default)s)"
    )
    group.add_argument(
        "--max-characters",
        type=positive_int,
        default=9000,
        metavar="N",
        help="longer documents are asked about in passages (default: %(default)s, about 3,000 tokens)",
    )
    group.add_argument(
        "--reply-format",
        choices=("auto", "json", "sections"),
        default="auto",
        help="auto: JSON by schema when a probe shows that the server holds to it, labelled sections otherwise",
    )
    group.add_argument("--requests-in-flight", type=positive_int, default=64, metavar="N", help="(default: %(default)s)")
    group.add_argument("--tokens-in-flight", type=positive_int, default=400_000, metavar="N", help="(default: %(default)s)")
    group.add_argument("--token-budget", type=positive_int, default=None, metavar="N", help="stop when so many tokens are used")
    group.add_argument(
        "--attempts", type=positive_int, default=6, metavar="N", help="tries of one request (default: %(default)s)"
    )
    group.add_argument(
        "--request-seconds", type=positive_int, default=900, metavar="S", help="longest try (default: %(default)s)"
    )
    group.add_argument("--retry-dead", action="store_true", help="send again what was given up before")
    group.add_argument("--write-batch", type=output_path, metavar="FILE", help="write open requests for vllm run-batch, and stop")
    group.add_argument("--read-batch", type=Path, metavar="FILE", help="take the replies that vllm run-batch wrote first")
    return parser


def run(argv: list[str]) -> int:
    """Run the verb. Raises DataError for what a person can mend."""
    options = _parser().parse_args(argv)
    source = input_documents(options)
    if options.translator == "symbolic":
        _finish(make_documents("translate", source, SymbolicTranslator(), options, _add_funnel, COMPLETIONS))
        return 0
    if not options.model:
        raise DataError(f"--translator {options.translator} needs --model NAME")
    folder: Path = options.requests or options.output.with_name(options.output.name + ".requests")
    translator = ModelTranslator(
        translator=options.translator,
        model=options.model,
        requests=str(folder),
        max_tokens=options.max_tokens,
        max_characters=options.max_characters,
        as_json=asks_for_json(options, folder),
    )
    if not (options.output / "manifest.json").exists() or options.overwrite:
        if options.write_batch or options.read_batch:
            if not exchange_batch(options, source, translator, folder):
                return 0
        else:
            ask(options, source, translator, folder)
    _finish(make_documents("translate", source, translator, options, _add_funnel, COMPLETIONS))
    return 0


def _add_funnel(folder: Path, manifest: Record) -> None:
    """Count what was found, from the rows themselves."""
    reasons: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for path in sorted((folder / COMPLETIONS).iterdir()):
        for row in RowReader(InputSlice(path.as_posix(), 0, path.stat().st_size, 1, path.stat().st_size)):
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
