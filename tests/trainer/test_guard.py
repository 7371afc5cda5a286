"""Steps whose loss or gradient is not fit to be used are skipped, and after several in a row the run goes back."""

import math
import shutil
from pathlib import Path
from typing import Any

import pytest

from megatron_mathcoder.config.run_folder import CHECKPOINTS, EVENTS_FILE, REWOUND_FILE, VALIDATION_FILE
from megatron_mathcoder.config.schema import GuardSection, RunConfig
from megatron_mathcoder.platforms.ranks import Rank
from megatron_mathcoder.trainer.guard import must_rewind, reason_to_skip, remember
from megatron_mathcoder.trainer.state import TrainState
from tests.multiprocess import run_ranks
from tests.trainer.runs import assert_same_run, exact_rows, small_config, tensor_checksums, train_rank

SPIKES = GuardSection(spike_sigma=4.0, spike_window_steps=5)
SAMPLES = 8
"""Of a step."""


def after(losses: list[float], section: GuardSection = SPIKES) -> TrainState:
    state = TrainState()
    for loss in losses:
        remember(section, state, loss, skipped=False)
    return state


def test_mean_and_variance_are_those_of_the_first_steps() -> None:
    state = after([3.0, 5.0, 4.0, 8.0])
    assert state.loss_mean == pytest.approx(5.0)
    assert state.loss_variance == pytest.approx((4 + 0 + 1 + 9) / 4)


def test_later_steps_forget_the_first() -> None:
    state = after([9.0] * 5 + [2.0] * 100)
    assert state.loss_mean == pytest.approx(2.0, abs=1e-6)
    assert state.loss_variance == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    ("loss", "norm", "reason"),
    [
        (math.nan, 1.0, "loss nan"),
        (math.inf, 1.0, "loss inf"),
        (2.0, math.nan, "gradient norm nan"),
        (2.0, math.inf, "gradient norm inf"),
        (2.0, 1e9, ""),
        (3.5, 1.0, ""),
        # The mean is 2 and the deviation 0.4.
        (3.7, 1.0, "loss 3.7000 is 4.3 deviations of 0.3997 above its mean 2.0000"),
        (0.0, 1.0, ""),  # far below is no spike
    ],
)
def test_what_is_skipped(loss: float, norm: float, reason: str) -> None:
    assert reason_to_skip(SPIKES, after([2.0, 2.0, 2.0, 1.368, 2.632]), loss, norm) == reason


def test_the_first_steps_are_not_judged_by_their_loss() -> None:
    assert reason_to_skip(SPIKES, after([2.0, 2.1, 2.0, 2.1]), 9.0, 1.0) == ""
    assert reason_to_skip(GuardSection(), after([2.0] * 300), 9.0, 1.0) == ""


def test_losses_that_hardly_vary_make_no_spikes_of_noise() -> None:
    assert reason_to_skip(SPIKES, after([2.0] * 9), 2.03, 1.0) == ""
    assert reason_to_skip(SPIKES, after([2.0] * 9), 2.05, 1.0) != ""


def test_a_good_step_ends_a_row_of_skipped_ones() -> None:
    state = after([2.0])
    for _ in range(2):
        remember(SPIKES, state, math.nan, skipped=True)
    assert not must_rewind(SPIKES, state)
    remember(SPIKES, state, 2.0, skipped=False)
    remember(SPIKES, state, math.nan, skipped=True)
    assert (state.skipped_in_row, state.skipped_steps, state.judged_steps) == (1, 3, 2)
    assert must_rewind(GuardSection(rewind_after_skips=1), state)
    assert not must_rewind(GuardSection(rewind_after_skips=0), state)


