"""A run that was stopped or killed goes on as if it had not been."""

import contextlib
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest

from megatron_mathcoder.config.run_folder import CHECKPOINTS, METRICS_FILE, RUN_FILE, read_rows, torn_saves
from megatron_mathcoder.config.schema import RunConfig
from megatron_mathcoder.platforms.ranks import Rank
from tests.multiprocess import RANKS
from tests.trainer.runs import exact_rows, small_config, train, train_rank

EXACT = ("step", "loss", "grad_norm", "learning_rate", "skipped", "consumed_tokens", "consumed_samples")
SAVES = ("training.steps=8", "checkpoint.interval_steps=3", "checkpoint.keep_last=0", "validation.interval_steps=4")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, dataset: Path) -> Path:
    """Return the folder of a run of 8 steps without interruption, saved at 3, 6 and 8."""
    folder = tmp_path_factory.mktemp("whole")
    train(small_config(folder, dataset, *SAVES))
    return folder


class Run:
    """A run in a process of its own, forked with megatron-core imported; ``test_launch.py`` starts runs as a person does."""

    def __init__(self, folder: Path, dataset: Path) -> None:
        """Start or resume the run in ``folder``."""
        self._folder = folder
        self._log = folder.with_suffix(".log")
        self.process = RANKS.Process(target=_train_to_log, args=(small_config(folder, dataset, *SAVES), self._log))
        self.process.start()

    def wait_for_steps(self, steps: int) -> None:
        deadline = time.monotonic() + 120
        while len(read_rows(self._folder / METRICS_FILE)) < steps:
            assert self.process.is_alive(), "it ended before it was stopped"
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def send(self, number: int) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, number)

    def status(self) -> int | None:
        """Wait for the end and return the exit status."""
        self.process.join(120)
        return self.process.exitcode

    def output(self) -> str:
        return self._log.read_text()


def _train_to_log(config: RunConfig, log: Path) -> None:
    with log.open("w") as stream, contextlib.redirect_stdout(stream):
        status = train_rank(Rank(0, 0, 1, ""), config)
    sys.exit(status)


def test_a_second_run_is_equal_to_the_bit(tmp_path: Path, dataset: Path, whole: Path) -> None:
    train(small_config(tmp_path, dataset, *SAVES))
    assert exact_rows(tmp_path) == exact_rows(whole)
    assert exact_rows(tmp_path, "validation.jsonl") == exact_rows(whole, "validation.jsonl")


def test_files_of_a_run(whole: Path) -> None:
    names = sorted(path.name for path in (whole / CHECKPOINTS).iterdir())
    assert names == ["iter_0000003", "iter_0000006", "iter_0000008"]
    for name in names:
        assert (whole / CHECKPOINTS / name / RUN_FILE).read_text() == (whole / RUN_FILE).read_text()
    assert [row["step"] for row in exact_rows(whole)] == list(range(1, 9))
    assert set(exact_rows(whole)[0]) == set(EXACT)
    assert [row["step"] for row in exact_rows(whole, "validation.jsonl")] == [0, 4, 8]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_a_stop_signal_saves_and_the_run_goes_on(number: int, tmp_path: Path, dataset: Path, whole: Path) -> None:
    folder = tmp_path / "run"
    run = Run(folder, dataset)
    run.wait_for_steps(1)
    run.send(number)
    assert run.status() == 85
    stopped_at = len(exact_rows(folder))
    assert (folder / CHECKPOINTS / f"iter_{stopped_at:07d}" / "metadata.json").exists()
    assert stopped_at < 8
    assert Run(folder, dataset).status() == 0
    assert exact_rows(folder) == exact_rows(whole)


def test_kill_9_goes_on_from_the_last_save(tmp_path: Path, dataset: Path, whole: Path) -> None:
    folder = tmp_path / "run"
    run = Run(folder, dataset)
    run.wait_for_steps(5)
    run.send(signal.SIGKILL)
    assert run.status() == -signal.SIGKILL
    (folder / CHECKPOINTS / "iter_0000007.partial").mkdir()
    with (folder / METRICS_FILE).open("a") as stream:
        stream.write('{"step": 9')
    assert Run(folder, dataset).status() == 0
    assert exact_rows(folder) == exact_rows(whole)
    assert exact_rows(folder, "validation.jsonl") == exact_rows(whole, "validation.jsonl")
    assert not torn_saves(folder / CHECKPOINTS)


def test_killed_before_the_first_save_begins_again(tmp_path: Path, dataset: Path, whole: Path) -> None:
    folder = tmp_path / "run"
    run = Run(folder, dataset)
    run.wait_for_steps(1)
    run.send(signal.SIGKILL)
    assert run.status() == -signal.SIGKILL
    assert not list((folder / CHECKPOINTS).glob("iter_*[0-9]"))
    assert Run(folder, dataset).status() == 0
    assert exact_rows(folder) == exact_rows(whole)
    assert exact_rows(folder, "validation.jsonl") == exact_rows(whole, "validation.jsonl")


def test_a_finished_run_adds_nothing(tmp_path: Path, dataset: Path) -> None:
    config = small_config(tmp_path, dataset, *SAVES, "validation.interval_steps=3")
    train(config)
    before = [(tmp_path / file).read_text() for file in (METRICS_FILE, "validation.jsonl")]
    train(config)
    assert [(tmp_path / file).read_text() for file in (METRICS_FILE, "validation.jsonl")] == before
    assert [row["step"] for row in exact_rows(tmp_path, "validation.jsonl")] == [0, 3, 6, 8]


