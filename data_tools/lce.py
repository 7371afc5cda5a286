"""MathCoder's LCE format: a conversation as roles and blocks of text, code and execution, and as one row of special tokens.

Decides: the order of tokens (role, then for each block its type, its content and the end of the block, then the end of the
message), and which of them a model is trained to write: what an assistant says and codes, the types of those blocks and the ends
of them, and the end of the message. Not: prompts, role names, and what the execution of code printed.
Does not: encode (``tokens/tokenizer.py``), or run code (``sandbox/``).

A row is what MathCodeInstruct has: ``messages``, each with a ``role`` and a ``content`` that is a list of blocks with ``type``
and ``content``, or a string for one block of text.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from megatron_mathcoder.config.lce_tokens import BLOCKS, END_OF_BLOCK, END_OF_MESSAGE, ROLES

EXECUTED = "execution"
_TOKENS = re.compile("(" + "|".join(map(re.escape, (*ROLES.values(), *BLOCKS.values(), END_OF_BLOCK, END_OF_MESSAGE))) + ")")


class Block(NamedTuple):
    """A piece of a message; ``type`` is ``text``, ``code`` or ``execution``."""

    type: str
    content: str


class Message(NamedTuple):
    """What one side says."""

    role: str
    blocks: tuple[Block, ...]


class Segment(NamedTuple):
    """A special token, or text between two of them, and whether the model is trained to write it."""

    content: str
    special: bool
    counts: bool


class FormatError(ValueError):
    """Something that is no conversation in the LCE format; the text says why."""


def read_messages(row: Any) -> tuple[Message, ...]:
    """Return the conversation in a row's ``messages``. Raises FormatError."""
    if not isinstance(row, Sequence) or isinstance(row, str) or not row:
        raise FormatError("messages is not a list of messages")
    messages = tuple(_message(entry) for entry in row)
    if not any(message.role == "assistant" for message in messages):
        raise FormatError("no assistant message, so there is nothing to learn")
    return messages


def _message(entry: Any) -> Message:
    role, content = (entry.get("role"), entry.get("content")) if isinstance(entry, dict) else (None, None)
    if role not in ROLES:
        raise FormatError(f"role {role!r} is none of {', '.join(ROLES)}")
    blocks = [{"type": "text", "content": content}] if isinstance(content, str) else content
    if not isinstance(blocks, Sequence):
        raise FormatError(f"the content of a {role} message is neither text nor a list of blocks")
    return Message(role, tuple(_block(block, role) for block in blocks))


def _block(entry: Any, role: str) -> Block:
    kind, content = (entry.get("type"), entry.get("content")) if isinstance(entry, dict) else (None, None)
    if kind not in BLOCKS or not isinstance(content, str):
        raise FormatError(f"a block of a {role} message has type {kind!r}, or no text; types are {', '.join(BLOCKS)}")
    if found := _TOKENS.search(content):
        raise FormatError(f"a block holds {found[0]!r} as text")
    return Block(kind, content)


def segments(messages: Iterable[Message], *, open_end: bool = False) -> Iterator[Segment]:
    """Yield a conversation's tokens and texts in order.

    With ``open_end`` the last message, an assistant's, is not ended: it is where a model goes on.
    """
    messages = list(messages)
    for number, message in enumerate(messages):
        learned = message.role == "assistant"
        yield Segment(ROLES[message.role], special=True, counts=False)
        for block in message.blocks:
            counts = learned and block.type != EXECUTED
            yield Segment(BLOCKS[block.type], special=True, counts=counts)
            yield Segment(block.content, special=False, counts=counts)
            yield Segment(END_OF_BLOCK, special=True, counts=counts)
        if not (open_end and number == len(messages) - 1):
            yield Segment(END_OF_MESSAGE, special=True, counts=learned)


def to_text(messages: Iterable[Message], *, open_end: bool = False) -> str:
    """Return a conversation as text with its special tokens spelled out, as a server takes a prompt."""
    return "".join(segment.content for segment in segments(messages, open_end=open_end))


def parse(text: str) -> tuple[Message, ...]:
    """Return the conversation that ``to_text`` wrote; what comes before the first role (BOS) is left out. Raises FormatError."""
    messages: list[Message] = []
    kinds = {token: kind for kind, token in BLOCKS.items()}
    roles = {token: role for role, token in ROLES.items()}
    kind, is_open = "", False
    _, *pieces = _TOKENS.split(text)
    for token, content in zip(pieces[::2], pieces[1::2], strict=True):
        if token in roles and not is_open:
            messages.append(Message(roles[token], ()))
            is_open = True
        elif token in kinds and is_open and not kind:
            kind = kinds[token]
            messages[-1] = messages[-1]._replace(blocks=(*messages[-1].blocks, Block(kind, content)))
        elif token == END_OF_BLOCK and kind:
            kind = ""
        elif token == END_OF_MESSAGE and is_open and not kind:
            is_open = False
        else:
            raise FormatError(f"{token} comes where it cannot")
    return tuple(messages)