def train_on_bad_data(rank: Rank, config: RunConfig, bad: dict[str, list[int]], crash_after: int = 0, shift: int = 0) -> int:
    """Train as one rank on samples that are bad in the way ``bad`` says; crash in the loop's step number ``crash_after``.

    ``shift`` = n replaces the data after the third step by those n samples later.
    """
    import numpy as np

    from megatron_mathcoder.dataset.blend import Blend
    from megatron_mathcoder.trainer import step
    from megatron_mathcoder.trainer.trainer import Trainer

    read, finalize, train_step = Blend.sample, step.finalize_model_grads, Trainer._step
    seen: list[int] = []
    steps = 0

    def sample(self: Blend, number: int) -> Any:
        seen.append(number)
        if shift and number >= 3 * SAMPLES:
            number += shift
        sample = read(self, number)
        if number in bad.get("nan", ()):
            return sample._replace(loss_mask=np.full_like(sample.loss_mask, np.nan))
        if number in bad.get("wrong labels", ()):
            return sample._replace(labels=np.full_like(sample.labels, 3))
        return sample

    def finalize_gradients(chunks: list[Any], *arguments: Any, **options: Any) -> None:
        finalize(chunks, *arguments, **options)
        if set(seen) & set(bad.get("infinite gradient", ())):
            next(iter(chunks[0].parameters())).main_grad.view(-1)[5] = math.inf
        seen.clear()

    def one_step(self: Trainer) -> None:
        nonlocal steps
        steps += 1
        if steps == crash_after:
            raise RuntimeError("crashed as planned")
        train_step(self)

    Blend.sample, step.finalize_model_grads, Trainer._step = sample, finalize_gradients, one_step  # type: ignore[method-assign]
    return train_rank(rank, config)


def of_step(*steps: int) -> list[int]:
    """Return one sample of each of these steps."""
    return [(step - 1) * SAMPLES + 3 for step in steps]


def checkpoint(folder: Path, step: int) -> Path:
    return folder / CHECKPOINTS / f"iter_{step:07d}"


@pytest.mark.parametrize("kind", ["nan", "infinite gradient"])
def test_a_step_that_is_not_finite_changes_no_weight_and_names_its_documents(kind: str, tmp_path: Path, dataset: Path) -> None:
    config = small_config(tmp_path, dataset, "training.steps=4", "checkpoint.interval_steps=3")
    assert run_ranks(train_on_bad_data, 1, config, {kind: of_step(4)}) == [0]
    last = exact_rows(tmp_path)[-1]
    assert [row["skipped"] for row in exact_rows(tmp_path)] == [0, 0, 0, 1]
    assert (last["loss"] is None, last["grad_norm"] is None) == (kind == "nan", True) or kind == "infinite gradient"
    assert last["consumed_samples"] == 4 * SAMPLES
    assert tensor_checksums(checkpoint(tmp_path, 4)) == tensor_checksums(checkpoint(tmp_path, 3))
    [event] = exact_rows(tmp_path, EVENTS_FILE)
    assert (event["event"], event["step"], event["first_sample"]) == ("skip", 4, 24)
    assert event["reason"] in ("loss nan", "gradient norm inf", "gradient norm nan")
    ranges = event["documents"]["installed_packages"]
    assert 1 < sum(last - first + 1 for first, last in ranges) < 120


def test_wrong_labels_are_a_spike(tmp_path: Path, dataset: Path) -> None:
    guard = ("guard.spike_sigma=2", "guard.spike_window_steps=4")
    config = small_config(tmp_path, dataset, "training.steps=14", "optimizer.lr=1e-2", *guard)
    bad = {"wrong labels": list(range(12 * SAMPLES, 13 * SAMPLES))}
    assert run_ranks(train_on_bad_data, 1, config, bad) == [0]
    assert [row["step"] for row in exact_rows(tmp_path) if row["skipped"]] == [13]
    assert "deviations of" in exact_rows(tmp_path, EVENTS_FILE)[0]["reason"]


REWINDS = ("training.steps=9", "checkpoint.interval_steps=3", "checkpoint.keep_last=0", "validation.interval_steps=3")
BAD = {"nan": of_step(5, 6, 7)}


@pytest.fixture(scope="module")
def rewound(tmp_path_factory: pytest.TempPathFactory, dataset: Path) -> Path:
    """Return a run that skipped steps 5 to 7, went back to step 3 and on with the data after step 7."""
    folder = tmp_path_factory.mktemp("rewound")
    assert run_ranks(train_on_bad_data, 1, small_config(folder, dataset, *REWINDS), BAD) == [0]
    return folder


