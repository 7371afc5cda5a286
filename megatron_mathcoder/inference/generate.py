"""``mathcoder generate``: a model continues a prompt, or solves a file of problems, running the code it writes.

Decides: what is asked of the model and where its trajectories go: to standard output for one prompt, to a JSONL log for a
file, which a later run with the same command goes on with. Without ``--execute`` no code is run.
Does not: decode (the language model does), run code (``tool_use``), or grade.
"""

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path

from data_tools.arguments import positive_int, seed, temperature
from data_tools.inputs import check_not_read
from data_tools.llm.interface import LanguageModel, Request, Sampling
from data_tools.progress import CountProgress
from data_tools.sandbox.arguments import add_floor, add_timeout
from data_tools.sandbox.outcome import Limits
from data_tools.sandbox.sandbox import Sandbox
from megatron_mathcoder.config.errors import ConfigError, DataError
from megatron_mathcoder.inference.language_models import FORMS, open_model
from megatron_mathcoder.inference.prediction_log import PredictionLog, check_some_ended, read_log
from megatron_mathcoder.inference.problems import PROBLEM_FIELDS, check_ids, read_problems
from megatron_mathcoder.inference.tool_format import FORMATS
from megatron_mathcoder.inference.tool_use import ToolLoop, Trajectory, replay, trajectory_from_row
from megatron_mathcoder.inference.transformers_model import DEFAULT_BATCH


