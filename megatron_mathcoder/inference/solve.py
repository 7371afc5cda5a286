"""``mathcoder solve``: problems to solutions in text, code and execution, kept when their answer is to be believed.

Decides: what is believed: with a reference answer a sample that means the same; without one, all samples agreeing (MathCoder,
arXiv 2310.03731, section 2.2, with three). One solution of a problem is kept, the first that is believed. What is left:
``DIR/solutions.jsonl`` (rows for ``tokenize --lce``), ``DIR/dropped.jsonl`` (``id``, ``reason``), ``DIR/trajectories.jsonl``
(every sample as it was, from which a run that was killed goes on) and ``DIR/manifest.json``, the funnel.
Does not: decode, run code (``tool_use``), or compare values (``data_tools/answers``).
"""

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from data_tools.answers.compare import STRICT, compare
from data_tools.answers.extract import final_answer
from data_tools.arguments import positive_int, seed, temperature
from data_tools.document import reason_kind
from data_tools.inputs import check_not_read
from data_tools.llm.interface import Sampling
from data_tools.manifest import check_conservation, code_version
from data_tools.parts import atomic_file, write_json
from data_tools.progress import CountProgress
from data_tools.sandbox.arguments import add_floor, add_timeout
from data_tools.sandbox.outcome import Limits
from data_tools.sandbox.sandbox import Sandbox
from megatron_mathcoder.config.errors import ConfigError
from megatron_mathcoder.inference.language_models import FORMS, open_model
from megatron_mathcoder.inference.prediction_log import PredictionLog, check_some_ended
from megatron_mathcoder.inference.problems import check_ids, read_rows
from megatron_mathcoder.inference.tool_format import Lce
from megatron_mathcoder.inference.tool_use import ToolLoop

ANSWER_FIELDS = ("answer", "ground_truth")


class Problem(NamedTuple):
    """``answer`` is the reference, or None."""

    id: str
    text: str
    answer: str | None


def run(argv: list[str]) -> int:
    """Run ``mathcoder solve``."""
    arguments = _parser().parse_args(argv)
    if arguments.samples > 1 and not arguments.temperature:
        raise ConfigError(f"--samples {arguments.samples} --temperature 0: all samples would be the same; raise one of them")
    check_not_read(arguments.output, [arguments.problems])
    problems = [Problem(name, text, _reference(row)) for name, text, row in read_rows(arguments.problems)]
    check_ids(problem.id for problem in problems)
    arguments.output.mkdir(parents=True, exist_ok=True)
    with PredictionLog(arguments.output / "trajectories.jsonl") as log:
        settings = _sample_all(problems, arguments, log)
        funnel = publish(problems, arguments.samples, log.rows, arguments.output)
    write_json(arguments.output / "manifest.json", {"verb": "solve", "settings": settings} | funnel | code_version())
    reasons = ", ".join(f"{count} {reason}" for reason, count in funnel["dropped_by_reason"].items())
    print(
        f"{arguments.output}: {funnel['problems']} problems = {funnel['solutions']} solutions + {funnel['dropped']} dropped"
        + (f" ({reasons})" if reasons else "")
    )
    check_some_ended(log.rows.values())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mathcoder solve",
        description="Let a model solve problems with code, and keep the solutions that are to be believed.",
    )
    parser.add_argument("problems", help="JSONL rows with prompt, question or problem and, if known, an answer")
    parser.add_argument("--model", required=True, help=FORMS)
    parser.add_argument(
        "--output", type=Path, required=True, metavar="DIR", help="folder to write; the same command goes on with it"
    )
    parser.add_argument("--samples", type=positive_int, default=3, metavar="N", help="of each problem (default: 3)")
    parser.add_argument("--temperature", type=temperature, default=0.7, metavar="T", help="default: 0.7")
    parser.add_argument("--seed", type=seed, default=3407, help="of the first sample; each has the next one")
    parser.add_argument(
        "--rounds", type=positive_int, default=32, metavar="N", help="most blocks written (default: 32, as published)"
    )
    parser.add_argument("--max-new-tokens", type=positive_int, default=512, metavar="N", help="of each block (default: 512)")
    add_timeout(parser)
    add_floor(parser)
    return parser


def _reference(row: dict[str, Any]) -> str | None:
    found = next((row[field] for field in ANSWER_FIELDS if row.get(field) not in (None, "")), None)
    if isinstance(found, dict):  # MathCoder's own files
        found = found.get("answer")
    if found is None:
        return None
    text = str(found)
    return (final_answer(text) or text) if "####" in text or "\\boxed" in text else text