def test_after_several_in_a_row_the_run_goes_back_and_leaves_the_data_out(rewound: Path, tmp_path: Path, dataset: Path) -> None:
    events = exact_rows(rewound, EVENTS_FILE)
    assert [(event["event"], event["step"]) for event in events] == [("skip", 5), ("skip", 6), ("skip", 7), ("rewind", 7)]
    assert (events[-1]["to_step"], events[-1]["first_sample"], events[-1]["consumed_samples"]) == (3, 24, 56)
    assert [row["step"] for row in exact_rows(rewound)] == list(range(1, 10))
    assert [row["consumed_samples"] for row in exact_rows(rewound)[2:5]] == [24, 64, 72]
    assert [row["step"] for row in exact_rows(rewound, REWOUND_FILE)] == [4, 5, 6, 7, 6]
    # The same as if the data had never been there.
    config = small_config(tmp_path, dataset, *REWINDS)
    run_ranks(train_on_bad_data, 1, config, {}, 0, 4 * SAMPLES)
    for name in ("loss", "grad_norm", "learning_rate"):
        assert [row[name] for row in exact_rows(rewound)] == [row[name] for row in exact_rows(tmp_path)], name
    assert exact_rows(rewound, VALIDATION_FILE) == exact_rows(tmp_path, VALIDATION_FILE)
    assert tensor_checksums(checkpoint(rewound, 9)) == tensor_checksums(checkpoint(tmp_path, 9))


@pytest.mark.parametrize("crash_after", [7, 8, 12])
def test_a_run_that_skipped_or_rewound_resumes_exactly(crash_after: int, rewound: Path, tmp_path: Path, dataset: Path) -> None:
    """Crashed among the skipped steps, after the rewind and before a save, and after a save that followed it."""
    config = small_config(tmp_path, dataset, *REWINDS)
    with pytest.raises(AssertionError, match="crashed as planned"):
        run_ranks(train_on_bad_data, 1, config, BAD, crash_after)
    assert run_ranks(train_on_bad_data, 1, config, BAD) == [0]
    assert_same_run(tmp_path, rewound)


def test_several_ranks_skip_and_rewind_together(rewound: Path, tmp_path: Path, dataset: Path) -> None:
    overlap = ("parallel.overlap_grad_reduce=true", "parallel.overlap_param_gather=true", "checkpoint.in_background=true")
    config = small_config(tmp_path, dataset, *REWINDS, *overlap)
    assert run_ranks(train_on_bad_data, 2, config, BAD) == [0, 0]
    assert exact_rows(tmp_path, EVENTS_FILE) == exact_rows(rewound, EVENTS_FILE)
    for row, expected in zip(exact_rows(tmp_path), exact_rows(rewound), strict=True):
        assert row == pytest.approx(expected, abs=1e-5)


def test_without_a_checkpoint_to_go_back_to_the_run_ends(tmp_path: Path, dataset: Path) -> None:
    config = small_config(tmp_path, dataset, "guard.rewind_after_skips=2")
    message = (
        r"TrainingError: step 4: 2 steps in a row were skipped, and there is no checkpoint before them "
        r"\(checkpoint.interval_steps\); lower optimizer.lr, or leave out the documents that events.jsonl names"
    )
    with pytest.raises(AssertionError, match=message):
        run_ranks(train_on_bad_data, 1, config, {"nan": of_step(3, 4)})


def test_a_run_that_goes_back_too_often_ends(rewound: Path, tmp_path: Path, dataset: Path) -> None:
    shutil.copytree(rewound, tmp_path / "run")
    for step in (6, 9):
        shutil.rmtree(checkpoint(tmp_path / "run", step))
    config = small_config(tmp_path / "run", dataset, *REWINDS, "guard.max_rewinds=1", "checkpoint.allow_changes=['guard']")
    with pytest.raises(AssertionError, match=r"step 6: 3 steps in a row were skipped, after 1 rewinds \(guard.max_rewinds\)"):
        run_ranks(train_on_bad_data, 1, config, {"nan": of_step(5, 6, 7, 8, 9, 10)})
