r"""The commands that a LaTeX source defines for itself: ``\newcommand{\R}{\mathbb{R}}``, ``\DeclareMathOperator``, ``\def``.

Decides: which definitions are read (with a default for the first argument, and with what ``#1`` stands for), how they are kept
in a document's metadata, and how a formula is written without them. Expansion is bounded: a command may call itself.
Does not: run TeX; conditionals, counters and ``\let`` are unknown.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MAX_EXPANSIONS = 1000
MAX_GROUP_CHARACTERS = 10_000
"""A longer group is one that was never closed."""

LINE_COMMENT = re.compile(r"(?<!\\)%[^\n]*\n?[ \t]*")
"""A comment, with the line break and the indent that TeX takes for its end."""

_DEFINITION = re.compile(
    r"\\(?P<kind>(?:re|provide)?newcommand|providecommand|renewcommand|DeclareMathOperator|DeclareRobustCommand|def)\s*\*?\s*"
    r"(?:\{\s*(?P<braced>\\[A-Za-z]+|\\.)\s*\}|(?P<bare>\\[A-Za-z]+|\\.))\s*"
)
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_COMMAND_NAME = re.compile(r"\\[A-Za-z]+|\\.", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Command:
    """A document's own command: number of arguments, its text with ``#1`` …, the first argument's default (None: has none)."""

    arguments: int
    text: str
    default: str | None = None


def defined_commands(source: str) -> dict[str, Command]:
    """Return the commands that a LaTeX source defines."""
    found: dict[str, Command] = {}
    text = LINE_COMMENT.sub("", source)
    for match in _DEFINITION.finditer(text):
        name = match["braced"] or match["bare"]
        position, count, default = match.end(), 0, None
        if match["kind"] == "def":
            arguments = re.compile(r"((?:#\d)*)\s*").match(text, position)
            count, position = (arguments[1].count("#"), arguments.end()) if arguments else (0, position)
        elif number := re.compile(r"\[(\d)\]\s*(?:\[([^\]]*)\])?\s*").match(text, position):
            count, default, position = int(number[1]), number[2], number.end()
        body, _ = group_at(text, position)
        if body is not None:
            text_of_command = rf"\mathrm{{{body}}}" if match["kind"] == "DeclareMathOperator" else body
            found[name] = Command(count, text_of_command, default)
    return found


def used_commands(text: str, commands: Mapping[str, Command]) -> dict[str, list[Any]]:
    """Return those of ``commands`` that a text uses, or that one of them uses, as JSON data: [arguments, text, default]."""
    used: dict[str, list[Any]] = {}
    open_texts = [text]
    while open_texts:
        names = set(_COMMAND_NAME.findall(open_texts.pop())) & commands.keys() - used.keys()
        for name in sorted(names):
            command = commands[name]
            used[name] = [command.arguments, command.text, command.default]
            open_texts.append(command.text)
    return used


def commands_from(data: object) -> dict[str, Command]:
    """Return the commands that ``used_commands`` wrote; of what else a row may have under that name, none."""
    found: dict[str, Command] = {}
    for name, fields in data.items() if isinstance(data, dict) else ():
        match fields:
            case [int(arguments), str(text), None | str() as default] if _COMMAND_NAME.fullmatch(name):
                found[name] = Command(arguments, text, default)
    return found


def group_at(text: str, position: int) -> tuple[str | None, int]:
    """Return what is in the braces that open at ``position`` and the position after them; None without any, or without end."""
    if position >= len(text) or text[position] != "{":
        return None, position
    depth = 0
    for match in _BRACE.finditer(text, position, position + MAX_GROUP_CHARACTERS):
        depth += (match[0] == "{") - (match[0] == "}")
        if depth == 0:
            return text[position + 1 : match.start()], match.end()
    return None, position


def expand(text: str, commands: Mapping[str, Command]) -> str:
    """Replace the document's own commands by what they stand for, a bounded number of times."""
    pattern = re.compile(
        "|".join(
            re.escape(name) + ("(?![A-Za-z])" if name[-1].isalpha() else "") for name in sorted(commands, key=len, reverse=True)
        )
    )
    position = 0
    for _ in range(MAX_EXPANSIONS):
        match = pattern.search(text, position)
        if match is None:
            break
        command = commands[match[0]]
        end = match.end()
        values: list[str] = []
        if command.default is not None:
            optional = re.compile(r"\s*\[([^\]]*)\]").match(text, end)
            values.append(optional[1] if optional else command.default)
            end = optional.end() if optional else end
        while len(values) < command.arguments:
            value, end = _argument_at(text, end)
            values.append(value)
        body = _filled(command.text, values)
        if match[0] in body:
            # It refers to the command that it redefines.
            position = match.start() + len(body)
        text = f"{text[: match.start()]}{{{body}}}{text[end:]}"
    return text


def _filled(text: str, values: list[str]) -> str:
    """Put the arguments in the place of ``#1`` …; a command in front of one stays apart from it."""

    def value(match: re.Match[str]) -> str:
        number = int(match[2])
        given = values[number - 1] if 0 < number <= len(values) else ""
        return f"{match[1]} {given}" if match[1] else given

    return re.sub(r"(\\[A-Za-z]+)?#(\d)", value, text)


def _argument_at(text: str, position: int) -> tuple[str, int]:
    match = re.compile(r"\s*").match(text, position)
    position = match.end() if match else position
    group, end = group_at(text, position)
    if group is not None:
        return group, end
    token = re.compile(r"\\[A-Za-z]+|\\.|.", re.DOTALL).match(text, position)
    return (token[0], token.end()) if token else ("", position)
