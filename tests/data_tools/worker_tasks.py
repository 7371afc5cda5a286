"""Tasks for the tests of the pool, in a module that a worker imports at once."""

import ctypes
import os
import signal
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data_tools.document import Document, Dropped
from data_tools.in_hand import SetAside, in_hand
from data_tools.manifest import Record
from data_tools.pool import Report
from data_tools.sources.whole_files import SourceFile
from data_tools.tokens import tokenize_slice
from data_tools.tokens.tokenize_slice import TokenizeTask
from megatron_mathcoder.config.errors import DataError


def square(number: int, report: Report) -> int:
    report(number, 1)
    return number * number


def die_once(marker: str, report: Report) -> int:
    """Kill the own process the first time, as the kernel does when memory runs out."""
    if marker and not Path(marker).exists():
        Path(marker).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


def die(number: int, report: Report) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number


def read_all(names: list[str], report: Report) -> list[str]:
    """A task of several documents, of which some end the process in the ways that native code does."""
    kept = []
    for name in names:
        try:
            with in_hand(name):
                ENDINGS.get(name.split("-")[0], lambda: None)()
                kept.append(name)
        except SetAside as ending:
            kept.append(f"{name}: {ending}")
    return kept


ENDINGS = {
    "abort": os.abort,
    "segfault": lambda: ctypes.string_at(0),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "exit": lambda: os._exit(3),
}


def complain(number: int, report: Report) -> int:
    raise DataError(f"task {number} is wrong")


def sleep_for_ever(folder: str, report: Report) -> None:
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(600)


@dataclass(frozen=True, slots=True)
class CrashingReader:
    """Reads a file as text; one that holds the name of an ending ends the process, as a defect in a library's C code does."""

    max_bytes: int = 1000

    def read(self, file: SourceFile) -> Iterator[Document | Dropped]:
        text = Path(file.path).read_text()
        ENDINGS.get(text, lambda: None)()
        yield Document(file.path, text)


@dataclass(frozen=True, slots=True)
class CrashingFilter:
    """Keeps every document; a text that is the name of an ending ends the process."""

    settings: dict[str, Any] = field(default_factory=dict)

    def __call__(self, documents: Iterable[Document]) -> Iterator[Document]:
        for document in documents:
            ENDINGS.get(document.text, lambda: None)()
            yield document


def tokenize_crashing(task: TokenizeTask, report: Report) -> list[Record]:
    """Tokenize a slice with a library that ends the process on a text that is the name of an ending."""
    for target in task.targets:
        tokenizer: Any = tokenize_slice.process_tokenizer(target.tokenizer_path, target.eod_token)
        encode = tokenizer.encode_batch
        tokenizer.encode_batch = lambda texts, encode=encode: (
            [ENDINGS.get(text, lambda: None)() for text in texts] and encode(texts)
        )
    tokenize_slice._process_encoder = lambda path, eod_token: None  # type: ignore[assignment]
    return tokenize_slice.tokenize_slice(task, report)
