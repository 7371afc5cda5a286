"""``mathcoder replay``: recorded trajectories, run again block by block and compared with what was recorded.

Decides: what counts as the same output (text without terminal colours and outer blanks; of two exceptions the type, and the
message by three readings that are all reported: any, in words that later versions use (``rewordings.py``), to the letter), and
which cause a difference is put down to. Trajectories with a recorded timeout are set aside: after one, their record is out
of step.
Does not: judge answers. It is the acceptance test of the sandbox on a machine, on MathCoder's published outputs.

Rows: ``debug_result`` (or ``messages``), a list of blocks ``{"role" or "type": "code" | "execution" | …, "content": text}``.
"""

import argparse
import itertools
import re
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from data_tools.answers.compare import LENIENT, compare
from data_tools.arguments import add_inputs, add_workers, fraction
from data_tools.inputs import find_files
from data_tools.parts import atomic_file
from data_tools.progress import Progress
from data_tools.rows import Row, RowReader
from data_tools.sandbox.arguments import add_floor, add_timeout
from data_tools.sandbox.outcome import Limits, Outcome
from data_tools.sandbox.rewordings import known_rewording
from data_tools.sandbox.sandbox import Sandbox
from data_tools.stage import scan_inputs
from megatron_mathcoder.config.errors import DataError

COLOURS = re.compile(r"\x1b\[[0-9;]*m")
ADDRESS = re.compile(r"0x[0-9a-f]+")
NUMBER = re.compile(r"-?\d+\.\d+(?:e[+-]?\d+)?")
EMPTY = "<empty_execution>"
TIMEOUT = re.compile(r"^-*\s*Timeout waiting for reply|^TimeoutError|^timed out", re.M)
EXCEPTION = re.compile(r"^\s?((?:\w+\.)*[A-Z]\w*)(?:: .*)?$", re.M)
SAME = "same"
KNOWN = "the same exception, reworded by a later version"
REWORDED = "the same exception in other words"


@dataclass(frozen=True, slots=True)
class Block:
    """A block that was run again. ``cause`` is ``same`` or why it differs."""

    place: str
    number: int
    cause: str
    code: str
    recorded: str
    found: str


