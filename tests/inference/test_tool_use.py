"""Code-executing inference: rounds, timeouts, clipped output, batches, and replay from a row."""

import json

import pytest

from data_tools.llm.interface import Choice, Sampling
from data_tools.sandbox.sandbox import Sandbox
from megatron_mathcoder.config.errors import DataError
from megatron_mathcoder.inference.tool_format import Fences, Lce, clipped
from megatron_mathcoder.inference.tool_use import ToolLoop, replay, trajectory_from_row
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
