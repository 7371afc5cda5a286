"""Where a step's time went, in runs in which one rank is slow on purpose."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from megatron_mathcoder.config.run_folder import METRICS_FILE
from megatron_mathcoder.config.schema import RunConfig
from megatron_mathcoder.platforms.ranks import Rank
from tests.multiprocess import run_ranks
from tests.trainer.runs import small_config, train_rank

PAUSE = 0.25


def one_slow_rank(rank: Rank, config: RunConfig, where: str) -> int:
    """Train with a last rank that pauses once a step while it reads, computes or saves."""
    from megatron_mathcoder.checkpoint import CheckpointFiles
    from megatron_mathcoder.dataset.blend import Blend
    from megatron_mathcoder.trainer import step

    owner: Any
    owner, name = {"reads": (Blend, "sample"), "computes": (step, "_loss"), "saves": (CheckpointFiles, "start_save")}[where]
    original = getattr(owner, name)

    def slow(*arguments: Any, **options: Any) -> Any:
        time.sleep(PAUSE)
        return original(*arguments, **options)

    if rank.rank == rank.world_size - 1:
        setattr(owner, name, slow)
    return train_rank(rank, config)


def rows_of(folder: Path, dataset: Path, ranks: int, where: str) -> list[dict[str, Any]]:
    overrides = ("training.steps=3", "training.global_batch_size=2", "checkpoint.interval_steps=1")
    assert set(run_ranks(one_slow_rank, ranks, small_config(folder, dataset, *overrides), where)) == {0}
    return [json.loads(line) for line in (folder / METRICS_FILE).read_text().splitlines()]


def total(rows: list[dict[str, Any]], *columns: str) -> float:
    return sum(row[column] for row in rows for column in columns)


@pytest.mark.parametrize("where", ["reads", "computes"])
def test_the_slow_rank_is_named_and_its_time_is_in_the_right_column(where: str, tmp_path: Path, dataset: Path) -> None:
    """On a busy machine the other rank may be the slower one for once."""
    rows = rows_of(tmp_path, dataset, 2, where)
    assert [row["slowest_rank"] for row in rows].count(1) >= 2
    assert max(row["slowest_over_median"] for row in rows) > 1.2
    paused = 3 * PAUSE
    assert (total(rows, "data_seconds") >= paused) == (where == "reads")
    assert (total(rows, "forward_backward_seconds") >= paused) or where == "reads"
    parts = total(rows, "data_seconds", "forward_backward_seconds", "optimizer_seconds")
    assert paused <= parts <= total(rows, "seconds")
    for row in rows:
        assert row["tokens_per_second"] == pytest.approx(2 * 64 / row["seconds"])


def test_a_save_is_counted_in_the_row_after_it(tmp_path: Path, dataset: Path) -> None:
    rows = rows_of(tmp_path, dataset, 1, "saves")
    assert [row["save_seconds"] >= PAUSE for row in rows] == [False, True, True]
    assert all(row["slowest_rank"] == 0 and row["slowest_over_median"] == 1.0 and row["mfu"] is None for row in rows)
