"""The few commands of Slurm that are called, and what each failure means.

Decides: how Slurm is asked, and what a person is told when it does not answer.
Does not: choose options of a job (``submission.py``) or when to requeue one (``verdict.py``).
"""

import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Sequence

from megatron_mathcoder.config.errors import LaunchError

REQUEUE_TRIES = 5
REQUEUE_PAUSE_SECONDS = 5.0
"""A controller that restarts is back within seconds; after that the job ends with its status, and a person sees it."""
UNREACHABLE = ("unable to contact slurm controller", "configuration source")
"""Parts of what sbatch says where it finds no cluster, in lower case."""


def is_here() -> bool:
    """Return whether this machine can submit jobs."""
    return shutil.which("sbatch") is not None


def test_only(command: Sequence[str]) -> str:
    """Return what ``sbatch --test-only`` says of a submission: when and where it would start.

    Raises:
        LaunchError: Slurm would refuse it, or is not here.
    """
    return _call([command[0], "--test-only", *command[1:]], "change --nodes, --time or the site's options").strip()


def submit(command: Sequence[str]) -> str:
    """Run an ``sbatch`` command line and return the job's id.

    Raises:
        LaunchError: Slurm refuses it, or is not here.
    """
    answer = _call(command, "change what it names and submit again")
    found = re.search(r"Submitted batch job (\d+)", answer)
    if found is None:
        raise LaunchError(f"{shlex.join(command)}: it answers {answer.strip()!r}, not the id of a job; look with squeue")
    return found[1]


def is_waiting_or_running(job: str) -> bool:
    """Return whether Slurm still has ``job``; False also where Slurm does not know it any more."""
    try:
        answer = subprocess.run(
            ["squeue", "--noheader", "--jobs", job, "--format=%T"], capture_output=True, text=True, check=False
        )
    except OSError:
        return False
    return answer.returncode == 0 and bool(answer.stdout.strip())


def why_ending(job: str) -> str:
    """Return why Slurm itself is ending ``job``: ``TimeLimit``, ``Preempted``, or "" for all else, such as a wish of somebody."""
    try:
        answer = subprocess.run(["scontrol", "--oneliner", "show", "job", job], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    if "Reason=TimeLimit" in answer.stdout:
        return "TimeLimit"
    return "Preempted" if re.search(r"PreemptTime=\d", answer.stdout) else ""


def requeue(job: str) -> str:
    """Put the running ``job`` back into the queue; return "" or why Slurm would not."""
    for attempt in range(REQUEUE_TRIES):
        if attempt:
            time.sleep(REQUEUE_PAUSE_SECONDS)
        try:
            answer = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True, check=False)
        except OSError as error:
            return f"scontrol: {error.strerror}"
        if answer.returncode == 0:
            return ""
    return answer.stderr.strip() or f"scontrol requeue ended with status {answer.returncode}"


def _call(command: Sequence[str], remedy: str) -> str:
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise LaunchError(f"{command[0]}: no such command here; submit on a login node of the Slurm cluster") from None
    if answer.returncode != 0:
        reason = " ".join(answer.stderr.split()) or f"status {answer.returncode}"
        if any(words in reason.lower() for words in UNREACHABLE):
            remedy = "submit on a login node of the cluster, while its controller answers (scontrol ping)"
        raise LaunchError(f"{reason}; {remedy}")
    # --test-only answers on standard error.
    return answer.stdout + answer.stderr
