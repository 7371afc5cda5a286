"""Recorded trajectories run again: what counts as the same, which cause a difference has, and the published files
themselves."""

import gzip
import itertools
import json
import re

import pytest

from data_tools.sandbox import replay
from data_tools.sandbox.outcome import Limits, Outcome
from data_tools.sandbox.rewordings import known_rewording
from data_tools.sandbox.sandbox import Sandbox
from megatron_mathcoder import cli

LEAST = {"GSM8K": 0.998, "SVAMP": 0.998, "simuleq": 0.998, "mathematics": 0.998, "MATH": 0.985}
TRACEBACK = (
    "----- \x1b[0;31mNameError\x1b[0m  Traceback (most recent call last) Cell In[3], line 2\n NameError: name 'l' is not defined"
)


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(Limits(cpu_seconds=10), workers=2) as started:
        yield started


def trajectory(*blocks: tuple[str, str]) -> dict[str, object]:
    pairs = [[{"role": "code", "content": code}, {"role": "execution", "content": output}] for code, output in blocks]
    return {"debug_result": [{"role": "text", "content": "so"}, *itertools.chain.from_iterable(pairs)]}


@pytest.mark.parametrize(
    ("recorded", "outcome", "cause"),
    [
        ("42", Outcome(status="ok", display="42"), replay.SAME),
        ("1\n2", Outcome(status="ok", stdout="1\n", display="2"), replay.SAME),
        ("<empty_execution>", Outcome(status="ok"), replay.SAME),
        (TRACEBACK, Outcome(status="exception", error="NameError: name 'l' is not defined"), replay.SAME),
        (TRACEBACK, Outcome(status="exception", error="NameError: l is unknown"), replay.REWORDED),
        (TRACEBACK, Outcome(status="exception", error="NameError: name 'l' is not defined. Did you mean: 'k'?"), replay.KNOWN),
        (TRACEBACK, Outcome(status="exception", error="TypeError: no"), "another exception"),
        (TRACEBACK, Outcome(status="ok", display="1"), "a value here, an exception recorded"),
        ("1", Outcome(status="exception", error="TypeError: no"), "an exception here, a value recorded"),
        ("1", Outcome(status="cpu"), "over a limit here: cpu"),
        ("[44]", Outcome(status="ok", display="[44.0000000000000]"), "the same value in another form"),
        ("0.30000000001", Outcome(status="ok", display="0.30000000002"), "digits of a decimal"),
        ("x + y", Outcome(status="ok", display="y + x"), "the order of terms or elements"),
        ("[1, 2]", Outcome(status="ok", display="[1,\n 2]"), "line breaks"),
        ("<f at 0x7f12>", Outcome(status="ok", display="<f at 0x7f34>"), "an object's address"),
        ("1", Outcome(status="ok", display="2"), "another output"),
    ],
)
def test_causes(recorded, outcome, cause):
    assert replay.difference(recorded, outcome) == cause


def test_blocks_share_a_namespace_and_keep_their_outputs(sandbox):
    done = replay.replay(sandbox, "here", trajectory(("x = 6\nx", "6"), ("x * 7", "42"), ("y", TRACEBACK)))
    assert done is not None
    assert [block.cause for block in done] == [replay.SAME, replay.SAME, replay.REWORDED]


def test_a_recorded_timeout_sets_the_trajectory_aside(sandbox):
    assert replay.replay(sandbox, "here", trajectory(("1", "1"), ("2", "-----\nTimeout waiting for reply  Traceback"))) is None


def test_rows_in_the_other_spelling_are_read():
    blocks = [{"type": "code", "content": "1"}, {"type": "execution", "content": "1"}, {"type": "text", "content": "done"}]
    assert replay.blocks_of({"messages": blocks}) == [("1", "1")]


def sample_of(shared_data, tmp_path, step):
    folder = tmp_path / "sample"
    folder.mkdir()
    for path in sorted((shared_data / "mathcoder_outputs").glob("*.gz")):
        with gzip.open(path, "rt") as stream:
            (folder / path.name.removesuffix(".gz")).write_text("".join(itertools.islice(stream, 0, None, step)))
    return folder


