"""``mathcoder submit``: check a training run, keep a copy of its code, and hand it to Slurm.

Decides: the order of these, and that nothing is hidden: every check and the sbatch command are printed.
Does not: contain a check (``preflight.py``) or an option (``submission.py``).
"""

import argparse
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from megatron_mathcoder.config.errors import LaunchError, MathCoderError
from megatron_mathcoder.config.loader import dump_config, load_config
from megatron_mathcoder.launching import preflight, slurm, submission
from megatron_mathcoder.launching.attempts import needed_names
from megatron_mathcoder.launching.site import read_site, seconds


def run(argv: list[str]) -> int:
    """Run ``mathcoder submit``: 0 submitted, or with --dry-run nothing to refuse."""
    arguments = parse(argv)
    submission.check_repository()
    config = load_config(arguments.recipe, arguments.set)
    site = read_site(arguments.site)
    if arguments.time:
        seconds(arguments.time, "--time")
        site = replace(site, time_limit=arguments.time)

    folder = Path(config.run.folder).absolute()
    lead = preflight.signal_lead(config, site)
    target = submission.next_folder(folder)
    waits = [f"--dependency=afterany:{arguments.after}"] if arguments.after else []
    needs = [f"--needs={need}" for need in arguments.needs]
    sbatch = submission.command(site, folder, target, arguments.nodes, lead, [*waits, *arguments.sbatch])
    # Slurm judges a script that is there; the copy is made only when it has agreed.
    judged = [*sbatch[:-3], str(submission.REPOSITORY / submission.TRAIN_SCRIPT), *sbatch[-2:]]
    ranks = arguments.nodes * site.ranks_per_node

    report = Report(go_on=arguments.dry_run)
    report.check("recipe", lambda: preflight.check_recipe(config, ranks, bool(arguments.after)))
    report.check("disk", lambda: preflight.check_disk(config))
    report.check("memory", lambda: preflight.check_memory(config, site, arguments.nodes))
    report.check("time", lambda: preflight.check_time(config, site, arguments.nodes, lead))
    report.check("run", lambda: check_no_second_job(folder))
    if arguments.dry_run and not slurm.is_here():
        say("slurm", "not asked: this machine has no sbatch")
    else:
        report.check("slurm", lambda: slurm.test_only(judged))
    if arguments.dry_run:
        say("command", shlex.join([*sbatch, *needs]))
        report.raise_refusal()
        return 0
    files = submission.write(target, site, dump_config(config), [*sbatch, *needs])
    say("code", f"{files} files, {submission.version()}, in {target}")
    say("command", shlex.join([*sbatch, *needs]))
    job = slurm.submit([*sbatch, *needs])
    (target / submission.JOB_FILE).write_text(f"{job}\n")
    say("job", f"{job}; mathcoder status {config.run.folder}")
    return 0


def parse(argv: list[str]) -> argparse.Namespace:
    """Return the arguments.

    Raises:
        LaunchError: there is no node to run on, or a need is none.
    """
    parser = argparse.ArgumentParser(
        prog="mathcoder submit",
        description="Submit a training run to Slurm: check it, copy code and recipe into the run folder, print the sbatch "
        "command and run it. Names of the cluster are in launch/cluster_env.sh.",
    )
    parser.add_argument("recipe", help="the run's TOML file")
    parser.add_argument("--nodes", type=int, required=True, help="number of nodes; the site says how many ranks each has")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="replace one key of the recipe")
    parser.add_argument(
        "--time", default="", help="time limit of one job (default: the site's TIME_LIMIT); the run may be longer"
    )
    parser.add_argument("--after", default="", metavar="JOB[:JOB]", help="wait for these jobs to end")
    parser.add_argument("--needs", action="append", default=[], metavar="FOLDER:NAME[/PARTS]", help="… and to have finished")
    parser.add_argument(
        "--sbatch", action="append", default=[], metavar="OPTION", help="one more, e.g. --sbatch=--partition=high"
    )
    parser.add_argument("--site", type=Path, default=submission.REPOSITORY / submission.SITE_FILE, help="another cluster_env.sh")
    parser.add_argument("--dry-run", action="store_true", help="make all checks and print the command; copy and submit nothing")
    arguments = parser.parse_args(argv)
    for need in arguments.needs:
        needed_names(need)
    if arguments.nodes < 1:
        raise LaunchError(f"--nodes {arguments.nodes}: must be at least 1")
    return arguments


class Report:
    """The checks, one line each; the first that refuses ends the submission, or a dry run's exit status."""

    def __init__(self, go_on: bool) -> None:
        """With ``go_on``, what is refused is said, and the other checks are made all the same."""
        self._go_on = go_on
        self._refusals: list[MathCoderError] = []

    def check(self, what: str, check: Callable[[], str]) -> None:
        """Make one check and print its line.

        Raises:
            MathCoderError: it refuses, and this is no dry run.
        """
        try:
            say(what, check())
        except MathCoderError as error:
            if not self._go_on:
                raise
            say(what, f"REFUSED: {error}")
            self._refusals.append(error)

    def raise_refusal(self) -> None:
        """Raise the first refusal, if there was one."""
        if self._refusals:
            raise self._refusals[0]


def say(what: str, text: str) -> None:
    """Print one line of the report."""
    print(f"{what:<8} {text}", flush=True)


def check_no_second_job(folder: Path) -> str:
    """Two jobs in one run folder would overwrite each other's steps.

    Raises:
        LaunchError: a job of this run still waits or runs.
    """
    job = submission.newest_job(folder)
    if job and slurm.is_waiting_or_running(job):
        raise LaunchError(
            f"{folder}: job {job} of this run still waits or runs; scancel {job} first, or choose another run.folder"
        )
    return "no other job of it waits or runs"
