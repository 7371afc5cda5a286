"""What is refused while a person still looks: no job is made of it."""

from collections.abc import Callable

import pytest

from tests.launch.scenario import Run, slurm

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(600)]
Record = Callable[[str, str], None]


def jobs(run: Run) -> str:
    """Return the jobs Slurm has for the run's partition."""
    return slurm("squeue", "--noheader", f"--partition={run.pair.low}")


def test_a_wrong_recipe(run: Run, record_property: Record) -> None:
    """A key that is no key."""
    answer = run.command("--set=optimizer.lrr=1")
    assert answer.returncode == 2
    assert "no such key; did you mean optimizer.lr?" in answer.stderr
    assert jobs(run) == ""
    record_property("outcome", "refused, no job")


def test_more_nodes_than_there_are(run: Run, record_property: Record) -> None:
    """Slurm itself is asked before anything is written."""
    answer = run.command(nodes=4)
    assert answer.returncode == 2
    assert "change --nodes, --time or the site's options" in answer.stderr
    assert not run.folder.exists()
    assert jobs(run) == ""
    record_property("outcome", f"refused, no job: {answer.stderr.strip()[-120:]}")


def test_a_second_job_of_one_run(run: Run, whole: list[float], record_property: Record) -> None:
    """Two jobs would overwrite each other's steps."""
    run.submit()
    answer = run.command()
    assert answer.returncode == 2
    assert f"job {run.job} of this run still waits or runs; scancel {run.job} first" in answer.stderr
    run.wait()
    record_property("outcome", f"refused; the first: {run.judge(whole, lost=0)}")
    answer = run.command()
    assert answer.returncode == 2
    assert "finished at step 60 of 60" in answer.stderr
