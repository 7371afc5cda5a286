"""Bytes arrive whole, whatever the blocks they are stored in and the places they go to."""

import os
import random
from pathlib import Path

import pytest
import xxhash

from checkpoints_convert import byte_copy
from checkpoints_convert.byte_copy import OpenFiles, carry, digest_gathered, digest_range
from checkpoints_convert.copy_plan import Copy
from megatron_mathcoder.config.errors import CheckpointError


@pytest.fixture(autouse=True)
def small_buffers(monkeypatch):
    """Every copy takes several rounds."""
    monkeypatch.setattr(byte_copy, "BUFFER_BYTES", 1000)
    monkeypatch.setattr(byte_copy, "BAND_BYTES", 7000)


def make(path: Path, size: int, seed: int | None = None) -> Path:
    path.write_bytes(random.Random(seed).randbytes(size) if seed is not None else bytes(size))
    return path


@pytest.mark.parametrize("widths", [(120,), (60, 60), (8, 100, 12), (10,) * 12])
def test_there_and_back_is_the_same(widths, tmp_path):
    """100 rows of 120 bytes, stored in blocks of columns on the other side, at odd places in the files."""
    source = make(tmp_path / "hf", 17 + 100 * 120 + 5, seed=1)
    back = make(tmp_path / "back", 3 + 100 * 120)
    blocks = [make(tmp_path / f"block{number}", 11 + 100 * width) for number, width in enumerate(widths)]
    parts = tuple((path, 11, width) for path, width in zip(blocks, widths, strict=True))
    there = Copy(source, 17, 100, parts)
    with OpenFiles(blocks) as files:
        carry(there, files, to_hf=False)
    rows = [source.read_bytes()[17 + row * 120 : 17 + (row + 1) * 120] for row in range(100)]
    column = 0
    for path, width in zip(blocks, widths, strict=True):
        assert path.read_bytes()[11:] == b"".join(row[column : column + width] for row in rows)
        column += width
    with OpenFiles([back]) as files:
        carry(Copy(back, 3, 100, parts), files, to_hf=True)
    assert back.read_bytes()[3:] == source.read_bytes()[17 : 17 + 12_000]
    expected = xxhash.xxh3_128_hexdigest(source.read_bytes()[17 : 17 + 12_000])
    assert digest_range(source, 17, 12_000) == digest_gathered([there]) == expected


@pytest.mark.parametrize("widths", [(120,), (60, 60)])
def test_a_source_that_ends_early_is_noticed(widths, tmp_path):
    source = make(tmp_path / "hf", 50 * 120, seed=1)
    blocks = [make(tmp_path / f"block{number}", 100 * width) for number, width in enumerate(widths)]
    parts = tuple((path, 0, width) for path, width in zip(blocks, widths, strict=True))
    with OpenFiles(blocks) as files, pytest.raises(CheckpointError, match=r"ended \d+ bytes early; it is cut or was changed"):
        carry(Copy(source, 0, 100, parts), files, to_hf=False)


def test_sources_are_opened_for_reading_only(tmp_path):
    source = make(tmp_path / "hf", 10, seed=1)
    with OpenFiles() as files, pytest.raises(OSError, match="Bad file descriptor"):
        os.write(files.descriptor(source), b"x")
