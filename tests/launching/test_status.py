"""What a run folder tells of its run."""

import json
import os
import time
from pathlib import Path

import pytest

from megatron_mathcoder.cli import main
from megatron_mathcoder.config.loader import dump_config, load_config
from megatron_mathcoder.launching.attempts import AttemptLog, End, Start


@pytest.fixture
def run(recipe: Path) -> Path:
    """Return the folder of a run at step 4 of 6, saved at 3."""
    folder = recipe.parent / "run"
    (folder / "checkpoints" / "iter_0000003").mkdir(parents=True)
    (folder / "checkpoints" / "iter_0000003" / "metadata.json").touch()
    (folder / "run.toml").write_text(dump_config(load_config(recipe)))
    rows = [{"step": step, "loss": 5.0 / step, "tokens_per_second": 100.0 * step, "seconds": 2.0} for step in range(1, 5)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def start(folder: Path, restart: int = 0, gpu: str = "", name: str = "train") -> None:
    AttemptLog(folder, name).write(Start(job="8", restart=restart, saved_step=0, gpu=gpu, ranks=2))


def end(folder: Path, outcome: str, status: int = 1, name: str = "train") -> None:
    log = AttemptLog(folder, name)
    log.write(End(job="8", restart=0, status=status, saved_step=3, last_step=4, outcome=outcome, reason="a reason"))


def silent_since(folder: Path, seconds: float) -> None:
    for path in [*folder.rglob("*"), folder]:
        os.utime(path, (time.time() - seconds, time.time() - seconds))


def status(folder: Path, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["status", str(folder), *words]) == 0
    return capsys.readouterr().out


def test_a_run_that_runs(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start(run)
    text = status(run, capsys)
    assert "step       4 of 6 (66.7%), loss 1.2500" in text
    assert "speed      250 tokens/s, MFU not known, no GPU is named, ETA 4 s" in text
    assert "checkpoint step 3, " in text
    assert "ago: not stalled" in text
    assert "job        train: running (job 8); 0 restarts" in text


def test_a_run_that_has_gone_silent(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start(run)
    silent_since(run, 700)
    assert "last sign  11.7 min ago: STALLED" in status(run, capsys)
    end(run, "gave up")
    text = status(run, capsys)
    assert "ago: not stalled" in text
    assert "gave up (job 8), a reason" in text


def test_check_asks_a_run_without_jobs_for_its_last_step(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", str(run), "--check"]) == 1
    assert "ETA 4 s" in capsys.readouterr().out
    with (run / "metrics.jsonl").open("a") as stream:
        stream.writelines(
            json.dumps({"step": step, "loss": 1.0, "tokens_per_second": 1.0, "seconds": 2.0}) + "\n" for step in (5, 6)
        )
    text = status(run, capsys, "--check")
    assert "ETA" not in text
    assert "ago: at its last step" in text


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("metrics.jsonl", b"nonsense\n", "metrics.jsonl: line 1 is no JSON object; the file is damaged"),
        ("metrics.jsonl", b"\xff\xfe\n", "metrics.jsonl: line 1 is no JSON object"),
        ("metrics.jsonl", b"[1]\n", "metrics.jsonl: line 1 is no JSON object"),
        ("metrics.jsonl", b'{"step": 1}\n', "metrics.jsonl: line 1 has no 'loss', which every row of a run has"),
        ("attempts/train.jsonl", b"{}\n", "attempts/train.jsonl: line 1 has no 'event'"),
        ("attempts/train.jsonl", b'{"event": "start", "time": 1, "host": 2}\n', "no record of this version's attempts"),
        ("run.toml", b"nonsense\n", "run.toml: not TOML"),
    ],
)
def test_nonsense_is_one_line(file: str, content: bytes, message: str, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / file).parent.mkdir(exist_ok=True)
    (run / file).write_bytes(content)
    assert main(["status", str(run)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_a_run_without_slurm(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "none: it was not started by mathcoder submit, so restarts are not known" in status(run, capsys)


def test_slow_steps_are_no_stall(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [json.loads(line) | {"seconds": 100.0} for line in (run / "metrics.jsonl").read_text().splitlines()]
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    silent_since(run, 700)
    assert "STALLED" not in status(run, capsys)


def test_restarts_by_kind(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for restart, outcome in enumerate(("stopped", "crashed", "crashed")):
        start(run, restart)
        end(run, outcome)
    start(run, 3)
    start(run, 4)
    line = status(run, capsys).splitlines()[-1]
    assert line.endswith("running (job 8); 4 restarts: 1 stopped, 2 crashed, 1 ended by Slurm; 3 steps done again")


def test_mfu_from_the_job_s_gpu(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start(run, gpu="h100")
    progress = json.loads(status(run, capsys, "--json"))["progress"]
    from megatron_mathcoder.config.flops import training_flops_per_token

    config = load_config(run / "run.toml")
    assert progress["mfu"] == pytest.approx(250 * training_flops_per_token(config.model, 64) / (2 * 989e12))
    assert progress["step"] == 4
    assert progress["steps"] == 6
    assert progress["eta_seconds"] == 4.0


def test_a_run_that_measured_its_mfu(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (run / "metrics.jsonl").open("a") as stream:
        stream.write('{"step": 5, "loss": 1.0, "tokens_per_second": 500.0, "seconds": 2.0, "mfu": 0.41}\n{"step": 6, "lo')
    assert "MFU 41.0%" in status(run, capsys)


def test_parts_of_an_array_and_the_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in (1, 2):
        start(tmp_path, name=f"filter-{number}-of-2")
    end(tmp_path, "finished", 0, "filter-1-of-2")
    assert main(["status", str(tmp_path), "--check"]) == 1
    text = capsys.readouterr().out
    assert "filter-1-of-2: finished (job 8)" in text
    assert "filter-2-of-2: running (job 8)" in text
    end(tmp_path, "finished", 0, "filter-2-of-2")
    assert main(["status", str(tmp_path), "--check"]) == 0


def test_a_job_that_has_not_started(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def submitted(folder: Path, number: int, job: str) -> None:
        (folder / "submissions" / str(number)).mkdir(parents=True)
        (folder / "submissions" / str(number) / "job").write_text(f"{job}\n")

    submitted(tmp_path / "new", 1, "8")
    assert "job        train: submitted as job 8, which has not started" in status(tmp_path / "new", capsys)
    submitted(run, 1, "8")
    start(run)
    end(run, "gave up")
    assert "has not started" not in status(run, capsys)
    submitted(run, 2, "9")
    text = status(run, capsys)
    assert "train: gave up (job 8)" in text
    assert "train: submitted as job 9, which has not started" in text
    assert json.loads(status(run, capsys, "--json"))["not_started"] == "9"
    assert main(["status", str(run), "--check"]) == 1


def test_a_folder_without_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", str(tmp_path)]) == 2
    assert "no run is here" in capsys.readouterr().err
