"""A conversion that is killed goes on where it was, and nobody takes its folder for a checkpoint."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from checkpoints_convert import conversion
from checkpoints_convert.hf_to_megatron import import_hf
from checkpoints_convert.megatron_to_hf import export
from megatron_mathcoder.config.errors import CheckpointError
from megatron_mathcoder.config.run_folder import find_checkpoint

SLOW_IMPORT = """
import sys, time
from pathlib import Path
from checkpoints_convert import byte_copy, conversion
from checkpoints_convert.hf_to_megatron import import_hf
from checkpoints_convert.megatron_to_hf import export
conversion.COMMIT_BYTES = 20_000
real = conversion.carry
def carry(*arguments, **named):
    time.sleep(0.008)
    return real(*arguments, **named)
conversion.carry = carry
print("ready", flush=True)
{verb}(Path({source!r}), Path({target!r}))
"""


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def run_and_kill(verb: str, source: Path, target: Path, after_seconds: float) -> bool:
    """Convert slowly, kill -9 after a while; returns whether it was finished before."""
    script = SLOW_IMPORT.format(verb=verb, source=str(source), target=str(target))
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(after_seconds)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return target.exists()


def kill_until_done(verb: str, source: Path, target: Path, kills: int, seed: int) -> None:
    draw = random.Random(seed)
    for _ in range(kills):
        done = run_and_kill(verb, source, target, draw.uniform(0.0, 0.5))
        partial = target.with_name(target.name + ".partial")
        if not done and partial.exists():
            with pytest.raises(CheckpointError, match=r"never finished|no finished checkpoint"):
                find_checkpoint(partial)
        if done:
            shutil.rmtree(target)


@pytest.mark.parametrize(("verb", "kills"), [("import_hf", 4), ("export", 4)])
def test_a_killed_conversion_goes_on_and_gives_the_same_files(verb, kills, hf_model, tmp_path):
    check_killed(verb, kills, hf_model, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["import_hf", "export"])
def test_fifty_kills_change_nothing(verb, hf_model, tmp_path):
    check_killed(verb, 50, hf_model, tmp_path)


def check_killed(verb: str, kills: int, hf_model, tmp_path: Path) -> None:
    source = hf_model("llama3", "bfloat16", "100KB")
    import_hf(source, tmp_path / "checkpoint")
    if verb == "export":
        source = tmp_path / "checkpoint"
    function = {"import_hf": import_hf, "export": export}[verb]
    function(source, tmp_path / "undisturbed" / "out")
    kill_until_done(verb, source, tmp_path / "killed" / "out", kills, seed=kills)
    function(source, tmp_path / "killed" / "out")
    assert content(tmp_path / "killed" / "out") == content(tmp_path / "undisturbed" / "out")
    assert sorted(path.name for path in (tmp_path / "killed").iterdir()) == ["out"]


def interrupted(source: Path, target: Path, after: int, monkeypatch) -> list[str]:
    """Import until ``after`` tensors are copied; returns what a second call copies then."""
    made: list[str] = []

    def carry(copies, files, **named):
        if len(made) == after:
            raise KeyboardInterrupt
        made.append(copies[0].hf_path.name)
        return real(copies, files, **named)

    real = conversion.carry
    monkeypatch.setattr(conversion, "COPIERS", 1)
    monkeypatch.setattr(conversion, "COMMIT_BYTES", 1)
    monkeypatch.setattr(conversion, "carry", carry)
    with pytest.raises(KeyboardInterrupt):
        import_hf(source, target)
    after = -1
    made.clear()
    import_hf(source, target)
    monkeypatch.undo()
    return made


def test_what_the_journal_names_is_not_copied_again(hf_model, tmp_path, monkeypatch):
    source = hf_model("llama3")
    whole = len(interrupted(source, tmp_path / "early", 0, monkeypatch))
    rest = len(interrupted(source, tmp_path / "late", whole - 10, monkeypatch))
    assert rest < whole / 3
    assert content(tmp_path / "early") == content(tmp_path / "late")


def test_a_journal_of_another_source_counts_for_nothing(hf_model, tmp_path, monkeypatch):
    source = shutil.copytree(hf_model("llama3"), tmp_path / "hf")
    monkeypatch.setattr(conversion, "COMMIT_BYTES", 1)
    real = conversion.Journal.commit

    def die_late(self, digests, descriptors):
        real(self, digests, descriptors)
        if len(self.digests) > 20:
            raise OSError("disk gone")

    monkeypatch.setattr(conversion.Journal, "commit", die_late)
    with pytest.raises(OSError, match="disk gone"):
        import_hf(source, tmp_path / "checkpoint")
    monkeypatch.undo()
    assert (tmp_path / "checkpoint.partial" / "journal.jsonl").read_text().count("\n") > 20
    path = source / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-100:] = bytes(100)
    path.write_bytes(data)
    os.utime(path, ns=(0, 0))
    import_hf(source, tmp_path / "checkpoint")
    import_hf(source, tmp_path / "fresh")
    assert content(tmp_path / "checkpoint") == content(tmp_path / "fresh")


def test_after_a_failed_write_the_journal_names_nothing_more(tmp_path, monkeypatch):
    """The kernel reports a lost page once; a later fsync succeeds and means nothing."""

    def fail(_descriptor):
        raise OSError("input/output error")

    journal = conversion.Journal(tmp_path / "journal", "x")
    journal.start()
    with (tmp_path / "target").open("wb") as target:
        journal.commit({"first": "1"}, [target.fileno()])
        with monkeypatch.context() as broken:
            broken.setattr(os, "fsync", fail)
            with pytest.raises(OSError, match="input/output"):
                journal.commit({"lost": "2"}, [target.fileno()])
        journal.commit({"later": "3"}, [target.fileno()])
    assert journal.digests == {"first": "1"}
    assert conversion.Journal(tmp_path / "journal", "x").digests == {"first": "1"}


def test_two_processes_do_not_write_one_folder(hf_model, tmp_path):
    from checkpoints_convert.partial_folder import partial_folder

    with (
        partial_folder(tmp_path / "checkpoint", source=tmp_path, needed_bytes=0, overwrite=False),
        pytest.raises(CheckpointError, match=r"another process is writing it; wait for it or end it"),
    ):
        import_hf(hf_model("llama3"), tmp_path / "checkpoint")
