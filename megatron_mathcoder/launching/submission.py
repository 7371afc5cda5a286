"""What a job is submitted with: a copy of the code, the resolved recipe, and the sbatch command.

Decides: what is copied, where it lies in the run folder, and the options of the command.
Does not: check the run (``preflight.py``) or call Slurm (``slurm.py``).

A requeued job starts from these copies, so that editing code or recipe changes the next submission and never a running job.
"""

import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from megatron_mathcoder.config.errors import LaunchError
from megatron_mathcoder.config.run_folder import LOGS, SUBMISSIONS
from megatron_mathcoder.launching.site import Site

REPOSITORY = Path(__file__).parents[2]
PACKAGES = ("megatron_mathcoder", "data_tools", "checkpoints_convert")
TRAIN_SCRIPT = Path("launch/train.sbatch")
SITE_FILE = Path("launch/cluster_env.sh")
RECIPE_FILE = "recipe.toml"
COMMAND_FILE = "command.sh"
JOB_FILE = "job"
"""Slurm's id of the submitted job."""


def next_folder(run: Path) -> Path:
    """Return the folder of the next submission of the run in ``run``: ``submissions/1``, and so on."""
    numbers = [int(path.name) for path in (run / SUBMISSIONS).glob("[0-9]*") if path.name.isdecimal()]
    return run / SUBMISSIONS / str(max(numbers, default=0) + 1)


def newest_job(run: Path) -> str:
    """Return the id of the job last submitted for the run in ``run``; "" without one."""
    submissions = (path for path in (run / SUBMISSIONS).glob("[0-9]*") if path.name.isdecimal() and (path / JOB_FILE).is_file())
    newest = max(submissions, key=lambda path: int(path.name), default=None)
    return (newest / JOB_FILE).read_text().strip() if newest else ""


def check_repository() -> None:
    """Check that the launch scripts lie beside the code.

    Raises:
        LaunchError: this is an installed package without them.
    """
    if not (REPOSITORY / TRAIN_SCRIPT).is_file():
        raise LaunchError(f"{REPOSITORY / TRAIN_SCRIPT} is missing; submit from a clone of the repository (pip install -e .)")


def command(site: Site, run: Path, submission: Path, nodes: int, lead_seconds: int, more: Sequence[str]) -> list[str]:
    """Return the sbatch command of a training run; of two equal options the later wins, so ``more`` comes last."""
    return [
        "sbatch",
        f"--job-name={run.name}",
        f"--nodes={nodes}",
        f"--ntasks-per-node={site.ranks_per_node}",
        f"--time={site.time_limit}",
        f"--signal=USR1@{lead_seconds}",
        "--requeue",
        "--open-mode=append",
        f"--output={run / LOGS / 'slurm-%j.log'}",
        *site.options,
        *more,
        str(submission / "code" / TRAIN_SCRIPT),
        str(run),
        str(submission),
    ]


def write(submission: Path, site: Site, recipe: str, sbatch: Sequence[str]) -> int:
    """Copy code, site and recipe into ``submission`` and note the command; return the number of files of code."""
    code = submission / "code"
    for package in PACKAGES:
        # With __pycache__: every rank of every node would compile them at its start otherwise.
        shutil.copytree(REPOSITORY / package, code / package)
    shutil.copytree(REPOSITORY / "launch", code / "launch")
    shutil.copyfile(site.file, code / SITE_FILE)
    (submission / RECIPE_FILE).write_text(recipe)
    (submission / COMMAND_FILE).write_text(f"# code: {version()}\n{shlex.join(sbatch)}\n")
    (submission.parent.parent / LOGS).mkdir(exist_ok=True)
    return sum(path.is_file() for path in code.rglob("*"))


def version() -> str:
    """Return the code's git commit, with ``-dirty`` where files differ from it."""
    try:
        answer = subprocess.run(
            ["git", "-C", str(REPOSITORY), "describe", "--always", "--dirty"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "no git commit known"
    return answer.stdout.strip()