def _sample_all(problems: Sequence[Problem], arguments: argparse.Namespace, log: PredictionLog) -> dict[str, Any]:
    sampling = Sampling(max_tokens=arguments.max_new_tokens, temperature=arguments.temperature, seed=arguments.seed)
    with ExitStack() as stack:
        limits = Limits(cpu_seconds=arguments.timeout_seconds)
        sandbox = stack.enter_context(Sandbox(limits, floor=arguments.sandbox_floor))
        model = stack.enter_context(open_model(arguments.model))
        settings = {"model": model.name, "samples": arguments.samples, "rounds": arguments.rounds, "seed": arguments.seed}
        settings |= {"temperature": arguments.temperature, "max_new_tokens": arguments.max_new_tokens}
        log.check_settings(settings, may_differ=("samples",))
        there = sum(f"{each.id}/{number}" in log.rows for each in problems for number in range(arguments.samples))
        progress = CountProgress("solve", len(problems) * arguments.samples, "samples", there)
        stack.enter_context(progress)
        done = 0
        for number in range(arguments.samples):
            # Requests that are equal get equal draws, so each sample has a seed of its own.
            loop = ToolLoop(
                model=model,
                sandbox=sandbox,
                format=Lce(),
                sampling=replace(sampling, seed=arguments.seed + number),
                rounds=arguments.rounds,
            )
            left = [(f"{each.id}/{number}", each.text) for each in problems if f"{each.id}/{number}" not in log.rows]
            for trajectory in loop.run(left):
                log.append(trajectory.to_row() | {"settings": settings})
                done += 1
                progress.show(done)
    return settings


def publish(problems: Sequence[Problem], samples: int, rows: dict[str, dict[str, Any]], output: Path) -> dict[str, Any]:
    """Write the solutions and what was dropped; return the counts."""
    dropped: Counter[str] = Counter()
    kept = 0
    with atomic_file(output / "solutions.jsonl") as solutions, atomic_file(output / "dropped.jsonl") as refused:
        for problem in problems:
            taken = believed(problem, [rows[f"{problem.id}/{number}"] for number in range(samples)])
            if isinstance(taken, str):
                dropped[reason_kind(taken)] += 1
                refused.write(orjson.dumps({"id": problem.id, "reason": taken}, option=orjson.OPT_APPEND_NEWLINE))
                continue
            kept += 1
            row = {"id": problem.id, "messages": messages(problem.text, taken), "answer": final_answer(taken["completion"])}
            solutions.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
    check_conservation(len(problems), kept, sum(dropped.values()))
    counts = {"problems": len(problems), "solutions": kept, "dropped": sum(dropped.values())}
    return counts | {"dropped_by_reason": dict(sorted(dropped.items()))}


def believed(problem: Problem, rows: Sequence[dict[str, Any]]) -> dict[str, Any] | str:
    """Return the first trajectory whose answer is to be believed, or why none is."""
    whole = [row for row in rows if row["ended"] == "answer" and final_answer(row["completion"]) is not None]
    if not whole:
        ends = ", ".join(sorted({row["ended"] for row in rows}))
        return f"no answer: samples ended by {ends}"
    answers = [str(final_answer(row["completion"])) for row in whole]
    if problem.answer is not None:
        right = [row for row, answer in zip(whole, answers, strict=True) if _same(problem.answer, answer)]
        return right[0] if right else f"wrong: {answers[0][:80]!r}, the reference is {problem.answer[:80]!r}"
    if len(whole) < len(rows) or not all(_same(answers[0], answer) for answer in answers[1:]):
        return f"no agreement: {', '.join(sorted(set(answers)))[:80]}"
    return whole[0]


def _same(gold: str, answer: str) -> bool:
    return compare(gold, answer, STRICT).status == "right"


def messages(problem: str, trajectory: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a solution as a conversation (``data_tools/lce.py``)."""
    return [
        {"role": "user", "content": [{"type": "text", "content": problem}]},
        {"role": "assistant", "content": list(_blocks(trajectory["blocks"]))},
    ]


def _blocks(blocks: Sequence[dict[str, Any]]) -> Iterator[dict[str, str]]:
    for block in blocks:
        yield {"type": block["kind"], "content": block["content"]}