def blocks_of(row: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the code blocks of a row, each with its recorded output."""
    pairs = []
    for block, following in itertools.pairwise(_listed(row)):
        kinds = [each.get("role") or each.get("type") for each in (block, following)]
        if kinds == ["code", "execution"]:
            pairs.append((block["content"], following["content"]))
    return pairs


def _listed(row: dict[str, Any]) -> Any:
    return row.get("debug_result") or row.get("messages")


def plain(text: str) -> str:
    """Return a recorded output as text alone."""
    text = COLOURS.sub("", text).replace("\r\n", "\n").strip()
    return "" if text == EMPTY else text


def difference(recorded: str, outcome: Outcome) -> str:
    """Return ``same``, or the cause of the difference between a recorded output and what came out now."""
    recorded, found = plain(recorded), outcome.output.strip()
    failed = "Traceback (most" in recorded or "Cell In[" in recorded
    if outcome.status not in ("ok", "exception"):
        return f"over a limit here: {outcome.status}"
    if outcome.status == "exception":
        return _cause_of_exception(recorded, outcome.error) if failed else "an exception here, a value recorded"
    if failed:
        return "a value here, an exception recorded"
    if recorded == found:
        return SAME
    return _textual_cause(recorded, found, outcome.stderr)


def _cause_of_exception(recorded: str, error: str) -> str:
    """Compare what a recorded traceback ends with; its other lines hold paths and the interpreter's own code."""
    kind, colon, message = error.partition(": ")
    kind = kind.rpartition(".")[2]
    flat = " ".join(recorded.split())
    if flat.endswith(f" {kind}{colon}{' '.join(message.split())}"):
        return SAME
    _, was_named, was = flat.rpartition(f"{kind}: ")
    if was_named and known_rewording(kind, was, message):
        return KNOWN
    named = [found.rpartition(".")[2] for found in EXCEPTION.findall(recorded)]
    return REWORDED if kind in named else "another exception"


def _textual_cause(recorded: str, found: str, stderr: str) -> str:
    if "Warning: " in recorded and "Warning: " in stderr:
        return "a warning, with its file's name"
    if ADDRESS.sub("0x", recorded) == ADDRESS.sub("0x", found):
        return "an object's address"
    if recorded.split() == found.split():
        return "line breaks"
    if sorted(recorded) == sorted(found):
        return "the order of terms or elements"
    if NUMBER.sub("#", recorded) == NUMBER.sub("#", found):
        return "digits of a decimal"
    if compare(recorded, found, LENIENT).status == "right":
        return "the same value in another form"
    return "another output"


def replay(sandbox: Sandbox, place: str, row: dict[str, Any]) -> list[Block] | None:
    """Run a row's blocks in a session of their own; None when a timeout was recorded.

    A block that ends the session leaves those after it without a namespace; they are counted as lost to it.
    """
    pairs = blocks_of(row)
    if any(TIMEOUT.search(plain(recorded)) for _, recorded in pairs):
        return None
    done: list[Block] = []
    with sandbox.session() as session:
        for number, (code, recorded) in enumerate(pairs, start=1):
            if not session.alive:
                done.append(Block(place, number, "after a block over a limit", code, recorded, ""))
                continue
            outcome = session.run(code)
            found = outcome.output.strip() or outcome.error
            done.append(Block(place, number, difference(recorded, outcome), code, recorded, found))
    return done


def _same(blocks: Sequence[Block], *causes: str) -> int:
    return sum(block.cause in (SAME, *causes) for block in blocks)


def _rows(path: str) -> tuple[list[tuple[str, dict[str, Any]]], list[str]]:
    """Return the place and the value of each trajectory, and for every other row its place and what is wrong with it."""
    found, unusable = [], []
    for piece in scan_inputs([path], 1)[0].slices:
        for row in RowReader(piece):
            place = f"{path}:{row.line}"
            if not isinstance(row, Row):
                unusable.append(f"{place}: {row.reason}")
            elif not _is_trajectory(row.value):
                unusable.append(f"{place}: neither debug_result nor messages is a list of blocks with content")
            else:
                found.append((place, row.value))
    return found, unusable


def _is_trajectory(row: dict[str, Any]) -> bool:
    listed = _listed(row)
    return isinstance(listed, list) and all(isinstance(each, dict) and isinstance(each.get("content"), str) for each in listed)


def run(argv: list[str]) -> int:
    """Run the verb. Exit status: 0 when enough blocks came out the same, 1 when not."""
    parser = argparse.ArgumentParser(
        prog="mathcoder replay", description="Run recorded trajectories again and compare each block's output with the record."
    )
    add_inputs(parser, "JSONL files (.gz, .zst) of trajectories, or folders of them")
    parser.add_argument("--differences", type=Path, metavar="FILE", help="JSONL file to write each difference to, with its cause")
    parser.add_argument("--least", type=fraction, default=0.0, metavar="F", help="share of the blocks that must be the same")
    add_timeout(parser)
    add_workers(parser)
    add_floor(parser)
    options = parser.parse_args(argv)
    enough = True
    different: list[Block] = []
    paths = find_files(options.inputs)
    with Sandbox(Limits(cpu_seconds=options.timeout_seconds), workers=options.workers, floor=options.sandbox_floor) as sandbox:
        print(sandbox.describe())
        for path in paths:
            blocks = _replay_file(sandbox, path)
            if not blocks:
                raise DataError(f"{path}: no block of code with its output in it; name recorded trajectories")
            different += [block for block in blocks if block.cause != SAME]
            share = _same(blocks, KNOWN, REWORDED) / max(len(blocks), 1)
            enough = enough and share >= options.least
    if options.differences:
        with atomic_file(options.differences) as stream:
            for block in different:
                stream.write(orjson.dumps(block, option=orjson.OPT_APPEND_NEWLINE))
    return 0 if enough else 1


def _share(blocks: Sequence[Block], *causes: str) -> str:
    count = _same(blocks, *causes)
    return f"{count} ({count / max(len(blocks), 1):.2%})"


def _replay_file(sandbox: Sandbox, path: str) -> list[Block]:
    rows, unusable = _rows(path)
    if unusable:
        print(f"{len(unusable)} rows are no trajectories, the first {unusable[0]}")
    replayed: list[list[Block] | None] = []
    size = Path(path).stat().st_size
    with Progress(f"replay {Path(path).name}", size, "trajectories") as progress, ThreadPoolExecutor(sandbox.workers) as threads:
        for each in threads.map(lambda item: replay(sandbox, *item), rows):
            replayed.append(each)
            progress.show(size * len(replayed) // len(rows), len(replayed))
    aside = sum(each is None for each in replayed)
    blocks = [block for each in replayed if each is not None for block in each]
    causes = Counter(block.cause for block in blocks if block.cause != SAME)
    print(
        f"{Path(path).name}: {len(replayed)} trajectories ({aside} with a recorded timeout set aside), {len(blocks)} blocks, "
        f"{_share(blocks, KNOWN, REWORDED)} the same; {_share(blocks, KNOWN)} when the message of an exception counts, "
        f"{_share(blocks)} to the letter"
    )
    for cause, count in causes.most_common():
        print(f"  {count} {cause}")
    return blocks
