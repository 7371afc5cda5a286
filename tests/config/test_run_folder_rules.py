"""Where a run may begin."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from megatron_mathcoder.config import run_folder_rules
from megatron_mathcoder.config.errors import ConfigError
from megatron_mathcoder.config.run_folder_rules import check_no_other_run, check_run_folder
from megatron_mathcoder.config.schema import RunConfig

Load = Callable[..., RunConfig]


def test_a_file_is_no_run_folder(load: Load, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(ConfigError) as error:
            check_run_folder(folder, load())
        assert str(error.value) == f'run.folder = "{folder}": {tmp_path / "file"} is a file; choose another folder'
    check_run_folder(tmp_path / "new" / "run", load())


def test_a_folder_that_cannot_be_written_to() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        closed = Path(name).resolve()
        closed.chmod(0o555)
        expected = f'run.folder = "{closed}/run": {closed} cannot be written to; choose another folder or change its permissions'
        assert as_an_ordinary_person(lambda: run_folder_rules.run_folder_is_writable(closed / "run")) == expected
        closed.chmod(0o777)
        assert as_an_ordinary_person(lambda: run_folder_rules.run_folder_is_writable(closed / "run")) == ""


def as_an_ordinary_person(question: Callable[[], str]) -> str:
    """Ask it in a process that is not root, to whom no folder is closed."""
    reading, writing = os.pipe()
    if not (child := os.fork()):
        if os.geteuid() == 0:
            os.setuid(65534)
        os.write(writing, question().encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading) as stream:
        return stream.read()


def test_a_disk_too_small_for_one_checkpoint(load: Load) -> None:
    config = load("model.architecture=llama3_8b")
    assert run_folder_rules.disk_holds_a_checkpoint(config, 112_500_000_000) == ""
    assert run_folder_rules.disk_holds_a_checkpoint(config, 50_000_000_000) == (
        'run.folder = "runs/a": its disk has 50.00 GB free, one checkpoint takes at least 112.42 GB; '
        "free space (an older checkpoint of it?) or choose another folder"
    )


def test_a_torn_save_takes_no_room_from_the_run_that_left_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that a save has filled would otherwise refuse the run until somebody has found out why."""
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9, 1000))
    assert run_folder_rules.free_bytes(tmp_path / "run") == 1000
    torn = tmp_path / "run" / "checkpoints" / "iter_0000004.partial" / "part"
    torn.parent.mkdir(parents=True)
    torn.write_bytes(b"x" * 1_000_000)
    assert 1_000_000 <= run_folder_rules.free_bytes(tmp_path / "run") - 1000 < 1_100_000


def test_steps_of_another_run_are_not_overwritten(load: Load, tmp_path: Path) -> None:
    check_no_other_run(tmp_path, load(), load("optimizer.lr=2e-3"))
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\n')
    check_no_other_run(tmp_path, load(), load("logging.tensorboard=false"))
    other = load("optimizer.lr=2e-3", "model.num_layers=2", 'checkpoint.allow_changes=["optimizer.lr"]')
    with pytest.raises(ConfigError) as error:
        check_no_other_run(tmp_path, load(), other)
    assert str(error.value) == (
        f'run.folder = "{tmp_path}": it holds steps of another run, which has no checkpoint in checkpoints/ and another '
        "run.toml: model.num_layers = 4 then, 2 now; optimizer.lr = 0.001 then, 0.002 now; "
        "choose another run.folder or remove this one"
    )