def test_distributed_optimizer_resumes_on_another_layout(tmp_path: Path, dataset: Path, whole: Path) -> None:
    """Three steps on TP2 × DP2 with the distributed optimizer, five more alone: Adam's moments and step come along."""
    folder = tmp_path / "run"
    divided = (
        "parallel.tensor_model_parallel_size=2",
        "parallel.overlap_grad_reduce=true",
        "parallel.overlap_param_gather=true",
    )
    train(small_config(folder, dataset, *SAVES, *divided), data_parallel_size=2)
    for later in ("iter_0000006", "iter_0000008"):
        shutil.rmtree(folder / CHECKPOINTS / later)
    rows = train(small_config(folder, dataset, *SAVES))
    assert len(rows) == 8
    for row, expected in zip(rows, exact_rows(whole), strict=True):
        assert row["loss"] == pytest.approx(expected["loss"], abs=1e-5), f"step {row['step']}"
        assert row["grad_norm"] == pytest.approx(expected["grad_norm"], abs=1e-5), f"step {row['step']}"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "parallel.use_distributed_optimizer=false",
            "saved with parallel.use_distributed_optimizer = True, the recipe says False",
        ),
        ("training.precision='bf16'", "saved with training.precision = 'fp32', the recipe says 'bf16'"),
        ("model.hidden_size=32", "it has model.hidden_size = 64, the recipe 32; use the recipe of the checkpoint's architecture"),
    ],
)
def test_what_does_not_fit_is_named(override: str, message: str, dataset: Path, whole: Path) -> None:
    with pytest.raises(AssertionError, match=message):
        train(small_config(whole, dataset, *SAVES, override))


def test_a_torn_checkpoint_is_named(tmp_path: Path, dataset: Path, whole: Path) -> None:
    torn = tmp_path / "iter_0000003"
    shutil.copytree(whole / CHECKPOINTS / "iter_0000003", torn)
    for part in torn.glob("*.distcp"):
        part.write_bytes(part.read_bytes()[:1000])
    initial = f"checkpoint.initial={str(torn)!r}"
    with pytest.raises(AssertionError, match=r"iter_0000003, the only checkpoint, is damaged; .* another checkpoint.initial"):
        train(small_config(tmp_path / "run", dataset, initial))
    (torn / "checksums.json").unlink()  # as in an imported checkpoint
    with pytest.raises(AssertionError, match=r"CheckpointError: checkpoint .*iter_0000003: it cannot be read"):
        train(small_config(tmp_path / "run", dataset, initial))
    for text, message in (("[mod", "not TOML"), ("[models]\n", r"has no \[model\]; restore it from the run's folder")):
        (torn / "run.toml").write_text(text)
        with pytest.raises(AssertionError, match=f"CheckpointError: .*{message}"):
            train(small_config(tmp_path / "run", dataset, initial))


def test_a_run_begins_with_sound_weights_of_another(halfway: Path, tmp_path: Path, dataset: Path) -> None:
    """torch loads a flipped bit without a word."""
    sound = train(small_config(tmp_path / "a", dataset, f"checkpoint.initial={str(halfway / CHECKPOINTS / 'iter_0000003')!r}"))
    flip_a_bit(halfway / CHECKPOINTS / "iter_0000006" / "__0_0.distcp")
    rows = train(small_config(tmp_path / "b", dataset, f"checkpoint.initial={str(halfway)!r}"))
    assert rows[0]["loss"] == sound[0]["loss"]


def test_only_the_newest_checkpoints_are_kept(tmp_path: Path, dataset: Path) -> None:
    train(small_config(tmp_path, dataset, "checkpoint.interval_steps=1", "checkpoint.keep_last=2"))
    assert sorted(path.name for path in (tmp_path / CHECKPOINTS).iterdir()) == ["iter_0000005", "iter_0000006"]


def flip_a_bit(path: Path) -> None:
    """Change one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.fixture
def halfway(tmp_path: Path, whole: Path) -> Path:
    """Return a copy of the run as it was after its second save."""
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    shutil.rmtree(folder / CHECKPOINTS / "iter_0000008")
    return folder


@pytest.mark.parametrize("file", ["__0_0.distcp", "common.pt", ".metadata", "run.toml"])
def test_a_flipped_bit_is_named_and_the_checkpoint_before_is_used(file: str, halfway: Path, dataset: Path, whole: Path) -> None:
    flip_a_bit(halfway / CHECKPOINTS / "iter_0000006" / file)
    run = Run(halfway, dataset)
    assert run.status() == 0
    assert f"iter_0000006: {file} is not what was written (checksum); taking the checkpoint before" in run.output()
    assert exact_rows(halfway) == exact_rows(whole)


def test_a_missing_file_is_found_by_several_ranks(halfway: Path, dataset: Path) -> None:
    (halfway / CHECKPOINTS / "iter_0000006" / "__0_1.distcp").unlink()
    train(small_config(halfway, dataset, *SAVES, "parallel.tensor_model_parallel_size=2"), data_parallel_size=2)
    assert [row["step"] for row in exact_rows(halfway)] == list(range(1, 9))


def test_only_damaged_checkpoints_are_an_error(halfway: Path, dataset: Path) -> None:
    for checkpoint in (halfway / CHECKPOINTS).iterdir():
        flip_a_bit(checkpoint / "__0_0.distcp")
    with pytest.raises(AssertionError, match="all 2 checkpoints are damaged; restore one"):
        train(small_config(halfway, dataset, *SAVES))
