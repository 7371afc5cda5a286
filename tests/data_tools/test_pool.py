import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from data_tools import pool
from data_tools.pool import run_tasks
from data_tools.progress import Progress
from megatron_mathcoder.config.errors import DataError
from tests.data_tools.worker_tasks import complain, die, die_once, read_all, square
from tests.repository import ROOT


@pytest.fixture
def progress() -> Progress:
    return Progress("test", 1, "tasks")


@pytest.mark.parametrize(("workers", "in_process"), [(1, True), (1, False), (3, False)])
def test_every_task_has_its_result(workers: int, in_process: bool, progress: Progress) -> None:
    assert dict(run_tasks(square, range(7), workers, progress, in_process)) == {number: number * number for number in range(7)}
    assert dict(run_tasks(square, [], workers, progress, in_process)) == {}


def test_a_killed_worker_is_replaced(tmp_path: Path, progress: Progress, capsys: pytest.CaptureFixture[str]) -> None:
    results = dict(run_tasks(die_once, ["", str(tmp_path / "died"), "", ""], 2, progress, False))
    assert sorted(results) == [0, 1, 2, 3]
    assert os.getpid() not in results.values()
    assert "a worker process died; its work is begun again" in capsys.readouterr().err


def test_workers_that_keep_dying_are_an_error(progress: Progress) -> None:
    with pytest.raises(DataError) as error:
        list(run_tasks(die, [1, 2], 2, progress, False))
    assert str(error.value) == (
        f"worker processes died {pool.MAX_POOL_RESTARTS + 1} times (2 of 2 slices unfinished), most often for lack of memory; "
        "finished slices are kept, so run the same command again with fewer --workers than 2"
    )


def test_a_document_that_ends_its_process_is_set_aside_and_the_others_are_read(
    progress: Progress, capsys: pytest.CaptureFixture[str]
) -> None:
    tasks = [["a", "abort-1", "b", "segfault-1"], ["c", "d"], ["kill-1"], ["e", "exit-1"]]
    results = dict(run_tasks(read_all, tasks, 2, progress, False))
    assert results == {
        0: [
            "a",
            "abort-1: ended its process twice (SIGABRT)",
            "b",
            "segfault-1: ended its process twice (SIGSEGV)",
        ],
        1: ["c", "d"],
        2: ["kill-1: ended its process twice (SIGKILL)"],
        3: ["e", "exit-1: ended its process twice (exit status 3)"],
    }
    assert capsys.readouterr().err.count("it is set aside") == 4


def test_one_task_has_a_process_of_its_own_too(progress: Progress) -> None:
    assert dict(run_tasks(read_all, [["abort-1", "a"]], 2, progress, False))[0][1] == "a"


def test_too_many_documents_that_end_their_process_end_the_run(progress: Progress, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "MAX_SET_ASIDE", 2)
    with pytest.raises(DataError, match=r"more than 2 documents ended the process that read them, the last by SIGABRT; finished"):
        list(run_tasks(read_all, [["abort-1", "abort-2", "abort-3", "a"]], 2, progress, False))


@pytest.mark.parametrize(("workers", "in_process"), [(1, True), (2, False)])
def test_an_error_of_a_task_comes_out_and_leaves_no_process(workers: int, in_process: bool, progress: Progress) -> None:
    with pytest.raises(DataError, match=r"task [12] is wrong"):
        list(run_tasks(complain, [1, 2], workers, progress, in_process))
    assert multiprocessing.active_children() == []


def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    script = (
        "from data_tools.pool import run_tasks\nfrom data_tools.progress import Progress\n"
        "from tests.data_tools.worker_tasks import sleep_for_ever\n"
        "if __name__ == '__main__':\n"
        f"    list(run_tasks(sleep_for_ever, [{str(tmp_path)!r}] * 2, 2, Progress('p', 1, 'x'), False))\n"
    )
    file = tmp_path / "script.py"
    file.write_text(script)
    # PYTHONPATH is not used: the script's own folder comes first on the path, and the root is added to it.
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import sys, runpy; sys.path.insert(0, {str(ROOT)!r}); runpy.run_path({str(file)!r}, run_name='__main__')",
        ]
    )
    try:
        workers = wait_for(lambda: [int(path.name) for path in tmp_path.iterdir() if path.name.isdigit()], 2)
    finally:
        parent.kill()
        parent.wait()
    deadline = time.monotonic() + 30
    while any(psutil.pid_exists(worker) for worker in workers):
        assert time.monotonic() < deadline, "workers outlived their parent"
        time.sleep(0.05)


def wait_for(found, count: int) -> list[int]:
    deadline = time.monotonic() + 60
    while len(items := found()) < count:
        assert time.monotonic() < deadline, "the workers did not begin"
        time.sleep(0.05)
    return items
