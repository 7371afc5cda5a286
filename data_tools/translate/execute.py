"""``mathcoder execute``: completions to executed, verified, interleaved documents.

Decides: the verb's arguments; that code runs twice, in sandboxes with different orders of sets, before its result counts as
verified; what is kept (verified computations, and unverifiable ones when asked); that every computation has a row in
``DIR/provenance/`` with its verdict and reason, whether it was kept or not, and that the funnel is printed and saved.
Does not: translate (``mathcoder translate``), compare values (``verify.py``) or lay text out (``interleave.py``).
"""

import argparse
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_tools.arguments import add_inputs
from data_tools.document import Document, Dropped, SideRow
from data_tools.document_stage import add_stage_arguments, make_documents
from data_tools.manifest import Record
from data_tools.parts import write_json
from data_tools.sandbox.arguments import add_floor, add_timeout
from data_tools.sandbox.outcome import Limits, Outcome
from data_tools.sandbox.sandbox import Sandbox
from data_tools.sources.record_files import RecordFiles
from data_tools.translate import funnel
from data_tools.translate.completed import Completed, read_completed
from data_tools.translate.computation import Computation
from data_tools.translate.interleave import LAYOUTS, inserted, steps
from data_tools.translate.verify import Verification, verify
from megatron_mathcoder.config.errors import DataError, PlatformError

BATCH_DOCUMENTS = 64
MAX_KEPT_OUTPUT = 2000
NOTHING_KEPT = "nothing to keep"
POLICIES = ("drop", "keep")


@dataclass(frozen=True, slots=True)
class Judged:
    """A computation with what running it gave."""

    computation: Computation
    outcome: Outcome
    found: Verification
    kept: bool

    def provenance(self) -> dict[str, Any]:
        """Return the computation's row of the side file."""
        return {
            "title": self.computation.title,
            "span": self.computation.span,
            "result": self.computation.result,
            "status": self.outcome.status,
            "error": self.outcome.error,
            "output": self.outcome.output[:MAX_KEPT_OUTPUT],
            "cpu_seconds": self.outcome.cpu_seconds,
            "wall_seconds": self.outcome.wall_seconds,
            "verdict": self.found.verdict,
            "reason": self.found.reason,
            "kept": self.kept,
        }


@dataclass(frozen=True, slots=True)
class Execution:
    """The filter: documents with completions to documents with code. ``runs_at_once`` changes the speed alone."""

    layout: str
    unverifiable: str
    cpu_seconds: float
    floor: tuple[str, ...]
    runs_at_once: int

    @property
    def settings(self) -> dict[str, Any]:
        """What decides the output; the walls and the number of processes do not."""
        return {"layout": self.layout, "unverifiable": self.unverifiable, "timeout_seconds": self.cpu_seconds}

    def __call__(self, documents: Iterable[Document]) -> Iterator[Document | Dropped | SideRow]:
        """Run the code of a batch of documents at a time."""
        with ExitStack() as stack:
            sandboxes: list[Sandbox] = []
            for batch in _batches(documents):
                read = [read_completed(document) for document in batch]
                computations = [each for item in read if isinstance(item, Completed) for each in item.computations]
                if computations and not sandboxes:
                    sandboxes = [stack.enter_context(self._sandbox(hash_seed)) for hash_seed in (0, 1)]
                judged = {id(each.computation): each for each in self._judged(computations, sandboxes)}
                for item in read:
                    if isinstance(item, Completed):
                        yield from self._document(item, [judged[id(each)] for each in item.computations])
                    else:
                        yield item

    def _sandbox(self, hash_seed: int) -> Sandbox:
        limits = Limits(cpu_seconds=self.cpu_seconds)
        return Sandbox(limits, workers=self.runs_at_once, floor=self.floor, hash_seed=hash_seed)

    def _judged(self, computations: list[Computation], sandboxes: list[Sandbox]) -> Iterator[Judged]:
        if not computations:
            return
        first = _outcomes(sandboxes[0], {each.code for each in computations})
        passed = {each.code for each in computations if _agrees(each, first[each.code])}
        second = _outcomes(sandboxes[1], passed)
        for each in computations:
            outcome = first[each.code]
            found = verify(each.result, each.code, outcome, second.get(each.code))
            kept = found.verdict == "verified" or (
                self.unverifiable == "keep" and found.verdict == "unverifiable" and outcome.status == "ok"
            )
            yield Judged(each, outcome, found, kept)

    def _document(self, completed: Completed, judged: list[Judged]) -> Iterator[Document | Dropped | SideRow]:
        yield completed.side_row([each.provenance() for each in judged], self._counts(completed, judged))
        kept = [each.computation for each in judged if each.kept]
        if not kept:
            yield completed.document.dropped(NOTHING_KEPT, computations=len(judged), unparsed=len(completed.unparsed))
            return
        text = steps(kept) if self.layout == "steps" else inserted(completed.document.text, kept)
        yield Document(completed.document.id, text, completed.metadata(self.layout, len(kept)))

    def _counts(self, completed: Completed, judged: list[Judged]) -> dict[str, int]:
        found = len(judged) + len(completed.unparsed)
        counts: Counter[str] = Counter({funnel.DOCUMENTS: 1, funnel.COMPUTATIONS: found, funnel.PARSED: len(judged)})
        counts[funnel.WITH_COMPUTATIONS] += found > 0
        counts.update(funnel.lost(funnel.PARSED, each.reason) for each in completed.unparsed)
        for each in judged:
            if each.outcome.status != "ok":
                counts[funnel.lost(funnel.RAN, each.outcome.status)] += 1
                continue
            counts[funnel.RAN] += 1
            counts[funnel.KEPT] += each.kept
            if each.found.verdict == "verified":
                counts[funnel.VERIFIED] += 1
            else:
                counts[funnel.lost(funnel.VERIFIED, f"{each.found.verdict}, {each.found.reason}")] += 1
        counts[funnel.KEPT_DOCUMENTS] += any(each.kept for each in judged)
        return {name: count for name, count in counts.items() if count}


