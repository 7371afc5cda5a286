"""What is checked, copied and printed before a job is submitted."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from megatron_mathcoder.cli import main
from megatron_mathcoder.config.errors import LaunchError
from megatron_mathcoder.config.loader import dump_config, load_config
from megatron_mathcoder.launching import preflight
from megatron_mathcoder.launching.site import read_site
from tests.repository import RECIPES, ROOT


def submit(recipe: Path, site: Path, *words: str, nodes: int = 2) -> int:
    return main(["submit", str(recipe), "--nodes", str(nodes), "--site", str(site), *words])


def sbatch_calls(slurm: Path) -> list[str]:
    log = slurm / "sbatch.log"
    return log.read_text().splitlines() if log.exists() else []


@pytest.fixture
def quick_job(site: Path) -> Path:
    """Return a site whose ranks end at once."""
    site.write_text(site.read_text() + "\nPYTHON=true\n")
    return site


def test_a_dry_run_shows_everything_and_leaves_nothing(
    recipe: Path, site: Path, slurm: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert submit(recipe, site, "--dry-run") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["recipe", "disk", "memory", "time", "run", "slurm", "command"]
    assert "tiny_llama on 2 ranks, 6 steps" in lines[0]
    assert "Job 7 to start at" in lines[5]
    run = recipe.parent / "run"
    assert lines[6].removeprefix("command  ").split() == [
        "sbatch",
        "--job-name=run",
        "--nodes=2",
        "--ntasks-per-node=1",
        "--time=1:00:00",
        "--signal=USR1@120",
        "--requeue",
        "--open-mode=append",
        f"--output={run}/logs/slurm-%j.log",
        "--partition=open",
        f"{run}/submissions/1/code/launch/train.sbatch",
        str(run),
        f"{run}/submissions/1",
    ]
    assert not run.exists()
    assert all("--test-only" in call for call in sbatch_calls(slurm))


def test_the_job_runs_the_copies(recipe: Path, quick_job: Path, slurm: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert submit(recipe, quick_job, "--set", "optimizer.lr=5e-3") == 0
    output = capsys.readouterr().out
    run = recipe.parent / "run"
    copies = run / "submissions" / "1"
    assert load_config(copies / "recipe.toml").optimizer.lr == 5e-3
    assert (copies / "code" / "launch" / "cluster_env.sh").read_text() == quick_job.read_text()
    here, there = (folder / "megatron_mathcoder" / "launching" / "verdict.py" for folder in (ROOT, copies / "code"))
    assert here.read_text() == there.read_text()
    command = next(line for line in output.splitlines() if line.startswith("command")).removeprefix("command  ")
    assert command == (copies / "command.sh").read_text().splitlines()[1]
    assert command.removeprefix("sbatch ") == sbatch_calls(slurm)[-1]
    assert (copies / "job").read_text() == "8\n"
    assert "train: finished: all ranks ended well" in (run / "logs" / "slurm-%j.log").read_text()


def test_a_second_submission_has_its_own_copies(recipe: Path, quick_job: Path, slurm: Path) -> None:
    assert submit(recipe, quick_job) == 0
    assert submit(recipe, quick_job, "--set", "optimizer.lr=5e-3") == 0
    rates = [load_config(recipe.parent / "run" / "submissions" / number / "recipe.toml").optimizer.lr for number in "12"]
    assert rates == [3e-3, 5e-3]


def test_one_job_a_run(recipe: Path, quick_job: Path, slurm: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert submit(recipe, quick_job) == 0
    (slurm / "running").touch()
    assert submit(recipe, quick_job) == 2
    assert "run: job 8 of this run still waits or runs; scancel 8 first" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--set", "optimizer.lrr=1"], "optimizer.lrr = 1: no such key; did you mean optimizer.lr?"),
        (["--set", "parallel.tensor_model_parallel_size=4"], "parallel.tensor_model_parallel_size"),
        (["--set", "optimizer.lr_warmup_steps=9"], "optimizer.lr_warmup_steps"),
        (["--set", "dataset.blend.0.prefix=nowhere"], "nowhere.idx is missing: make it first, or name the job that makes it"),
        (["--set", "checkpoint.initial=nowhere"], "checkpoint.initial = 'nowhere' is missing"),
        (["--set", "platform.name=cuda"], "names no GPU; set GPU there"),
        (["--time", "1"], "the signal to save comes 120 s before the end; allow more than 120 s"),
        (["--time", "soon"], "--time = 'soon': must be minutes"),
        (["--sbatch=--partition=closed"], "invalid partition specified: closed; change --nodes, --time or the site's options"),
    ],
)
def test_what_is_wrong_is_refused_before_anything_is_submitted(
    words: list[str], message: str, recipe: Path, site: Path, slurm: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert submit(recipe, site, *words) == 2
    assert message in capsys.readouterr().err
    assert all("--test-only" in call or "closed" in call for call in sbatch_calls(slurm))
    assert not (recipe.parent / "run").exists()


def test_without_slurm(recipe: Path, site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "bash").symlink_to(shutil.which("bash") or "")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert submit(recipe, site) == 2
    assert "sbatch: no such command here; submit on a login node" in capsys.readouterr().err
    assert submit(recipe, site, "--dry-run") == 0
    output = capsys.readouterr()
    assert "slurm    not asked: this machine has no sbatch" in output.out
    assert output.out.splitlines()[-1].startswith("command  sbatch --job-name=run --nodes=2 ")


def test_a_dry_run_makes_every_check(slurm: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A published recipe on a machine that has neither its data nor its disk."""
    assert main(["submit", str(RECIPES / "llama3_8b.toml"), "--nodes", "4", "--dry-run"]) == 2
    output = capsys.readouterr()
    lines = {line.split()[0]: line for line in output.out.splitlines()}
    assert "REFUSED: dataset data/mathcode_pile/llama3/filtered_open_web_math" in lines["recipe"]
    assert "GiB on each h100, by mathcoder plan" in lines["memory"]
    assert "--nodes=4 --ntasks-per-node=8 --time=24:00:00 --signal=USR1@300" in lines["command"]
    assert "is missing: make it first, or name the job that makes it" in output.err


