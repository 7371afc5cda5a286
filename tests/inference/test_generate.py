"""``mathcoder generate``: a prompt, a file of problems and what a person gets wrong."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from megatron_mathcoder.cli import main
from megatron_mathcoder.inference.tool_use import Trajectory, trajectory_from_row


def problems(path: Path, count: int) -> Path:
    path.write_text("".join(json.dumps({"id": n, "problem": f"Problem {n}: x"}) + "\n" for n in range(count)))
    return path


def test_a_file_of_problems_survives_kill_9_and_ends_as_if_nothing_had_been(tiny_model: Path, tmp_path: Path) -> None:
    file = problems(tmp_path / "p.jsonl", 24)
    arguments = ["generate", str(tiny_model), "--problems", str(file), "--batch-size", "2", "--max-new-tokens", "12", "--output"]
    assert main([*arguments, str(tmp_path / "whole.jsonl")]) == 0
    command = [sys.executable, "-m", "megatron_mathcoder", *arguments, str(tmp_path / "killed.jsonl")]
    run = subprocess.Popen(command)
    while not (tmp_path / "killed.jsonl").exists() or (tmp_path / "killed.jsonl").read_bytes().count(b"\n") < 4:
        assert run.poll() is None
        time.sleep(0.02)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    assert main([*arguments, str(tmp_path / "killed.jsonl")]) == 0
    whole, killed = ((tmp_path / name).read_text().splitlines() for name in ("whole.jsonl", "killed.jsonl"))
    assert len(killed) == 24
    assert sorted(killed) == sorted(whole)


def test_one_prompt_is_continued_and_mistakes_are_one_line(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    twice = tmp_path / "twice.jsonl"
    twice.write_text('{"id": 7, "question": "?"}\n' * 2)
    (tmp_path / "empty.jsonl").write_text("")
    cut = shutil.copytree(tiny_model, tmp_path / "cut")
    os.truncate(cut / "model.safetensors", 1000)
    (tmp_path / "other.jsonl").write_text('{"id": "a", "completion": "4"}\n')
    assert main(["generate", str(tiny_model), "--prompt", "import", "--max-new-tokens", "4"]) == 0
    assert capsys.readouterr().out.startswith("import")
    for arguments, message in (
        ([], "no model: name a folder"),
        (["http://localhost:1/v1"], "write http://localhost:1/v1#MODEL"),
        (["vllm:gone"], "vLLM cannot be used here"),
        ([str(tmp_path)], "no config.json is in it"),
        ([str(tmp_path / "gone")], "gone: there is no such folder"),
        ([str(tiny_model), "--problems", "x.jsonl"], "--problems needs --output"),
        (["--replay", str(tmp_path / "gone.jsonl")], "gone.jsonl: no such file; name trajectories"),
        ([str(tiny_model), "--problems", str(twice), "--output", str(tmp_path / "o.jsonl")], "problem '7' comes twice"),
        (["gone", "--problems", str(tmp_path / "empty.jsonl"), "--output", "o.jsonl"], "empty.jsonl: no problem in it"),
        (["--replay", str(tmp_path / "empty.jsonl")], "empty.jsonl: no trajectory in it; name what --problems … --output wrote"),
        (["--replay", str(tmp_path / "other.jsonl")], "other.jsonl: its rows are no trajectories ('prompt'); name what"),
        (["m", "--problems", str(tmp_path), "--output", str(tmp_path / "o.jsonl")], "lies in the input folder"),
        ([str(tiny_model), "--prompt", "x", "--output", "o.jsonl"], "--output needs --problems, and FILE.jsonl"),
        ([str(tiny_model), "--prompt", "x", "--problems", "p", "--output", "o"], "both say what to ask; leave one out"),
        ([str(cut)], "transformers cannot load it: Error while deserializing header"),
    ):
        assert main(["generate", *arguments]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
    for verb, *required in (("generate",), ("solve", "x", "--model", "m", "--output", "o"), ("interpolate",)):
        for value in ("-1", "nan", "inf", "warm"):
            with pytest.raises(SystemExit, match="2"):
                main([verb, *required, "--temperature", value])
            assert f"'{value}' is not a number of 0 or more" in capsys.readouterr().err


def test_a_log_of_other_settings_is_refused(tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = problems(tmp_path / "p.jsonl", 1)
    arguments = ["generate", str(tiny_model), "--problems", str(file), "--output", str(tmp_path / "o.jsonl")]
    assert main([*arguments, "--max-new-tokens", "4"]) == 0
    assert main([*arguments, "--max-new-tokens", "5"]) == 2
    assert "its rows have max_new_tokens = 4, this run 5" in capsys.readouterr().err
    assert main(["generate", "--replay", str(tmp_path / "o.jsonl")]) == 0
    assert isinstance(trajectory_from_row(json.loads((tmp_path / "o.jsonl").read_text())), Trajectory)


def test_when_every_problem_failed_the_command_did_too_and_goes_on_when_it_can(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, output = tmp_path / "p.jsonl", tmp_path / "o.jsonl"
    long = [{"id": name, "problem": "word " * 5000} for name in "ab"]
    file.write_text("".join(json.dumps(row) + "\n" for row in long))
    arguments = ["generate", str(tiny_model), "--problems", str(file), "--output", str(output), "--max-new-tokens", "4"]
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert f"{output}: 2 trajectories: 2 failed" in said.out
    assert "mathcoder generate: all 2 failed, the first so: the prompt has " in said.err
    assert said.err.endswith("; mend that, then run the same command\n")
    file.write_text(json.dumps({"id": "a", "problem": "x"}) + "\n" + json.dumps(long[1]) + "\n")
    assert main(arguments) == 0
    assert "2 trajectories: 1 failed, 1 length" in capsys.readouterr().out
