"""``mathcoder run-code``: one Python file in the sandbox, one JSON object on standard output.

Decides: the object's fields and the exit status: 0 when the code ran to its end, 1 when it did not (an exception, a limit, a
crash), 2 when it could not be run at all.
Does not: give the file arguments, input or network; it runs as if in an empty folder.
"""

import argparse
import io
import sys
import tokenize
from dataclasses import asdict
from pathlib import Path

import orjson

from data_tools.sandbox.arguments import add_floor, add_timeout
from data_tools.sandbox.channel import MAX_MESSAGE_BYTES
from data_tools.sandbox.outcome import Limits
from data_tools.sandbox.sandbox import Sandbox
from megatron_mathcoder.config.errors import DataError

FIELDS = ("status", "stdout", "stderr", "error", "exit_signal", "cpu_seconds", "wall_seconds", "max_rss_bytes")
SETUP_FAILED = 2


def read_source(path: Path) -> str:
    """Return the text of a Python file, decoded as the interpreter would. Raises DataError for what is no text."""
    if not path.exists():
        raise DataError(f"{str(path)!r} does not exist; name a Python file")
    if not path.is_file():
        raise DataError(f"{str(path)!r} is no file; name a Python file")
    data = path.read_bytes()
    if len(data) > MAX_MESSAGE_BYTES // 8:
        raise DataError(f"{str(path)!r} has {len(data)} bytes, and at most {MAX_MESSAGE_BYTES // 8} can be run; is it a program?")
    if b"\0" in data:
        raise DataError(f"{str(path)!r} is no Python source: it holds a NUL byte; name a text file")
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        return data.decode(encoding)
    except (SyntaxError, UnicodeDecodeError) as error:
        raise DataError(f"{str(path)!r} is no Python source: {error}; save it as UTF-8") from None


def run(argv: list[str]) -> int:
    """Run the verb. Raises DataError for a file that cannot be read and PlatformError for a machine without the walls."""
    parser = argparse.ArgumentParser(
        prog="mathcoder run-code",
        description="Run one Python file in the sandbox and print one JSON object. Exit status: 0 it ran to its end, "
        "1 it did not (see the object's status), 2 it could not be run.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the Python file")
    add_timeout(parser)
    add_floor(parser)
    options = parser.parse_args(argv)
    source = read_source(options.file)
    limits = Limits(cpu_seconds=options.timeout_seconds)
    with Sandbox(limits, workers=1, floor=options.sandbox_floor) as sandbox:
        print(sandbox.describe(), file=sys.stderr)
        outcome = sandbox.run(source, name=options.file.name)
    fields = asdict(outcome)
    sys.stdout.buffer.write(orjson.dumps({"file": str(options.file)} | {name: fields[name] for name in FIELDS}) + b"\n")
    if outcome.status == "setup-failed":
        return SETUP_FAILED
    return 0 if outcome.status == "ok" else 1
