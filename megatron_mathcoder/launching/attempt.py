"""``mathcoder attempt``: one attempt of a Slurm job, from its record's first row to the decision what comes next.

Decides: whether the ranks are started, and what is recorded; gathers the facts of their end.
Does not: watch them (``running_ranks.py``), judge them (``verdict.py``), or know what the command does. Batch scripts call it;
nobody types it.
"""

import argparse
import signal
from pathlib import Path

from megatron_mathcoder.config.errors import LaunchError
from megatron_mathcoder.config.run_folder import METRICS_FILE, checkpoint_step, newest_checkpoint, read_rows
from megatron_mathcoder.launching import slurm
from megatron_mathcoder.launching.attempts import AttemptLog, End, Start, part_name, unfinished
from megatron_mathcoder.launching.running_ranks import RunningRanks, say
from megatron_mathcoder.launching.verdict import Facts, decide

COUNTED = ("crashed", "stalled", "out of time")
"""Outcomes that are counted against the limit while no checkpoint is made."""


def run(argv: list[str]) -> int:
    """Run ``mathcoder attempt``: 0 finished, else 1; a requeued job is ended before that matters.

    The ranks' own status is in the record. It is not returned, so that 128 + 9 tells the batch script that this process itself
    was killed; then it calls again with ``--killed``.
    """
    arguments = parse(argv)
    log = AttemptLog(arguments.folder, arguments.name)
    if log.finished() and log.read()[-1].start.job == arguments.job:
        say(f"{arguments.name}: finished before; nothing is started")
        return 0
    if arguments.killed:
        return _after_a_kill(arguments, log)
    for need in arguments.needs:
        if lines := unfinished(need):
            raise LaunchError(
                f"{arguments.name} needs {need}, where {len(lines)} did not finish: {'; '.join(lines)}; "
                "mend that and submit it again, then this"
            )
    return _attempt(arguments, log)


def parse(argv: list[str]) -> argparse.Namespace:
    """Return the arguments; a part of an array has its own name, and its ``--part`` in the command.

    Raises:
        LaunchError: the array has not the parts that the work has.
    """
    parser = argparse.ArgumentParser(
        prog="mathcoder attempt",
        description="Inside a Slurm job: record an attempt in FOLDER/attempts, run COMMAND (srun …), and when it ends "
        "requeue the job, or not. The batch scripts in launch/ call it.",
    )
    parser.add_argument("folder", type=Path, help="the run folder")
    parser.add_argument("--name", default="train", help="name of the job in the folder, such as filter-3-of-16 (default train)")
    parser.add_argument("--job", required=True, help="$SLURM_JOB_ID")
    parser.add_argument("--restart", type=int, default=0, help="$SLURM_RESTART_COUNT")
    parser.add_argument(
        "--parts", type=int, default=1, help="parts of the work, each a task of an array from 1 (default 1: whole)"
    )
    parser.add_argument("--task", type=int, default=0, help="$SLURM_ARRAY_TASK_ID; the command gets --part TASK/PARTS")
    parser.add_argument("--gpu", default="", help="kind of GPU, for mathcoder status to know the MFU")
    parser.add_argument("--ranks", type=int, default=0, help="number of ranks")
    parser.add_argument(
        "--crash-limit", type=int, default=3, help="crashes without a new checkpoint that end the job (default 3)"
    )
    parser.add_argument(
        "--stall-minutes", type=float, default=0.0, help="end the ranks when nothing in FOLDER changes; 0 = never"
    )
    parser.add_argument(
        "--needs", action="append", default=[], metavar="FOLDER:NAME[/PARTS]", help="jobs that must have finished"
    )
    parser.add_argument("--killed", action="store_true", help="record a crash: the process that ran this attempt was killed")
    parser.add_argument("command", nargs="+", help="after --: srun and what it runs")
    arguments = parser.parse_args(argv)
    if arguments.parts > 1:
        if not 1 <= arguments.task <= arguments.parts:
            raise LaunchError(f"{arguments.name} has {arguments.parts} parts; submit it with --array=1-{arguments.parts}")
        arguments.name = part_name(arguments.name, arguments.task, arguments.parts)
        arguments.command += ["--part", f"{arguments.task}/{arguments.parts}"]
    return arguments