def run(argv: list[str]) -> int:
    """Run ``mathcoder generate``."""
    arguments = _parser().parse_args(argv)
    if arguments.replay:
        return _replay(arguments)
    if arguments.model is None:
        raise ConfigError(f"no model: name {FORMS}")
    if bool(arguments.problems) != bool(arguments.output):
        missing = "--problems needs --output" if arguments.problems else "--output needs --problems, and"
        raise ConfigError(f"{missing} FILE.jsonl, where trajectories go as they end")
    if arguments.problems and arguments.prompt is not None:
        raise ConfigError("--prompt and --problems both say what to ask; leave one out")
    problems = _problems(arguments) if arguments.problems else []
    sampling = Sampling(max_tokens=arguments.max_new_tokens, temperature=arguments.temperature, seed=arguments.seed)
    with ExitStack() as stack:
        # The sandbox first: a machine that cannot have one says so before a model is loaded.
        sandbox = stack.enter_context(_sandbox(arguments)) if arguments.execute else None
        model = stack.enter_context(open_model(arguments.model, arguments.batch_size))
        if arguments.problems is None and not arguments.execute:
            return _continue(model, _prompt(arguments), sampling)
        loop = ToolLoop(
            model=model,
            sandbox=sandbox,
            format=FORMATS[arguments.format](),
            sampling=sampling,
            rounds=arguments.rounds,
            output_characters=arguments.output_characters,
        )
        return _solve_file(loop, problems, arguments) if problems else _solve_one(loop, _prompt(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mathcoder generate", description="Let a model continue a prompt, or solve problems with the code it writes."
    )
    parser.add_argument("model", nargs="?", help=FORMS)
    parser.add_argument("--prompt", help="text to continue, or the problem (default: standard input)")
    parser.add_argument("--problems", metavar="FILE", help=f"JSONL rows with {', '.join(PROBLEM_FIELDS)} and, if you like, an id")
    parser.add_argument("--output", type=Path, metavar="FILE", help="JSONL of trajectories; the same command goes on with it")
    parser.add_argument("--execute", action="store_true", help="run the code blocks the model writes, in the sandbox")
    parser.add_argument("--format", choices=list(FORMATS), default="fences", help="how code is written (default: %(default)s)")
    parser.add_argument("--rounds", type=positive_int, default=8, metavar="N", help="most rounds of writing (default: 8)")
    parser.add_argument("--max-new-tokens", type=positive_int, default=128, metavar="N", help="of each round; default: 128")
    parser.add_argument(
        "--temperature", type=temperature, default=0.0, metavar="T", help="0 = the likeliest token each time (default)"
    )
    parser.add_argument("--seed", type=seed, default=3407, help="of the draws when the temperature is not 0")
    parser.add_argument(
        "--batch-size", type=positive_int, default=DEFAULT_BATCH, metavar="N", help="prompts at a time, in process"
    )
    add_timeout(parser)
    add_floor(parser)
    parser.add_argument(
        "--output-characters", type=positive_int, default=1000, metavar="N", help="of a block's output that are kept"
    )
    parser.add_argument("--replay", type=Path, metavar="FILE", help="run the code of recorded trajectories again and compare")
    return parser


def _problems(arguments: argparse.Namespace) -> list[tuple[str, str]]:
    check_not_read(arguments.output, [arguments.problems])
    problems = list(read_problems(arguments.problems))
    check_ids(name for name, _ in problems)
    return problems


def _sandbox(arguments: argparse.Namespace) -> Sandbox:
    return Sandbox(Limits(cpu_seconds=arguments.timeout_seconds), floor=arguments.sandbox_floor)


def _prompt(arguments: argparse.Namespace) -> str:
    return arguments.prompt if arguments.prompt is not None else sys.stdin.read()


def _continue(model: LanguageModel, prompt: str, sampling: Sampling) -> int:
    reply = next(iter(model.complete([Request(prompt, sampling)])))
    if reply.outcome == "failed":
        raise DataError(f"the model refuses the prompt: {reply.error}; shorten it")
    if reply.outcome == "dead":
        raise DataError(f"the model does not answer: {reply.error}; look at its server, then run the same command")
    print(f"{prompt}{reply.choices[0].text}")
    return 0


def _solve_one(loop: ToolLoop, problem: str) -> int:
    trajectory = next(loop.run([("0", problem)]))
    print(f"{trajectory.prompt}{trajectory.text}")
    if trajectory.ended != "answer":
        print(f"ended by {trajectory.ended} {trajectory.error}".rstrip(), file=sys.stderr)
    return int(trajectory.ended == "failed")


def _solve_file(loop: ToolLoop, problems: list[tuple[str, str]], arguments: argparse.Namespace) -> int:
    settings = {"model": loop.model.name, "format": arguments.format, "rounds": loop.rounds, "execute": arguments.execute}
    settings |= {"max_new_tokens": arguments.max_new_tokens, "temperature": arguments.temperature, "seed": arguments.seed}
    with PredictionLog(arguments.output) as log:
        log.check_settings(settings)
        left = [problem for problem in problems if problem[0] not in log.rows]
        with CountProgress("generate", len(problems), "problems", len(problems) - len(left)) as progress:
            for done, trajectory in enumerate(loop.run(left), 1):
                log.append(trajectory.to_row() | {"settings": settings})
                progress.show(done)
        rows = [log.rows[name] for name, _ in problems]
    ends = [row["ended"] for row in rows]
    counts = ", ".join(f"{ends.count(end)} {end}" for end in sorted(set(ends)))
    print(f"{arguments.output}: {len(ends)} trajectories: {counts}")
    check_some_ended(rows)
    return 0


def _replay(arguments: argparse.Namespace) -> int:
    if not arguments.replay.is_file():
        raise DataError(f"--replay {arguments.replay}: no such file; name trajectories that --problems … --output wrote")
    trajectories = _recorded(arguments.replay)
    with _sandbox(arguments) as sandbox:
        blocks = sum(block.kind == "execution" for each in trajectories for block in each.blocks)
        differing = 0
        for trajectory in trajectories:
            for recorded, now in replay(trajectory, sandbox, arguments.output_characters):
                differing += 1
                print(f"{trajectory.id}: recorded {recorded[:80]!r}, now {now[:80]!r}")
    print(f"{arguments.replay}: {blocks - differing} of {blocks} executions of {len(trajectories)} trajectories are the same")
    return int(differing > 0)


def _recorded(path: Path) -> list[Trajectory]:
    try:
        found = [trajectory_from_row(row) for row in read_log(path).values()]
    except (KeyError, TypeError) as error:
        raise DataError(
            f"--replay {path}: its rows are no trajectories ({error}); name what --problems … --output wrote"
        ) from None
    if not found:
        raise DataError(f"--replay {path}: no trajectory in it; name what --problems … --output wrote")
    return found
