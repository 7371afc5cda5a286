"""``mathcoder status``: how a run gets on, read from its folder, with no Slurm at hand.

Decides: what is shown, and when a run counts as stalled.
Does not: ask the cluster. A job that was killed together with its node looks alive until its silence is long enough.
"""

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from megatron_mathcoder.config.errors import LaunchError, MathCoderError
from megatron_mathcoder.config.flops import training_flops_per_token
from megatron_mathcoder.config.gpus import GPUS
from megatron_mathcoder.config.loader import load_run_file
from megatron_mathcoder.config.run_folder import METRICS_FILE, RUN_FILE, checkpoint_step, newest_checkpoint, read_rows
from megatron_mathcoder.config.schema import RunConfig
from megatron_mathcoder.launching.attempts import FINISHED, Attempt, AttemptLog, job_names
from megatron_mathcoder.launching.running_ranks import changes_of
from megatron_mathcoder.launching.submission import newest_job
from megatron_mathcoder.planning.run_length import run_steps

RECENT_STEPS = 50
"""Steps over whose median speed is given."""
SILENT_STEPS, SILENT_SECONDS = 10, 600.0
"""A run is stalled when nothing in its folder has changed for so many usual steps, and for so long at least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A training run at one moment. None = not known."""

    step: int
    steps: int | None
    loss: float | None
    tokens_per_second: float | None
    mfu: float | None
    eta_seconds: float | None
    """Of computing; waiting in the queue comes on top."""
    last_checkpoint: int | None
    checkpoint_age_seconds: float | None
    silent_seconds: float | None
    """Since anything in the folder changed."""
    stalled: bool


def run(argv: list[str]) -> int:
    """Run ``mathcoder status``: 0, or with --check 1 when a job of the folder has not finished."""
    parser = argparse.ArgumentParser(
        prog="mathcoder status",
        description="Say how a run gets on, from its folder alone: step, loss, speed, ETA, restarts, last checkpoint, stalled "
        "or not; for a folder of data jobs, each part's outcome.",
    )
    parser.add_argument("folder", type=Path, help="a run folder")
    parser.add_argument("--json", action="store_true", help="print JSON, in seconds")
    parser.add_argument("--check", action="store_true", help="status 1 unless every job in the folder, or the run, has finished")
    arguments = parser.parse_args(argv)
    folder: Path = arguments.folder
    jobs = {name: AttemptLog(folder, name).read() for name in job_names(folder)}
    waiting = not_started(folder, jobs)
    if not jobs and not waiting and not (folder / METRICS_FILE).is_file() and not (folder / RUN_FILE).is_file():
        raise LaunchError(f"{folder}: no run is here ({METRICS_FILE}, {RUN_FILE} or attempts/); give a recipe's run.folder")
    progress = read_progress(folder, jobs.get("train", []), time.time()) if (folder / RUN_FILE).is_file() else None
    print(json.dumps(as_json(progress, jobs, waiting), indent=2) if arguments.json else as_text(folder, progress, jobs, waiting))
    return int(arguments.check and not is_finished(progress, jobs, waiting))


def is_finished(progress: "Progress | None", jobs: dict[str, list[Attempt]], waiting: str) -> bool:
    """Return whether every job has finished; a run that no job has started, whether it is at its last step."""
    if not jobs and not waiting:
        return progress is not None and progress.step == progress.steps
    return not waiting and all(attempts and outcome(attempts) == FINISHED for attempts in jobs.values())


def not_started(folder: Path, jobs: dict[str, list[Attempt]]) -> str:
    """Return Slurm's id of the training job that was submitted last if it has made no attempt yet, else ""."""
    newest = newest_job(folder)
    return "" if newest in (each.start.job for each in jobs.get("train", [])) else newest


def read_progress(folder: Path, attempts: list[Attempt], now: float) -> Progress:
    """Read a run folder as it is at ``now``, seconds since 1970."""
    config = load_run_file(folder / RUN_FILE)
    rows = read_rows(folder / METRICS_FILE, ["step", "loss", "seconds", "tokens_per_second"])
    recent = rows[-RECENT_STEPS:]
    step_seconds = median(row["seconds"] for row in recent) if recent else None
    rate = median(row["tokens_per_second"] for row in recent) if recent else None
    step, steps = int(rows[-1]["step"]) if rows else 0, _steps(config)
    saved = newest_checkpoint(folder)
    changes = changes_of(folder)
    silent = now - max(changes) if changes else None
    alive = not attempts or attempts[-1].end is None
    limit = max(SILENT_SECONDS, SILENT_STEPS * (step_seconds or 0.0))
    return Progress(
        step=step,
        steps=steps,
        loss=rows[-1]["loss"] if rows else None,
        tokens_per_second=rate,
        mfu=_mfu(config, rows, rate, attempts),
        eta_seconds=(steps - step) * step_seconds if steps and step_seconds is not None else None,
        last_checkpoint=checkpoint_step(saved) if saved else None,
        checkpoint_age_seconds=now - saved.stat().st_mtime if saved else None,
        silent_seconds=silent,
        stalled=alive and step != steps and silent is not None and silent > limit,
    )


