"""What the data tools' tests share: a small trained tokenizer, and ways to run a verb."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from data_tools.tokens.train_tokenizer import train
from tests.repository import ROOT

RunVerb = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def sources() -> list[str]:
    """Texts of this repository's own modules: real code with newlines, indentation and a little mathematics.

    ASCII lines alone: each other character would need a piece of a tokenizer's 512.
    """
    texts = [path.read_text() for path in sorted((ROOT / "data_tools").rglob("*.py"))]
    return [ascii_lines for text in texts if (ascii_lines := "".join(filter(str.isascii, text.splitlines(True)))).strip()]


@pytest.fixture(scope="session")
def tokenizer_model(sources: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a SentencePiece model of 512 pieces."""
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.model"
    path.write_bytes(train((line for text in sources for line in text.split("\n") if line), 512))
    return path


@pytest.fixture
def run_verb(tmp_path: Path) -> RunVerb:
    """Run ``mathcoder VERB …`` in a process of its own, in ``tmp_path``."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command(*arguments), cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)

    return run


def command(*arguments: object) -> list[str]:
    """Return the command line of a verb."""
    return [sys.executable, "-m", "megatron_mathcoder", *map(str, arguments)]


def write_documents(path: Path, texts: Iterable[str]) -> Path:
    """Write a JSONL file of texts with ids ``d0``, ``d1`` …"""
    path.write_text("".join(json.dumps({"id": f"d{index}", "text": text}) + "\n" for index, text in enumerate(texts)))
    return path
