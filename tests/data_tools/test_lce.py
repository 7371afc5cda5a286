"""Conversations in the LCE format, from MathCoder's own recorded trajectories and made up."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from data_tools.lce import Block, FormatError, Message, parse, read_messages, segments, to_text

CONVERSATION = [
    {"role": "user", "content": [{"type": "text", "content": "What is 2 + 2?"}]},
    {
        "role": "assistant",
        "content": [
            {"type": "text", "content": "I add."},
            {"type": "code", "content": "print(2 + 2)"},
            {"type": "execution", "content": "4\n"},
            {"type": "text", "content": "4"},
        ],
    },
]


def recorded(shared_data: Path) -> list[list[dict[str, Any]]]:
    """Real trajectories as conversations: the recorded blocks carry their type in ``role``."""
    found = []
    for path in sorted((shared_data / "mathcoder_outputs").glob("*GSM8K*.gz")):
        for line in gzip.decompress(path.read_bytes()).splitlines():
            row = json.loads(line)
            blocks = [
                {"type": block["role"], "content": block["content"]}
                for block in row["debug_result"]
                if block["role"] in ("text", "code", "execution")
            ]
            found.append([*row["messages"], {"role": "assistant", "content": blocks}])
    return found


def test_recorded_trajectories_come_back_from_their_tokens(shared_data: Path) -> None:
    conversations = [read_messages(row) for row in recorded(shared_data)]
    assert len(conversations) > 1000
    for conversation in conversations:
        assert parse("<s>" + to_text(conversation)) == conversation


def test_what_counts_is_what_the_assistant_writes() -> None:
    counted = [segment.content for segment in segments(read_messages(CONVERSATION)) if segment.counts]
    end = "<|endofblock|>"
    assert counted == ["<|text|>", "I add.", end, "<|code|>", "print(2 + 2)", end, "<|text|>", "4", end, "<|endofmessage|>"]


def test_an_open_end_is_where_a_model_goes_on() -> None:
    question, _ = read_messages(CONVERSATION)
    prompt = to_text([question, Message("assistant", (Block("text", "I"),))], open_end=True)
    assert prompt.endswith("<|endofmessage|><|assistant|><|text|>I<|endofblock|>")
    assert prompt.startswith("<|user|><|text|>What is 2 + 2?<|endofblock|>")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (None, "messages is not a list of messages"),
        ([], "messages is not a list of messages"),
        (CONVERSATION[:1], "no assistant message, so there is nothing to learn"),
        ([{"role": "robot", "content": "x"}], "role 'robot' is none of system, user, assistant"),
        ([{"role": "user", "content": 3}], "the content of a user message is neither text nor a list of blocks"),
        ([{"role": "user", "content": [{"type": "image", "content": "x"}]}], "type 'image', or no text; types are text, code"),
        ([{"role": "user", "content": "ends <|endofmessage|> early"}], "a block holds '<|endofmessage|>' as text"),
    ],
)
def test_what_is_no_conversation_is_named(row: Any, message: str) -> None:
    with pytest.raises(FormatError) as error:
        read_messages(row)
    assert message in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        "<|text|>a<|endofblock|>",
        "<|user|><|text|>a<|code|>b",
        "<|user|><|endofblock|>",
        "<|user|><|user|>",
        "<|user|><|text|><|endofmessage|>",
    ],
)
def test_tokens_in_a_wrong_place_are_refused(text: str) -> None:
    with pytest.raises(FormatError, match="comes where it cannot"):
        parse(text)
