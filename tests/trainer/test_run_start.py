"""One run at a time writes into a folder."""

import threading
from pathlib import Path

import pytest

from megatron_mathcoder.config.errors import ConfigError
from megatron_mathcoder.trainer.run_start import hold_folder


def test_a_second_run_is_refused(tmp_path: Path) -> None:
    said: list[str] = []
    with hold_folder(tmp_path / "run", 0.0, said.append):
        with (
            pytest.raises(ConfigError, match=r'run.folder = ".*run": another run writes there; wait for its end or'),
            hold_folder(tmp_path / "run", 0.0, said.append),
        ):
            pass
        with hold_folder(tmp_path / "other", 0.0, said.append):
            pass
    assert len(said) == 1
    with hold_folder(tmp_path / "run", 0.0, said.append):
        pass


def test_a_run_waits_for_the_one_that_ends(tmp_path: Path) -> None:
    said: list[str] = []
    first = hold_folder(tmp_path, 0.0, said.append)
    first.__enter__()
    threading.Timer(0.2, first.__exit__, (None, None, None)).start()
    with hold_folder(tmp_path, 60.0, said.append):
        pass
    assert said == [f"another run writes into {tmp_path}; waiting up to 60 s for its end"]


def test_a_folder_that_cannot_be_made_is_left_to_the_rules(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with hold_folder(tmp_path / "file" / "run", 0.0, pytest.fail):
        pass