def test_inputs_that_another_job_makes(recipe: Path, site: Path, slurm: Path, capsys: pytest.CaptureFixture[str]) -> None:
    waits = ("--after", "41:42", "--needs", "runs/data:tokenize/4", "--set", "dataset.blend.0.prefix=later")
    assert submit(recipe, site, *waits, "--dry-run") == 0
    output = capsys.readouterr().out
    assert "later.idx is missing yet" in output
    assert "--dependency=afterany:41:42" in output
    assert output.rstrip().endswith("--needs=runs/data:tokenize/4")


def test_a_need_is_read_before_it_is_submitted(recipe: Path, site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert submit(recipe, site, "--needs", "tokenize", "--dry-run") == 2
    assert "--needs 'tokenize': must be FOLDER:NAME or FOLDER:NAME/PARTS" in capsys.readouterr().err


def test_a_cluster_that_does_not_answer(slurm: Path, recipe: Path, site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refusal = "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)"
    sbatch = slurm / "bin" / "sbatch"
    sbatch.unlink()
    sbatch.write_text(f"#!/bin/sh\necho '{refusal}' >&2\nexit 1\n")
    sbatch.chmod(0o755)
    assert submit(recipe, site) == 2
    assert f"{refusal}; submit on a login node of the cluster, while its controller answers" in capsys.readouterr().err


def gpu_site(tmp_path: Path, gpu: str) -> Path:
    path = tmp_path / "gpus.sh"
    path.write_text((ROOT / "launch" / "cluster_env.sh").read_text().replace("GPU=h100", f"GPU={gpu}"))
    return path


def test_memory_is_planned_against_the_site_s_gpu(tmp_path: Path) -> None:
    config = load_config(RECIPES / "llama3_8b.toml")
    assert "GiB on each h100, by mathcoder plan" in preflight.check_memory(config, read_site(gpu_site(tmp_path, "h100")), 4)
    larger = load_config(RECIPES / "llama3_8b.toml", ["training.recompute=none"])
    with pytest.raises(LaunchError, match=r"does not fit: .* mathcoder plan --gpus 32 --gpu a100-40 names those that do"):
        preflight.check_memory(larger, read_site(gpu_site(tmp_path, "a100-40")), 4)


def test_context_parallelism_is_planned_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "_missing_inputs", lambda config: "")
    divided = ["parallel.context_parallel_size=2", "training.epochs=0", "training.steps=1000"]
    config, site = load_config(RECIPES / "llama3_8b.toml", divided), read_site(gpu_site(tmp_path, "h100"))
    assert "GiB on each h100, by mathcoder plan" in preflight.check_memory(config, site, 4)
    assert "(planned)" in preflight.check_time(config, site, 4, 300)


def test_two_checkpoints_must_have_room(monkeypatch: pytest.MonkeyPatch) -> None:
    config = load_config(RECIPES / "llama3_8b.toml")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**12, 10**12, 150 * 10**9))
    with pytest.raises(
        LaunchError, match=r"two checkpoints take 22\d GB, 150 GB are free for them in .*; free space or choose another"
    ):
        preflight.check_disk(config)


def test_wall_time_against_the_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load_config(RECIPES / "llama3_8b.toml", ["training.epochs=0", "training.steps=1000"])
    monkeypatch.setattr(preflight, "_missing_inputs", lambda config: "")
    site = read_site(gpu_site(tmp_path, "h100"))
    line = preflight.check_time(config, site, 8, 300)
    assert "1,000 steps of " in line
    assert line.endswith("the limit is 24:00:00: within the limit")
    short = preflight.check_time(config, replace(site, time_limit="0:30:00"), 8, 300)
    assert "times the limit, requeued each time" in short


def test_the_signal_leaves_time_for_two_saves(tmp_path: Path) -> None:
    site = read_site(gpu_site(tmp_path, "h100"))
    # 112 GB at 2 GB/s are 56 s: the site's 300 s are more.
    assert preflight.signal_lead(load_config(RECIPES / "llama3_8b.toml"), site) == 300
    assert preflight.signal_lead(load_config(RECIPES / "llama3_8b.toml"), replace(site, signal_seconds=10)) == 173


def saved_at(recipe: Path, step: int) -> None:
    checkpoint = recipe.parent / "run" / "checkpoints" / f"iter_{step:07d}"
    checkpoint.mkdir(parents=True)
    (checkpoint / "metadata.json").touch()
    (checkpoint / "run.toml").write_text(dump_config(load_config(recipe)))


def test_a_finished_run_is_not_submitted_again(recipe: Path, site: Path, slurm: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved_at(recipe, 6)
    assert submit(recipe, site) == 2
    assert "finished at step 6 of 6; raise the run's length to go on" in capsys.readouterr().err


def test_a_resumed_run_keeps_to_its_recipe(recipe: Path, site: Path, slurm: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved_at(recipe, 3)
    assert submit(recipe, site, "--set", "optimizer.lr=9e-3", "--dry-run") == 2
    assert "optimizer.lr" in capsys.readouterr().err
    assert submit(recipe, site, "--dry-run") == 0
    assert "6 steps, goes on from step 3" in capsys.readouterr().out
