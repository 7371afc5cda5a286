"""Whatever ends a run, and whatever the disk does to its newest checkpoint: in the end it is the run that nothing happened to."""

from pathlib import Path

import pytest

from megatron_mathcoder.config.run_folder import METRICS_FILE
from megatron_mathcoder.config.schema import RunConfig
from tests.trainer.faults import INTERVAL, STEPS, damage_newest, draw_schedule, run_until
from tests.trainer.runs import assert_same_run, exact_rows, small_config

BY_DEFAULT = 10
SCHEDULES = 50
SMALLER = (
    f"training.steps={STEPS}",
    f"checkpoint.interval_steps={INTERVAL}",
    "checkpoint.keep_last=3",
    "model.num_layers=2",
    "model.hidden_size=32",
    "model.ffn_hidden_size=48",
    "model.kv_channels=8",
    "training.global_batch_size=4",
    "validation.interval_steps=5",
    "validation.samples=2",
)


def config(folder: Path, dataset: Path, in_background: bool = False) -> RunConfig:
    return small_config(folder, dataset, *SMALLER, f"checkpoint.in_background={str(in_background).lower()}")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, dataset: Path) -> dict[int, Path]:
    """Return the run that nothing happens to, by the number of its ranks."""
    folders = {ranks: tmp_path_factory.mktemp(f"ranks-{ranks}") for ranks in (1, 2)}
    for ranks, folder in folders.items():
        assert run_until(config(folder, dataset), ranks, None) == [0] * ranks
    return folders


def suffer(number: int, folder: Path, dataset: Path, expected: Path) -> None:
    """Run schedule ``number`` in ``folder`` and compare it with ``expected``, after every fault and at the end."""
    schedule = draw_schedule(number)
    recipe = config(folder, dataset, schedule.in_background)
    for fault in schedule.faults:
        codes = run_until(recipe, schedule.ranks, fault)
        rows = exact_rows(folder, METRICS_FILE)
        assert codes[0] != 0, f"{fault} did not end the run"
        assert len(rows) >= fault.step
        assert rows == exact_rows(expected)[: len(rows)], fault
        damage_newest(folder, fault)
    assert run_until(recipe, schedule.ranks, None) == [0] * schedule.ranks
    assert_same_run(folder, expected)


@pytest.mark.parametrize("number", range(BY_DEFAULT))
def test_a_random_schedule_of_faults(number: int, tmp_path: Path, dataset: Path, undisturbed: dict[int, Path]) -> None:
    suffer(number, tmp_path, dataset, undisturbed[draw_schedule(number).ranks])


@pytest.mark.slow
@pytest.mark.parametrize("number", range(BY_DEFAULT, SCHEDULES))
def test_more_random_schedules_of_faults(number: int, tmp_path: Path, dataset: Path, undisturbed: dict[int, Path]) -> None:
    suffer(number, tmp_path, dataset, undisturbed[draw_schedule(number).ranks])


def test_the_schedules_hold_every_fault() -> None:
    for numbers in (range(BY_DEFAULT), range(SCHEDULES)):
        faults = [fault for number in numbers for fault in draw_schedule(number).faults]
        assert len({fault.kind for fault in faults}) == 6
        assert len({fault.damage for fault in faults}) == 4
    assert all(second.step - first.step >= 4 for first, second in (draw_schedule(number).faults for number in range(SCHEDULES)))
