"""How a model writes code and reads what it printed: with Markdown fences, or in MathCoder's LCE blocks.

Decides: where generation stops, when a text ends in code that is to be run, how the output is put behind it, and what the blocks
of a finished text are.
Does not: run anything (``tool_use``).

Source of the LCE format: MathCoder (arXiv 2310.03731); its eight tokens are written as text here.
"""

import re
from dataclasses import dataclass

CLIPPED_CHARACTERS = 1000

_FENCED = re.compile(r"```(?:python|py)?[ \t]*\n(.*?)\n?```", re.S)
_OPEN_FENCE = re.compile(r"```(?:python|py)[ \t]*\n((?:(?!```).)*)\Z", re.S)


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a trajectory: ``text``, ``code`` or ``execution``. ``status`` is the sandbox's word for how the code ended."""

    kind: str
    content: str
    status: str = ""


def clipped(output: str, characters: int = CLIPPED_CHARACTERS) -> str:
    """Return the output with its middle taken out where it is longer than ``characters``."""
    output = output.rstrip("\n")
    if len(output) <= characters:
        return output
    head, tail = characters * 2 // 3, characters // 3
    return f"{output[:head]}\n… {len(output) - head - tail} characters …\n{output[-tail:]}"


class Fences:
    """Reasoning in plain text, code in ```` ```python ```` fences, its output in a ```` ```output ```` fence behind it."""

    stops = ("\n```\n", "```output")
    extra: dict[str, object] = {}  # noqa: RUF012

    def prompt(self, problem: str) -> str:
        """Return the problem as it is: shots and instructions are a protocol's business."""
        return problem

    def read(self, written: str, ended: bool) -> tuple[str, list[Block], bool]:
        """Take in what the model wrote in one round.

        Returns the text to keep (with the closing fence that was the stop string), its blocks, and whether its last block is
        code to run. ``ended``: the model stopped by itself or was cut off, so nothing follows a text without code.
        """
        found = _OPEN_FENCE.search(written)
        if found and found.group(1).strip() and not ended:
            return written.rstrip("\n") + "\n```\n", [*_text(written[: found.start()]), Block("code", found.group(1))], True
        closed = [match for match in _FENCED.finditer(written) if not written[match.end() :].strip()]
        if closed:
            return written.rstrip() + "\n", [*_text(written[: closed[-1].start()]), Block("code", closed[-1].group(1))], True
        return written, _text(written), False

    def execution(self, output: str) -> str:
        """Return what is put behind the code."""
        return f"```output\n{output}\n```\n"

    def goes_on(self, written: str, stopped: bool) -> bool:
        """Say whether a round without code is followed by another: never, the text is complete."""
        return False


END_OF_BLOCK, END_OF_MESSAGE = "<|endofblock|>", "<|endofmessage|>"


class Lce:
    """MathCoder's blocks: ``<|text|>…<|endofblock|>``, ``<|code|>…``, ``<|execution|>…``, ended by ``<|endofmessage|>``."""

    stops = (END_OF_BLOCK, END_OF_MESSAGE)
    extra: dict[str, object] = {"include_stop_str_in_output": True}  # noqa: RUF012

    def prompt(self, problem: str) -> str:
        """Return the problem as a user's message, and the beginning of the assistant's."""
        return f"<|user|><|text|>{problem}{END_OF_BLOCK}{END_OF_MESSAGE}<|assistant|>"

    def read(self, written: str, ended: bool) -> tuple[str, list[Block], bool]:
        """Take in one block; see ``Fences.read``."""
        body = written.removesuffix(END_OF_MESSAGE).removesuffix(END_OF_BLOCK)
        content = body.rpartition("<|code|>" if "<|code|>" in body else "<|text|>")[2]
        is_code = "<|code|>" in body
        # A server that takes the stop string off leaves code without its end; code is always a whole block.
        kept = written if written.endswith((END_OF_BLOCK, END_OF_MESSAGE)) else written + END_OF_BLOCK
        blocks = [Block("code" if is_code else "text", content)] if content.strip() else []
        return kept, blocks, is_code and bool(blocks)

    def execution(self, output: str) -> str:
        """Return the execution block."""
        return f"<|execution|>{output}{END_OF_BLOCK}"

    def goes_on(self, written: str, stopped: bool) -> bool:
        """Say whether another block follows: after the end of a block, not after the end of the message."""
        return stopped and bool(written) and not written.endswith(END_OF_MESSAGE)


ToolFormat = Fences | Lce
FORMATS: dict[str, type[ToolFormat]] = {"fences": Fences, "lce": Lce}


def _text(text: str) -> list[Block]:
    return [Block("text", text.strip("\n"))] if text.strip() else []
