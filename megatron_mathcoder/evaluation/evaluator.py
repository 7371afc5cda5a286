"""``mathcoder evaluate RECIPE.toml``: models × benchmarks → predictions, a table, a report.

Decides: the order: everything is read and checked before a model is loaded; one model at a time; predictions are on disk as
they come, so the same command goes on after a kill; the report is made of the predictions alone.
Does not: decode, judge, or draw; each has its file.
"""

import argparse
import json
import sys
import zlib
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from checkpoints_convert.checkpoint_reader import find_good_checkpoint
from checkpoints_convert.megatron_to_hf import export
from data_tools.parts import atomic_file, write_json
from data_tools.sandbox.outcome import Limits
from data_tools.sandbox.sandbox import Sandbox
from megatron_mathcoder.config.checksums import read_checksums
from megatron_mathcoder.config.errors import ConfigError, DataError
from megatron_mathcoder.config.loader import load_recipe
from megatron_mathcoder.evaluation import recipe, report, results
from megatron_mathcoder.evaluation.benchmarks import is_there
from megatron_mathcoder.evaluation.graders import Graders
from megatron_mathcoder.evaluation.predictions import Task, predict, task_of, versions
from megatron_mathcoder.evaluation.recipe import BenchmarkEntry, EvaluationConfig, ModelEntry
from megatron_mathcoder.inference.language_models import check_name, open_model
from megatron_mathcoder.inference.prediction_log import PredictionLog, check_some_ended, read_log

Judged = dict[str, dict[str, list[results.Judged]]]


def run(argv: list[str]) -> int:
    """Run ``mathcoder evaluate``."""
    parser = argparse.ArgumentParser(
        prog="mathcoder evaluate", description="Ask models the benchmarks of a recipe, and judge them."
    )
    parser.add_argument("recipe", type=Path, help="TOML with [evaluation], [[models]] and [[benchmarks]]")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="replace a key of the recipe")
    parser.add_argument(
        "--best", default="", metavar="NAME", help="end with status 1 unless this model's intervals lie above all others'"
    )
    arguments = parser.parse_args(argv)
    config = load_recipe(EvaluationConfig, arguments.recipe, arguments.set)
    recipe.check(config)
    names = [model.name for model in config.models]
    if arguments.best and (arguments.best not in names or len(names) < 2):
        raise ConfigError(
            f"--best {arguments.best}: the recipe's models are {', '.join(names)}; name one of them, of two or more"
        )
    contaminated = results.read_contamination(config.evaluation.contamination)
    check_files(config.benchmarks)
    for model in config.models:
        check_name(model.path)
    tasks = [task_of(entry) for entry in config.benchmarks]
    for model in config.models:
        ask(model, tasks, config)
    judged = judge(config, tasks, contaminated)
    numbers = write_report(config, judged)
    print(report.table(numbers["results"]))
    for line in report.comparison_lines(numbers["comparisons"]):
        print(line)
    print(f"report: {Path(config.evaluation.folder) / 'report.html'}")
    for name, of_model in judged.items():
        check_some_ended([each.row for of_task in of_model.values() for each in of_task], f"{name}: ")
    missed = results.not_clearly_best(arguments.best, numbers["results"]) if arguments.best else []
    for line in missed:
        print(f"not clearly the best: {line}", file=sys.stderr)
    return 1 if missed else 0


def check_files(entries: tuple[BenchmarkEntry, ...]) -> None:
    """Raise DataError when files of benchmarks are absent, all of them in one line: nothing is asked then."""
    absent = {place: entry for place, entry in enumerate(entries) if not is_there(entry.path)}
    if absent:
        named = ", ".join(f"{entry.name} ({entry.path})" for entry in absent.values())
        raise DataError(
            f"{len(absent)} of {len(entries)} benchmarks have no file: {named}; name a file, a folder of MATH, or hf:NAME with "
            f"--set benchmarks.{next(iter(absent))}.path=…, or take the table out"
        )


def ask(entry: ModelEntry, tasks: list[Task], config: EvaluationConfig) -> None:
    """Ask one model what its log does not hold yet."""
    folder = Path(config.evaluation.folder) / entry.name
    folder.mkdir(parents=True, exist_ok=True)
    section = config.evaluation
    with ExitStack() as stack:
        sandbox = None
        if any(task.protocol.rounds for task in tasks):
            limits = Limits(cpu_seconds=section.timeout_seconds)
            sandbox = stack.enter_context(Sandbox(limits, floor=section.sandbox_floor))
        model = stack.enter_context(open_model(_exported(entry.path, folder), section.batch_size))
        log = stack.enter_context(PredictionLog(folder / "predictions.jsonl"))
        for task in tasks:
            predict(model, task, section, log, sandbox)


def _exported(path: str, folder: Path) -> str:
    """Return the path of a model that can be opened: a checkpoint of ours is exported beside its predictions, once.

    The folder's name tells one content of a checkpoint from another: a run that was done anew ends in the same ``iter_N``.
    """
    place = Path(path)
    if not place.is_dir() or (place / "config.json").is_file():
        return path
    checkpoint = find_good_checkpoint(place)
    target = folder / f"hf-{checkpoint.name}-{_fingerprint(checkpoint)}"
    if not (target / "config.json").is_file():
        export(checkpoint, target)
    return str(target)


def _fingerprint(checkpoint: Path) -> str:
    files = sorted(path for path in checkpoint.rglob("*") if path.is_file())
    sizes = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return f"{zlib.crc32(repr(read_checksums(checkpoint) or sizes).encode()):08x}"


def judge(config: EvaluationConfig, tasks: list[Task], contaminated: set[tuple[str, str]] | None) -> Judged:
    """Judge every model's predictions."""
    judged: Judged = {}
    with Graders() as graders:
        for model in config.models:
            rows = read_log(Path(config.evaluation.folder) / model.name / "predictions.jsonl")
            judged[model.name] = {task.key: results.judge(task, rows, graders, contaminated) for task in tasks}
    return judged


def write_report(config: EvaluationConfig, judged: Judged) -> dict[str, Any]:
    """Write ``results.json``, each model's ``verdicts.jsonl`` and ``report.html``. Returns what ``results.json`` holds."""
    folder = Path(config.evaluation.folder)
    numbers: dict[str, Any] = {
        "results": {name: {key: results.summary(each) for key, each in tasks.items()} for name, tasks in judged.items()},
        "comparisons": results.comparisons(judged),
        "versions": versions(),
    }
    write_json(folder / "results.json", numbers)
    for name, tasks in judged.items():
        with atomic_file(folder / name / "verdicts.jsonl") as stream:
            for each in (each for of_task in tasks.values() for each in of_task):
                row = {"id": each.row["id"], **each.verdicts, "reason": each.reason, "contaminated": each.contaminated}
                stream.write(json.dumps(row).encode() + b"\n")
    with atomic_file(folder / "report.html") as stream:
        stream.write(report.page(numbers["results"], judged, numbers["comparisons"], numbers["versions"]).encode())
    return numbers
