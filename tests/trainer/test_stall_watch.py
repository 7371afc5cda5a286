"""A run that hangs leaves the stacks of its threads, and ends itself where it is told to."""

import threading
import time
from pathlib import Path

import pytest

from megatron_mathcoder.config.run_folder import LOGS
from megatron_mathcoder.config.schema import RunConfig
from megatron_mathcoder.platforms.ranks import Rank
from megatron_mathcoder.trainer.stall_watch import STALLED_EXIT_STATUS, StallWatch
from tests.multiprocess import run_ranks
from tests.trainer.runs import small_config, train_rank


def wait_for(path: Path, text: str) -> str:
    deadline = time.monotonic() + 20
    while not path.exists() or text not in path.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return path.read_text()


def test_the_stacks_of_all_threads_are_written_once_a_stall(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    release = threading.Event()
    path = tmp_path / "logs" / "stacks-rank-3.txt"

    def a_thread_of_the_loader() -> None:
        release.wait(60)

    thread = threading.Thread(target=a_thread_of_the_loader)
    thread.start()
    with StallWatch(tmp_path / "logs", rank=3, limit_seconds=0.2, end=False) as watch:
        watch.alive("step 12")
        text = wait_for(path, "most recent call first")
        assert "what follows step 12 has taken 0.00333 minutes" in text
        wait_for(path, "a_thread_of_the_loader")
        wait_for(path, "test_the_stacks_of_all_threads_are_written_once_a_stall")
        time.sleep(0.5)
        assert path.read_text().count("what follows") == 1
        watch.alive("step 13")
        wait_for(path, "what follows step 13")
    release.set()
    thread.join()
    said = capsys.readouterr().err
    assert said.startswith(
        "mathcoder train: no step has ended for 0.00333 minutes (guard.stall_minutes), what follows step 12 hangs"
    )
    assert str(path) in said


def test_a_run_that_goes_on_is_left_alone(tmp_path: Path) -> None:
    with StallWatch(tmp_path, rank=0, limit_seconds=5.0, end=True) as watch:
        watch.alive("step 1")
    with StallWatch(tmp_path, rank=0, limit_seconds=0.0, end=True):
        time.sleep(0.1)
    assert list(tmp_path.iterdir()) == []


def hang_in_step_two(rank: Rank, config: RunConfig) -> int:
    """Train, but let rank 1 never end its second step."""
    from megatron_mathcoder.trainer import stall_watch
    from megatron_mathcoder.trainer.trainer import Trainer

    stall_watch.GRACE_SECONDS = 1.0
    train_step = Trainer._step

    def a_step_that_hangs(self: Trainer) -> None:
        if rank.rank == 1 and self.state.step == 1:
            time.sleep(600)
        train_step(self)

    Trainer._step = a_step_that_hangs  # type: ignore[method-assign]
    return train_rank(rank, config)


def test_a_hung_rank_is_seen_in_the_stacks_and_ends_the_run(tmp_path: Path, dataset: Path) -> None:
    config = small_config(tmp_path, dataset, "guard.stall_minutes=0.05", "guard.end_on_stall=true")
    with pytest.raises(AssertionError) as error:
        run_ranks(hang_in_step_two, 2, config)
    assert f"ended with status {STALLED_EXIT_STATUS} and no result" in str(error.value)
    assert "a_step_that_hangs" in (tmp_path / LOGS / "stacks-rank-1.txt").read_text()
    waiting = (tmp_path / LOGS / "stacks-rank-0.txt").read_text()
    assert "what follows step 1 has taken 0.05 minutes" in waiting
    assert "distributed_c10d.py" in waiting
    assert "a_step_that_hangs" in waiting
