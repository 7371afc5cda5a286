"""What a path to a checkpoint means, and which rows a file of a run has."""

from pathlib import Path

import pytest

from megatron_mathcoder.config.errors import CheckpointError
from megatron_mathcoder.config.run_folder import checkpoints_meant, find_checkpoint, read_rows


@pytest.fixture
def run(tmp_path: Path) -> Path:
    for step in (3, 20, 100):
        folder = tmp_path / "run" / "checkpoints" / f"iter_{step:07d}"
        folder.mkdir(parents=True)
        (folder / "metadata.json").touch()
    (tmp_path / "run" / "checkpoints" / "iter_0000200.partial").mkdir()
    return tmp_path / "run"


def test_a_run_means_its_newest_checkpoint(run: Path) -> None:
    newest_first = ["iter_0000100", "iter_0000020", "iter_0000003"]
    for path in (run, run / "checkpoints"):
        assert [found.name for found in checkpoints_meant(path)] == newest_first
        assert find_checkpoint(path).name == "iter_0000100"
    assert checkpoints_meant(run / "checkpoints" / "iter_0000020") == [run / "checkpoints" / "iter_0000020"]


def test_what_is_no_checkpoint_says_what_to_give(run: Path, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").touch()
    for path, message in (
        (tmp_path / "absent", "it does not exist; give a run folder"),
        (run / "checkpoints" / "iter_0000200.partial", "its save was never finished; take an older iter_ folder"),
        (tmp_path / "model", "this is a Hugging Face folder, of which mathcoder import-hf makes a checkpoint"),
        (tmp_path, r"no finished checkpoint is in it \(an iter_ folder with metadata.json\); give a run folder"),
    ):
        with pytest.raises(CheckpointError, match=message):
            find_checkpoint(path)


def test_a_torn_last_row_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    assert read_rows(path) == []
    path.write_bytes(b'{"step": 1}\n{"step": 2}\n{"st')
    assert read_rows(path, ["step"]) == [{"step": 1}, {"step": 2}]