def _steps(config: RunConfig) -> int | None:
    try:
        return run_steps(config) or None
    except MathCoderError:  # its data has gone
        return None


def _mfu(config: RunConfig, rows: list[dict[str, Any]], rate: float | None, attempts: list[Attempt]) -> float | None:
    """Return what the run measured, else what follows from the GPU and ranks that the attempt's record names."""
    if rows and rows[-1].get("mfu") is not None:
        return float(rows[-1]["mfu"])
    if rate is None or not attempts or attempts[-1].start.gpu not in GPUS or not attempts[-1].start.ranks:
        return None
    start = attempts[-1].start
    flops = training_flops_per_token(config.model, config.dataset.seq_length)
    return rate * flops / (start.ranks * GPUS[start.gpu].peak_flops)


def outcome(attempts: list[Attempt]) -> str:
    """Return how the newest attempt ended, or that it has not."""
    end = attempts[-1].end
    return end.outcome if end else "running"


def as_json(progress: Progress | None, jobs: dict[str, list[Attempt]], waiting: str) -> dict[str, Any]:
    """Return all of it for programs."""
    return {
        "progress": asdict(progress) if progress else None,
        "not_started": waiting or None,
        "jobs": {
            name: {"outcome": outcome(attempts), "restarts": len(attempts) - 1, "attempts": [asdict(each) for each in attempts]}
            for name, attempts in jobs.items()
        },
    }


def as_text(folder: Path, progress: Progress | None, jobs: dict[str, list[Attempt]], waiting: str) -> str:
    """Return all of it for a terminal."""
    lines = [str(folder)]
    if progress is not None:
        lines += _progress_lines(progress)
    for name, attempts in jobs.items():
        lines.append(f"  job        {name}: {_job_line(attempts)}")
    if waiting:
        lines.append(f"  job        train: submitted as job {waiting}, which has not started")
    elif not jobs:
        lines.append("  job        none: it was not started by mathcoder submit, so restarts are not known")
    return "\n".join(lines)


def _progress_lines(progress: Progress) -> list[str]:
    of = f" of {progress.steps:,} ({progress.step / progress.steps:.1%})" if progress.steps else ""
    loss = f", loss {progress.loss:.4f}" if progress.loss is not None else ""
    lines = [f"  step       {progress.step:,}{of}{loss}"]
    if progress.tokens_per_second is not None:
        mfu = f"MFU {progress.mfu:.1%}" if progress.mfu is not None else "MFU not known, no GPU is named"
        eta = f", ETA {duration(progress.eta_seconds)}" if progress.eta_seconds else ""
        lines.append(f"  speed      {progress.tokens_per_second:,.0f} tokens/s, {mfu}{eta}")
    if progress.last_checkpoint is not None and progress.checkpoint_age_seconds is not None:
        lines.append(f"  checkpoint step {progress.last_checkpoint:,}, {duration(progress.checkpoint_age_seconds)} ago")
    else:
        lines.append("  checkpoint none yet")
    if progress.silent_seconds is not None:
        at_the_end = "at its last step" if progress.step == progress.steps else "not stalled"
        state = "STALLED" if progress.stalled else at_the_end
        lines.append(f"  last sign  {duration(progress.silent_seconds)} ago: {state}")
    return lines


def _job_line(attempts: list[Attempt]) -> str:
    last = attempts[-1]
    ends = [each.end for each in attempts[:-1]]
    kinds = [end.outcome if end else "ended by Slurm" for end in ends]
    restarts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
    repeated = sum(end.last_step - end.saved_step for end in ends if end and end.last_step > end.saved_step)
    said = f"{outcome(attempts)} (job {last.start.job})"
    if last.end is not None and last.end.outcome != FINISHED:
        said += f", {last.end.reason}"
    said += f"; {len(ends)} restart{'s' if len(ends) != 1 else ''}{f': {restarts}' if restarts else ''}"
    return said + (f"; {repeated} steps done again" if repeated else "")


def duration(seconds: float) -> str:
    """Return seconds as a person says them."""
    for size, name in ((86_400, "days"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {name}"
    return f"{seconds:.0f} s"
