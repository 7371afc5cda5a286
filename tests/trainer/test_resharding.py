"""Layouts give one process's numbers, and a run saved in one goes on in any other as it would have in its own.

The layouts that differ in how they optimise, not in how they divide, are in ``test_layouts.py``.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from megatron_mathcoder.config.batch import model_parallel_size
from megatron_mathcoder.config.run_folder import CHECKPOINTS, METRICS_FILE, checkpoint_name, read_rows
from megatron_mathcoder.config.schema import RunConfig
from megatron_mathcoder.platforms.ranks import Rank
from tests.multiprocess import run_ranks
from tests.trainer.runs import common_state, small_config, train_rank

TP2 = "parallel.tensor_model_parallel_size=2"
SP = "parallel.sequence_parallel=true"
PP2 = "parallel.pipeline_model_parallel_size=2"
VPP2 = "parallel.virtual_pipeline_model_parallel_size=2"
CP2 = "parallel.context_parallel_size=2"
OVERLAP = ("parallel.overlap_grad_reduce=true", "parallel.overlap_param_gather=true")

LAYOUTS = {
    "one rank": ((), 1),
    "DP2": ((), 2),
    "DP3 overlapped": (OVERLAP, 3),
    "DP4": ((), 4),
    "TP2": ((TP2,), 1),
    "TP2 SP x DP2": ((TP2, SP), 2),
    "PP2": ((PP2,), 1),
    "PP2 VPP2 x DP2 overlapped": ((PP2, VPP2, *OVERLAP), 2),
    "TP2 x PP2": ((TP2, PP2), 1),
    "CP2": ((CP2,), 1),
    "CP2 x DP2 overlapped": ((CP2, *OVERLAP), 2),
    "CP2 x TP2 SP": ((CP2, TP2, SP), 1),
}
"""Overrides and data-parallel sizes, all with the distributed optimizer; 3 and 2, and 3 and 4, do not divide each other."""
NAMES = tuple(LAYOUTS)
PAIRS = tuple((name, NAMES[(number + 5) % len(NAMES)]) for number, name in enumerate(NAMES))
"""Every layout is left once and entered once."""
SAVED, END = 3, 6
RECIPE = (
    "training.global_batch_size=12",
    f"training.steps={END}",
    f"checkpoint.interval_steps={SAVED}",
    "checkpoint.keep_last=0",
)


def train_all(rank: Rank, configs: list[RunConfig]) -> None:
    """Train one run after the other in the same processes."""
    for number, config in enumerate(configs):
        init_method = f"{rank.init_method}-{number}" if rank.init_method else ""
        assert train_rank(replace(rank, init_method=init_method), config) == 0


def train_by_size(runs: dict[RunConfig, int]) -> None:
    """Train runs on as many ranks as each needs, those of one size in the same processes."""
    for ranks in sorted(set(runs.values())):
        run_ranks(train_all, ranks, [config for config, size in runs.items() if size == ranks], timeout_seconds=1200)


def recipe_of(name: str, folder: Path, dataset: Path, initial: Path) -> tuple[RunConfig, int]:
    overrides, data_parallel_size = LAYOUTS[name]
    config = small_config(folder, dataset, *RECIPE, f"checkpoint.initial={str(initial)!r}", *overrides)
    return config, model_parallel_size(config.parallel) * data_parallel_size


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, dataset: Path, initial: Path) -> Path:
    """Return the folder of one undisturbed run of each layout, saved halfway and at its end."""
    folder = tmp_path_factory.mktemp("whole")
    train_by_size(dict(recipe_of(name, folder / name, dataset, initial) for name in NAMES))
    return folder


def resume(pairs: list[tuple[str, str]], whole: Path, folder: Path, dataset: Path, initial: Path) -> None:
    """Go on from each first layout's middle in its second, and compare with the first's own second half."""
    runs = {}
    for source, target in pairs:
        here = folder / f"{source} to {target}"
        (here / CHECKPOINTS).mkdir(parents=True)
        (here / CHECKPOINTS / checkpoint_name(SAVED)).symlink_to(whole / source / CHECKPOINTS / checkpoint_name(SAVED))
        config, ranks = recipe_of(target, here, dataset, initial)
        runs[config] = ranks
    train_by_size(runs)
    for source, target in pairs:
        here = folder / f"{source} to {target}"
        rows, expected = (read_rows(each / METRICS_FILE) for each in (here, whole / source))
        assert [row["step"] for row in rows] == list(range(SAVED + 1, END + 1))
        for row, reference in zip(rows, expected[SAVED:], strict=True):
            assert row["loss"] == pytest.approx(reference["loss"], abs=1e-6), f"{source} to {target}, step {row['step']}"
            assert row["grad_norm"] == pytest.approx(reference["grad_norm"], abs=1e-5), (
                f"{source} to {target}, step {row['step']}"
            )
        assert adam_steps(here) == adam_steps(whole / source) == {END}


def adam_steps(folder: Path) -> set[int]:
    """Return the different steps in Adam's parameter groups at the end of a run."""
    found: set[int] = set()

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            found.update({value["step"]} if "step" in value and "betas" in value else set())
            value = list(value.values())
        if isinstance(value, list):
            for each in value:
                walk(each)

    walk(common_state(folder / CHECKPOINTS / checkpoint_name(END))["optimizer"])
    return found


def test_every_layout_gives_the_numbers_of_one_process(whole: Path) -> None:
    expected = read_rows(whole / "one rank" / METRICS_FILE)
    assert expected[-1]["loss"] < expected[0]["loss"] - 0.1
    for name in NAMES:
        rows = read_rows(whole / name / METRICS_FILE)
        assert len(rows) == END
        for row, reference in zip(rows, expected, strict=True):
            for column in ("loss", "grad_norm", "consumed_tokens"):
                assert row[column] == pytest.approx(reference[column], abs=1e-5), f"{name}, step {row['step']}: {column}"


def test_every_layout_is_entered_from_another(whole: Path, tmp_path: Path, dataset: Path, initial: Path) -> None:
    resume(list(PAIRS), whole, tmp_path, dataset, initial)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("target", NAMES)
def test_every_layout_is_entered_from_every_layout(
    target: str, whole: Path, tmp_path: Path, dataset: Path, initial: Path
) -> None:
    resume([(source, target) for source in NAMES], whole, tmp_path, dataset, initial)


def test_the_pairs_cover_all_layouts() -> None:
    assert {source for source, _ in PAIRS} == {target for _, target in PAIRS} == set(NAMES)
    assert all(source != target for source, target in PAIRS)
