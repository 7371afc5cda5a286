"""One attempt of a job: its record, its end, and what Slurm is asked for."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from megatron_mathcoder.cli import main
from megatron_mathcoder.launching.attempts import AttemptLog, End, job_names, part_name

CRASH = ["--", "sh", "-c", "exit 9"]


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Give back the signal handlers that an attempt in this process takes."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


def attempt(folder: Path, *words: str, job: str = "8", restart: int = 0) -> int:
    return main(["attempt", str(folder), "--job", job, "--restart", str(restart), *words])


def last_end(folder: Path, name: str = "train") -> End:
    end = AttemptLog(folder, name).read()[-1].end
    assert end is not None
    return end


def requeues(slurm: Path) -> list[str]:
    log = slurm / "requeues.log"
    return log.read_text().split() if log.exists() else []


def save(folder: Path, step: int) -> str:
    """Return the shell command by which a checkpoint of ``step`` appears."""
    checkpoint = folder / "checkpoints" / f"iter_{step:07d}"
    return f"mkdir -p {checkpoint}; touch {checkpoint}/metadata.json"


def test_a_job_that_ends_well_is_finished_and_not_started_again(tmp_path: Path, slurm: Path) -> None:
    count = ["--", "sh", "-c", f"echo x >> {tmp_path}/starts"]
    assert attempt(tmp_path, *count) == 0
    assert attempt(tmp_path, *count, restart=1) == 0  # an operator requeues it, or its node came back
    assert (tmp_path / "starts").read_text() == "x\n"
    assert last_end(tmp_path).outcome == "finished"
    assert requeues(slurm) == []
    assert attempt(tmp_path, *count, job="9") == 0  # submitted again, on purpose
    assert (tmp_path / "starts").read_text() == "x\nx\n"


def test_crashes_are_requeued_up_to_the_limit(tmp_path: Path, slurm: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for restart in range(3):
        assert attempt(tmp_path, *CRASH, restart=restart) == 1
    assert requeues(slurm) == ["8", "8"]
    assert last_end(tmp_path).outcome == "gave up"
    assert "gave up: srun ended with status 9, 3 of 3 without a new checkpoint" in capfd.readouterr().out


def test_a_run_that_gets_on_is_always_requeued(tmp_path: Path, slurm: Path) -> None:
    for restart in range(5):
        attempt(tmp_path, "--", "sh", "-c", f"{save(tmp_path, restart + 1)}; exit 9", restart=restart)
    assert len(requeues(slurm)) == 5
    for restart in range(5, 8):
        attempt(tmp_path, *CRASH, restart=restart)
    assert len(requeues(slurm)) == 7
    assert last_end(tmp_path).outcome == "gave up"


def test_crashes_of_another_job_do_not_count(tmp_path: Path, slurm: Path) -> None:
    for job in ("8", "8", "9", "9"):
        attempt(tmp_path, *CRASH, job=job)
    assert requeues(slurm) == ["8", "8", "9", "9"]


def test_the_record_says_what_is_done_again(tmp_path: Path, slurm: Path) -> None:
    rows = "".join(json.dumps({"step": step}) + "\n" for step in range(1, 8))
    (tmp_path / "metrics.jsonl").write_text(rows + '{"step": 8')
    attempt(tmp_path, "--ranks", "2", "--", "sh", "-c", f"{save(tmp_path, 5)}; kill -9 $$")
    [only] = AttemptLog(tmp_path, "train").read()
    assert (only.start.saved_step, only.start.ranks, only.start.job) == (0, 2, "8")
    assert last_end(tmp_path) == End(
        job="8",
        restart=0,
        status=137,
        saved_step=5,
        last_step=7,
        outcome="crashed",
        reason="srun ended with status 137, but step 5 was saved",
    )


def test_a_record_that_cannot_be_written_stops_nothing(tmp_path: Path, slurm: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """As on a full disk, which is what most such crashes are about."""
    (tmp_path / "attempts").write_text("a file where the folder should be")
    for restart in range(4):
        attempt(tmp_path, *CRASH, restart=restart)
    assert requeues(slurm) == ["8", "8"]
    assert "this attempt is not recorded" in capfd.readouterr().out


def test_a_torn_row_is_replaced(tmp_path: Path, slurm: Path) -> None:
    attempt(tmp_path, *CRASH)
    with AttemptLog(tmp_path, "train").path.open("a") as stream:
        stream.write('{"event": "sta')
    attempt(tmp_path, *CRASH, restart=1)
    assert [each.start.restart for each in AttemptLog(tmp_path, "train").read()] == [0, 1]


def test_an_attempt_that_was_killed_is_a_crash(tmp_path: Path, slurm: Path) -> None:
    """By the batch script's word; whatever the process that was killed had still written."""
    command = [sys.executable, "-m", "megatron_mathcoder", "attempt", str(tmp_path), "--job", "8", "--"]
    with subprocess.Popen([*command, "sh", "-c", f"{save(tmp_path, 5)}; touch {tmp_path}/up; sleep 5"]) as process:
        while not (tmp_path / "up").exists():
            time.sleep(0.02)
        process.kill()
    assert attempt(tmp_path, "--killed", "--", "never") == 1
    for restart in (1, 2, 3):  # killed before they could write a row
        assert attempt(tmp_path, "--killed", "--", "never", restart=restart) == 1
    assert [each.end.outcome for each in AttemptLog(tmp_path, "train").read() if each.end] == ["crashed"] * 3 + ["gave up"]
    assert "was killed, but step 5 was saved" in AttemptLog(tmp_path, "train").path.read_text()
    assert requeues(slurm) == ["8", "8", "8"]
    assert attempt(tmp_path, "--", "true", job="9") == 0
    assert attempt(tmp_path, "--killed", "--", "never", job="9") == 0
    assert last_end(tmp_path).outcome == "finished"
    # Job 9 finished; job 10 has done nothing yet.
    assert attempt(tmp_path, "--killed", "--", "never", job="10") == 1
    assert requeues(slurm) == ["8", "8", "8", "10"]


