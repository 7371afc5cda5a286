"""Training goes on while a checkpoint is written, and nothing about the checkpoint or the run can tell."""

import json
import os
import resource
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from megatron_mathcoder.config.run_folder import CHECKPOINTS
from megatron_mathcoder.config.schema import RunConfig
from megatron_mathcoder.platforms.ranks import Rank
from tests.multiprocess import RANKS, run_ranks
from tests.trainer.runs import assert_same_run, common_state, small_config, tensor_checksums, train, train_rank

SAVES = ("training.steps=8", "checkpoint.interval_steps=3", "checkpoint.keep_last=0")
BACKGROUND = (*SAVES, "checkpoint.in_background=true")


def slow_writers(rank: Rank, config: RunConfig, step: int, killed: bool) -> int:
    """Train with writers that wait for the end of ``step``; there either they may go on, or the rank is killed."""
    from megatron.core.dist_checkpointing.strategies.filesystem_async import FileSystemWriterAsync

    from megatron_mathcoder.trainer.trainer import Trainer

    folder = Path(config.run.folder)
    write, train_step = FileSystemWriterAsync.write_preloaded_data, Trainer._step

    def waits(*arguments: Any, **options: Any) -> None:
        with (folder / "writers").open("a") as stream:
            stream.write(f"{os.getpid()}\n")
        deadline = time.monotonic() + 60
        while not (folder / "go on").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        write(*arguments, **options)

    def one_step(self: Trainer) -> None:
        train_step(self)
        if self.state.step == step and rank.rank == 0:
            seen = sorted(path.name for path in (folder / CHECKPOINTS).iterdir())
            (folder / "seen").write_text(json.dumps(seen))
            if killed:
                os.kill(os.getpid(), signal.SIGKILL)
            (folder / "go on").touch()

    FileSystemWriterAsync.write_preloaded_data = staticmethod(waits)
    Trainer._step = one_step  # type: ignore[method-assign]
    return train_rank(rank, config)


@pytest.mark.parametrize("ranks", [1, 2])
def test_steps_end_while_a_checkpoint_is_written_and_it_is_the_same(ranks: int, tmp_path: Path, dataset: Path) -> None:
    """The save of step 3 cannot end before step 5 has; its files still hold the state after step 3."""
    foreground, background = tmp_path / "foreground", tmp_path / "background"
    train(small_config(foreground, dataset, *SAVES), ranks)
    assert set(run_ranks(slow_writers, ranks, small_config(background, dataset, *BACKGROUND), 5, False)) == {0}
    assert json.loads((background / "seen").read_text()) == ["iter_0000003.partial"]
    assert_same_run(background, foreground)
    for name in ("iter_0000003", "iter_0000006"):
        early, expected = (folder / CHECKPOINTS / name for folder in (background, foreground))
        assert tensor_checksums(early) == tensor_checksums(expected)
        assert common_state(early) == common_state(expected)


def test_a_kill_meanwhile_leaves_the_checkpoint_before_and_no_process(tmp_path: Path, dataset: Path) -> None:
    whole, folder = tmp_path / "whole", tmp_path / "run"
    train(small_config(whole, dataset, *SAVES))
    config = small_config(folder, dataset, *BACKGROUND)
    (folder).mkdir()
    (folder / "go on").touch()  # the save of step 3 does not wait
    process = RANKS.Process(target=slow_writers, args=(Rank(0, 0, 1, ""), config, 7, True))
    process.start()
    while not (folder / CHECKPOINTS / "iter_0000003").exists():
        assert process.is_alive()
        time.sleep(0.002)
    (folder / "go on").unlink()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert json.loads((folder / "seen").read_text()) == ["iter_0000003", "iter_0000006.partial"]
    writers = [int(line) for line in (folder / "writers").read_text().split()]
    assert len(writers) >= 3
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{writer}").exists() for writer in writers):
        assert time.monotonic() < deadline, "a writer outlived its rank"
        time.sleep(0.01)
    train(config)
    assert_same_run(folder, whole)


def full_disk(rank: Rank, config: RunConfig) -> int:
    """Train where no file can grow beyond 300 kB."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
    return train_rank(rank, config)


def test_a_full_disk_meanwhile_is_an_error_and_the_run_goes_on_from_before(tmp_path: Path, dataset: Path) -> None:
    config = small_config(tmp_path, dataset, *BACKGROUND)
    with pytest.raises(AssertionError, match=r"CheckpointError: saving .*iter_0000003 failed: .*File too large"):
        run_ranks(full_disk, 1, config)
    assert [path.name for path in (tmp_path / CHECKPOINTS).iterdir()] == ["iter_0000003.partial"]
    assert len(train(config)) == 8
