import time
from pathlib import Path

import pytest

from data_tools import progress
from data_tools.filters import training_progress
from data_tools.filters.training_progress import passes_shown


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_progress, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(progress, "QUIET_SECONDS", 0.0)


def test_what_native_code_has_read_is_shown(tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    path = tmp_path / "training.txt"
    path.write_bytes(bytes(4_000_000))
    with passes_shown("train", path, 2), path.open("rb", buffering=0) as stream:
        for offset in (3_000_000, 1_000_000):
            stream.seek(offset)
            time.sleep(0.3)
    lines = capfd.readouterr().err.splitlines()
    assert any(line.startswith("train: 3.0 of 8.0 MB read, ") and ", 0 passes, " in line for line in lines)
    assert lines[-1].startswith("train: 5.0 of 8.0 MB read, ")
    assert ", 1 passes, " in lines[-1]
    assert lines[-1].endswith(" s left")


def test_a_file_that_nobody_reads_is_no_progress(tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    path = tmp_path / "training.txt"
    path.write_bytes(b"x")
    with passes_shown("train", path, 2):
        time.sleep(0.1)
    assert "train:" not in capfd.readouterr().err
