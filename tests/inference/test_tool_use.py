"""Code-executing inference: rounds, timeouts, clipped output, batches, and replay from the log."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from data_tools.llm.interface import Choice, Sampling
from data_tools.sandbox.sandbox import Sandbox
from megatron_mathcoder.cli import main
from megatron_mathcoder.config.errors import DataError
from megatron_mathcoder.inference.tool_format import Fences, Lce, clipped
from megatron_mathcoder.inference.tool_use import ToolLoop, Trajectory, replay, trajectory_from_row
from tests.inference.conftest import Scripted


def loop(sandbox: Sandbox, answer, **settings) -> ToolLoop:
    settings.setdefault("format", Fences())
    return ToolLoop(model=Scripted(answer), sandbox=sandbox, sampling=Sampling(max_tokens=64), **settings)


def two_blocks(prompt: str) -> str:
    if "```output\n42" in prompt:
        return "So the answer is \\boxed{42}."
    if "```output" in prompt:
        return "Now:\n```python\nprint(x * 7)\n```\nand more that is never reached"
    return "First:\n```python\nx = 6\nx\n```\n"


def test_code_is_run_and_its_output_is_read_by_the_model(sandbox: Sandbox) -> None:
    (done,) = loop(sandbox, two_blocks).run([("p", "What is 6 * 7?\n")])
    assert [(block.kind, block.content) for block in done.blocks] == [
        ("text", "First:"),
        ("code", "x = 6\nx"),
        ("execution", "6"),
        ("text", "Now:"),
        ("code", "print(x * 7)"),
        ("execution", "42"),
        ("text", "So the answer is \\boxed{42}."),
    ]
    assert (done.ended, done.rounds, done.completion) == ("answer", 3, "So the answer is \\boxed{42}.")
    assert done.text.startswith("First:\n```python\nx = 6\nx\n```\n```output\n6\n```\nNow:")


def lce(prompt: str) -> str:
    if "<|execution|>" not in prompt:
        return "<|text|>I compute.<|endofblock|>" if "I compute" not in prompt else "<|code|>2**10<|endofblock|>"
    return "<|text|>1024<|endofblock|><|endofmessage|>" if "<|text|>1024" not in prompt else "<|endofmessage|>"


def test_lce_blocks_are_followed_to_the_end_of_the_message(sandbox: Sandbox) -> None:
    (done,) = loop(sandbox, lce, format=Lce()).run([("p", "2^10?")])
    assert done.prompt == "<|user|><|text|>2^10?<|endofblock|><|endofmessage|><|assistant|>"
    assert [(block.kind, block.content) for block in done.blocks] == [
        ("text", "I compute."), ("code", "2**10"), ("execution", "1024"), ("text", "1024"),
    ]  # fmt: skip
    assert done.text.endswith("<|execution|>1024<|endofblock|><|text|>1024<|endofblock|><|endofmessage|>")
    assert done.ended == "answer"


def slow(prompt: str) -> str:
    if "over its budget" in prompt:
        return "```python\nprint(x)\n```\n" if "```output\n5" not in prompt else "It is 5."
    return "```python\nwhile True: pass\n```\n" if "```output" in prompt else "```python\nx = 5\n```\n"


def test_a_timeout_ends_the_block_and_not_the_session(sandbox: Sandbox) -> None:
    (done,) = loop(sandbox, slow).run([("p", "")])
    assert [block.status for block in done.blocks if block.kind == "execution"] == ["ok", "cpu", "ok"]
    assert [block.content for block in done.blocks if block.kind == "execution"][2] == "5"
    assert done.completion == "It is 5."


def test_an_exception_is_one_line_and_the_namespace_stays(sandbox: Sandbox) -> None:
    def answer(prompt: str) -> str:
        if "Error" not in prompt:
            return "```python\ny = 2\n1 / 0\n```\n"
        return "```python\ny\n```\n" if "```output\n2" not in prompt else "2"

    (done,) = loop(sandbox, answer).run([("p", "")])
    outputs = [block.content for block in done.blocks if block.kind == "execution"]
    assert "ZeroDivisionError: division by zero" in outputs[0]
    assert outputs[1] == "2"


def test_problems_have_namespaces_of_their_own_and_are_asked_together(sandbox: Sandbox) -> None:
    def answer(prompt: str) -> str:
        number = prompt.split("#")[1]
        if "```output" not in prompt:
            return f"```python\nseen = 'seen' in globals()\nprint(seen, {number})\nseen = 1\n```\n"
        return f"{prompt.split('output')[1].split('```')[0].strip()}"

    tools = loop(sandbox, answer, window=8)
    done = {each.id: each.completion for each in tools.run((str(n), f"#{n}#") for n in range(20))}
    assert done == {str(n): f"False {n}" for n in range(20)}
    assert max(len(asked) for asked in tools.model.asked) >= 8  # type: ignore[attr-defined]


def test_while_one_problem_s_code_runs_the_others_go_on(sandbox: Sandbox) -> None:
    def answer(prompt: str) -> str:
        if "slow" in prompt and "```output" not in prompt:
            return "```python\nimport time\ntime.sleep(1.5)\n```\n"
        return "done"

    ended = [each.id for each in loop(sandbox, answer).run([("s", "slow"), ("a", "x"), ("b", "x")])]
    assert ended == ["a", "b", "s"]


def test_what_ends_a_trajectory_is_said(sandbox: Sandbox) -> None:
    (forever,) = loop(sandbox, lambda prompt: "```python\n1\n```\n", rounds=3).run([("p", "")])
    assert (forever.ended, forever.rounds) == ("rounds", 3)
    (cut,) = loop(sandbox, lambda prompt: Choice("half a sen", "length")).run([("p", "")])
    assert cut.ended == "length"
    with pytest.raises(DataError, match="problem 'p' comes twice"):
        list(loop(sandbox, two_blocks).run([("p", ""), ("p", "")]))


def test_without_a_sandbox_nothing_is_run(sandbox: Sandbox) -> None:
    tools = ToolLoop(model=Scripted(two_blocks), sandbox=None, format=Fences(), sampling=Sampling(max_tokens=64))
    (done,) = tools.run([("p", "")])
    assert (done.text, done.ended, done.rounds) == ("First:\n```python\nx = 6\nx\n```\n", "answer", 1)


def test_long_output_keeps_its_beginning_and_end() -> None:
    assert clipped("a" * 900 + "b" * 900, 300) == "a" * 200 + "\n… 1500 characters …\n" + "b" * 100
    assert clipped("short\n", 300) == "short"


def test_a_trajectory_is_replayed_from_its_row(sandbox: Sandbox) -> None:
    (done,) = loop(sandbox, two_blocks).run([("p", "")])
    again = trajectory_from_row(json.loads(json.dumps(done.to_row())))
    assert again == done
    assert replay(again, sandbox) == []
    changed = json.loads(json.dumps(done.to_row()).replace('"42"', '"43"'))
    assert replay(trajectory_from_row(changed), sandbox) == [("43", "42")]


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