def test_silence_ends_the_ranks(tmp_path: Path, slurm: Path) -> None:
    started = time.monotonic()
    attempt(tmp_path, "--stall-minutes", "0.02", "--", "sleep", "60")
    assert time.monotonic() - started < 50
    assert last_end(tmp_path).outcome == "stalled"
    assert requeues(slurm) == ["8"]


@pytest.mark.parametrize(("reason", "outcome", "requeued"), [("None", "ended by Slurm", []), ("TimeLimit", "out of time", ["8"])])
def test_told_to_end_by_slurm(reason: str, outcome: str, requeued: list[str], tmp_path: Path, slurm: Path) -> None:
    """Slurm signals ranks and batch script alike; the script's process must outlive its ranks and tell the cases apart."""
    command = [sys.executable, "-m", "megatron_mathcoder", "attempt", str(tmp_path / "run"), "--job", "8", "--"]
    ranks = ["sh", "-c", f"touch {tmp_path}/up; sleep 1; exit 143"]
    process = subprocess.Popen([*command, *ranks], env=os.environ | {"FAKE_REASON": reason})
    while not (tmp_path / "up").exists():
        time.sleep(0.02)
    process.send_signal(signal.SIGUSR1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 1
    assert last_end(tmp_path / "run").outcome == outcome
    assert requeues(slurm) == requeued


def test_hung_ranks_do_not_keep_it_from_requeueing(tmp_path: Path, slurm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slurm kills ranks and batch script at the same moment; waiting for the ranks would be waiting for the end."""
    monkeypatch.setattr("megatron_mathcoder.launching.running_ranks.TOLD_SECONDS", 0.2)
    monkeypatch.setenv("FAKE_REASON", "TimeLimit")
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM)).start()
    assert attempt(tmp_path, "--", "sleep", "5") == 1
    assert last_end(tmp_path).outcome == "out of time"
    assert requeues(slurm) == ["8"]


def test_a_controller_that_refuses_is_told(
    tmp_path: Path, slurm: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("megatron_mathcoder.launching.slurm.REQUEUE_PAUSE_SECONDS", 0.0)
    (slurm / "bin" / "scontrol").write_text(f"#!/bin/sh\necho $1 >> {slurm}/tries; echo 'Requests are disabled' >&2; exit 1\n")
    assert attempt(tmp_path, *CRASH) == 2
    assert (slurm / "tries").read_text().split().count("requeue") == 5
    assert "job 8 cannot be requeued: Requests are disabled; submit the run again" in capsys.readouterr().err


def test_needs_that_did_not_finish_are_named(tmp_path: Path, slurm: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "data"
    for number in (1, 3):
        attempt(data, "--name", part_name("filter", number, 3), "--", "true")
    needs = ["--name", "dedup", "--needs", f"{data}:filter/3", "--", "true"]
    assert attempt(data, *needs) == 2
    assert f"dedup needs {data}:filter/3, where 1 did not finish: filter-2-of-3: never started; mend" in capsys.readouterr().err
    attempt(data, "--name", part_name("filter", 2, 3), "--crash-limit", "1", *CRASH)
    assert attempt(data, *needs) == 2
    assert "filter-2-of-3: gave up: srun ended with status 9, 1 of 1" in capsys.readouterr().err
    attempt(data, "--name", part_name("filter", 2, 3), "--", "true", job="9")
    assert attempt(data, *needs) == 0
    assert job_names(data) == ["dedup", "filter-1-of-3", "filter-2-of-3", "filter-3-of-3"]


def test_a_task_of_an_array_does_its_part(tmp_path: Path, slurm: Path, capsys: pytest.CaptureFixture[str]) -> None:
    echo = ["--name", "filter", "--parts", "16", "--", "sh", "-c", f'echo "$@" > {tmp_path}/said', "filter"]
    assert attempt(tmp_path, "--task", "3", *echo) == 0
    assert (tmp_path / "said").read_text() == "--part 3/16\n"
    assert job_names(tmp_path) == ["filter-3-of-16"]
    assert attempt(tmp_path, "--task", "0", *echo) == 2
    assert "filter has 16 parts; submit it with --array=1-16" in capsys.readouterr().err


@pytest.mark.parametrize("need", ["filter", "data:", ":filter", "data:filter/", "data:filter/0", "data:filter/many"])
def test_a_need_is_a_folder_and_a_job(need: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert attempt(tmp_path, "--needs", need, "--", "true") == 2
    assert f"--needs {need!r}: must be FOLDER:NAME or FOLDER:NAME/PARTS" in capsys.readouterr().err


def test_srun_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert attempt(tmp_path, "--", "no-such-srun") == 2
    assert "no-such-srun: No such file or directory; batch scripts start ranks by srun" in capsys.readouterr().err
    assert job_names(tmp_path) == []  # or mathcoder status would show an attempt that never ends


def test_parts_are_listed_by_number(tmp_path: Path) -> None:
    (tmp_path / "attempts").mkdir()
    for name in ("train", "filter-10-of-12", "filter-9-of-12", "dedup"):
        (tmp_path / "attempts" / f"{name}.jsonl").touch()
    assert job_names(tmp_path) == ["dedup", "filter-9-of-12", "filter-10-of-12", "train"]