def check_bars(output: str) -> None:
    """The bars hold whether the message of an exception counts or not."""
    totals: dict[str, list[int]] = {}
    for line in output.splitlines():
        if found := re.search(r"(\d+) blocks, (\d+) \([^)]*\) the same; (\d+) \([^)]*\) when the message", line):
            counts = totals.setdefault(line.split("__")[1], [0, 0, 0])
            for at, number in enumerate(found.groups()):
                counts[at] += int(number)
    assert totals.keys() == LEAST.keys()
    for group, (blocks, same, by_message) in totals.items():
        assert blocks >= same >= by_message >= LEAST[group] * blocks, (group, blocks, same, by_message)


REWORDED = [
    ("SyntaxError", "invalid syntax", "expected ':'"),
    ("SyntaxError", "cannot assign to operator", "cannot assign to expression here. Maybe you meant '==' instead of '='?"),
    ("IndentationError", "expected an indented block", "expected an indented block after 'if' statement on line 30"),
    ("TypeError", "cannot determine truth value of Relational", "cannot determine truth value of Relational: y > x"),
    ("TypeError", "can't mod complex numbers.", "unsupported operand type(s) for %: 'complex' and 'int'"),
    ("ImportError", "cannot import name 'a' from 'b' (/x/3.9/b.py)", "cannot import name 'a' from 'b' (/y/lib/3.11/b.py)"),
    ("NameError", "name 'xx' is not defined", "name 'xx' is not defined. Did you mean: 'x'?"),
]
OTHER_MESSAGES = [
    ("NameError", "name 'x' is not defined", "name 'y' is not defined"),
    ("TypeError", "can't mod complex numbers.", "unsupported operand type(s) for //: 'complex' and 'int'"),
    ("TypeError", "invalid syntax", "expected ':'"),
    ("ValueError", "not enough values to unpack", "not enough values to unpacking a list"),
    ("ImportError", "cannot import name 'a' from 'b' (/x/b.py)", "cannot import name 'a' from 'c' (/x/c.py)"),
]


def test_messages_that_later_versions_reworded_are_known_and_others_not():
    assert [each for each in REWORDED if not known_rewording(*each)] == []
    assert [each for each in OTHER_MESSAGES if known_rewording(*each)] == []


def test_a_sample_of_the_published_outputs_comes_out_the_same(shared_data, tmp_path, capsys):
    differences = tmp_path / "differences.jsonl"
    folder = sample_of(shared_data, tmp_path, 25)
    assert cli.main(["replay", str(folder), "--differences", str(differences), "--workers", "2"]) == 0
    output = capsys.readouterr().out
    assert output.startswith("sandbox: rlimits")
    found = [json.loads(line) for line in differences.read_text().splitlines()]
    assert all(each["cause"] != replay.SAME for each in found)
    assert len([each for each in found if each["cause"] != replay.KNOWN]) <= 5


@pytest.mark.slow
def test_the_published_outputs_come_out_the_same(shared_data, capsys):
    """12,000 blocks of five groups: 99.8 % of all but MATH, whose floats and sympy's forms moved between versions."""
    assert cli.main(["replay", str(shared_data / "mathcoder_outputs"), "--least", "0.985"]) == 0
    check_bars(capsys.readouterr().out)


def test_too_few_equal_blocks_are_a_failure(tmp_path, capsys):
    path = tmp_path / "wrong.jsonl"
    path.write_text(json.dumps(trajectory(("1", "1"), ("2", "3"))) + "\n")
    assert cli.main(["replay", str(path), "--least", "0.9", "--workers", "1"]) == 1
    assert "1 (50.00%) to the letter\n  1 another output" in capsys.readouterr().out


def test_a_file_without_trajectories_is_no_success(tmp_path, capsys):
    path = tmp_path / "other.jsonl"
    path.write_text('{"text": "no blocks"}\nhalf a row\n{"messages": [{"role": "code", "content": 1}]}\n')
    assert cli.main(["replay", str(path), "--workers", "1"]) == 2
    said = capsys.readouterr()
    first = "neither debug_result nor messages is a list of blocks with content"
    assert f"3 rows are no trajectories, the first {path}:1: {first}" in said.out
    assert "no block of code with its output in it; name recorded trajectories" in said.err