def _batches(documents: Iterable[Document]) -> Iterator[list[Document]]:
    iterator = iter(documents)
    while batch := list(itertools.islice(iterator, BATCH_DOCUMENTS)):
        yield batch


def _agrees(computation: Computation, first: Outcome) -> bool:
    return verify(computation.result, computation.code, first).verdict == "verified"


def _outcomes(sandbox: Sandbox, codes: Iterable[str]) -> dict[str, Outcome]:
    """Run each program once. Raises PlatformError when the sandbox could not be set up: that says nothing about the code."""
    ordered = sorted(codes)
    outcomes = dict(zip(ordered, sandbox.run_many(ordered, display=True), strict=True))
    for outcome in outcomes.values():
        if outcome.status == "setup-failed":
            raise PlatformError(
                f"the sandbox could not run a program: {outcome.error}; finished work is kept, run the command again"
            )
    return outcomes


def _completions(inputs: Sequence[str]) -> list[str]:
    """Let a folder of ``mathcoder translate`` stand for its completions."""
    return [str(Path(name) / "completions") if (Path(name) / "completions").is_dir() else name for name in inputs]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mathcoder execute", description="Completions to documents whose code was run and whose results were verified."
    )
    add_inputs(parser, "a folder from mathcoder translate, or files or folders of its rows (.jsonl, .jsonl.gz, .jsonl.zst)")
    parser.add_argument(
        "--layout",
        choices=LAYOUTS,
        default=LAYOUTS[0],
        help="steps: the reasoning steps alone, as MathCoder2 does; inserted: the document with each block after its passage "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--unverifiable",
        choices=POLICIES,
        default=POLICIES[0],
        help="what becomes of computations that ran and whose result could not be judged (default: %(default)s)",
    )
    add_timeout(parser)
    add_floor(parser)
    add_stage_arguments(parser)
    return parser


def parse(argv: list[str]) -> argparse.Namespace:
    """Return the verb's options. Says what is wrong with them and exits, as ``argparse`` does."""
    return _parser().parse_args(argv)


def run(argv: list[str]) -> int:
    """Run the verb. Raises DataError for what a person can mend and PlatformError for a machine without the walls."""
    options = parse(argv)
    options.inputs = _completions(options.inputs)
    remedy = "give a folder from mathcoder translate"
    source = RecordFiles(options.inputs, "text", "id", options.workers, remedy=remedy)
    with Sandbox(workers=1, floor=options.sandbox_floor, preload=()) as sandbox:
        print(sandbox.describe())
    share = max(1, options.workers // max(len(source.slices), 1))
    execution = Execution(options.layout, options.unverifiable, options.timeout_seconds, options.sandbox_floor, share)
    manifest = make_documents("execute", source, execution, options, _save_funnel, may_be_empty=True)
    if manifest is not None:
        print(funnel.text(manifest["funnel"]))
    return 0


def _save_funnel(folder: Path, manifest: Record) -> None:
    manifest["funnel"] = funnel.table(manifest.pop("counts", {}))
    if manifest["funnel"][funnel.DOCUMENTS]["count"] == 0:
        raise DataError(f"none of {manifest['documents_in']} documents has a completion; give a folder from mathcoder translate")
    write_json(folder / "funnel.json", manifest["funnel"])