def _start(arguments: argparse.Namespace) -> Start:
    return Start(
        job=arguments.job,
        restart=arguments.restart,
        saved_step=saved_step(arguments.folder),
        gpu=arguments.gpu,
        ranks=arguments.ranks,
    )


def _attempt(arguments: argparse.Namespace, log: AttemptLog) -> int:
    start = _start(arguments)
    # First: a command that cannot be started is no attempt, and leaves no row that nothing ends.
    ranks = RunningRanks(arguments.command, arguments.folder, arguments.stall_minutes * 60)
    recorded = _written(log, start)
    status = ranks.wait()
    why = slurm.why_ending(start.job) if status else ""
    facts = Facts(
        status=status,
        ended_by_slurm=ranks.told_to_end,
        out_of_time=ranks.told_to_end and why == "TimeLimit",
        preempted=why == "Preempted",
        stalled=ranks.stalled,
        saved_before=start.saved_step,
        saved_after=saved_step(arguments.folder),
        last_step=last_step(arguments.folder),
        # A full disk keeps no record either; then every restart counts, so that it ends all the same.
        crashes_before=crashes_in_a_row(log, start.job) if recorded else start.restart,
    )
    return _end(arguments, log, facts)


def _after_a_kill(arguments: argparse.Namespace, log: AttemptLog) -> int:
    """End the attempt of this job and restart in place of the process that was killed, perhaps before it wrote a row."""
    starts = [each.start for each in log.read() if (each.start.job, each.start.restart) == (arguments.job, arguments.restart)]
    recorded = bool(starts) or _written(log, _start(arguments))
    saved = saved_step(arguments.folder)
    facts = Facts(
        status=128 + signal.SIGKILL,
        killed=True,
        saved_before=starts[-1].saved_step if starts else saved,
        saved_after=saved,
        last_step=last_step(arguments.folder),
        crashes_before=crashes_in_a_row(log, arguments.job) if recorded else arguments.restart,
    )
    return _end(arguments, log, facts)


def _end(arguments: argparse.Namespace, log: AttemptLog, facts: Facts) -> int:
    """Record how the attempt ended and do what follows from it."""
    verdict = decide(facts, arguments.crash_limit)
    _written(
        log,
        End(
            job=arguments.job,
            restart=arguments.restart,
            status=facts.status,
            saved_step=facts.saved_after,
            last_step=facts.last_step,
            outcome=verdict.outcome,
            reason=verdict.reason,
        ),
    )
    say(f"{arguments.name}: {verdict.outcome}: {verdict.reason}{'; requeued' if verdict.requeue else ''}")
    if verdict.requeue and (refusal := slurm.requeue(arguments.job)):
        raise LaunchError(
            f"job {arguments.job} cannot be requeued: {refusal}; submit the run again, it goes on from its newest checkpoint"
        )
    return int(facts.status != 0)


def _written(log: AttemptLog, row: Start | End) -> bool:
    """Write a row of the record if its disk takes it: what becomes of the job must not depend on that."""
    try:
        log.write(row)
    except OSError as error:
        say(f"{log.path}: {error.strerror}; this attempt is not recorded")
        return False
    return True


def saved_step(folder: Path) -> int:
    """Return the step of the run's newest whole checkpoint, 0 without one."""
    newest = newest_checkpoint(folder)
    return checkpoint_step(newest) if newest else 0


def last_step(folder: Path) -> int:
    """Return the last step in metrics.jsonl, 0 without one."""
    rows = read_rows(folder / METRICS_FILE)
    return int(rows[-1]["step"]) if rows else 0


def crashes_in_a_row(log: AttemptLog, job: str) -> int:
    """Return how many of this job's ended attempts, counted back from now, failed without a new checkpoint."""
    count = 0
    for attempt in reversed(log.read()):
        if attempt.start.job != job or (attempt.end is not None and attempt.end.saved_step > attempt.start.saved_step):
            break
        count += attempt.end is not None and attempt.end.outcome in COUNTED
    return count
