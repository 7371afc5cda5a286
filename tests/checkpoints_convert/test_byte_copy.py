"""Bytes arrive whole, whatever the blocks they are stored in and the places they go to."""

import os
import random
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import xxhash

from checkpoints_convert import byte_copy
from checkpoints_convert.byte_copy import OpenFiles, carry, digest_gathered, digest_range
from checkpoints_convert.copy_plan import Copy
from checkpoints_convert.nonfinite import FiniteCheck
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
        digest = carry([there], files, to_hf=False)
    rows = [source.read_bytes()[17 + row * 120 : 17 + (row + 1) * 120] for row in range(100)]
    column = 0
    for path, width in zip(blocks, widths, strict=True):
        assert path.read_bytes()[11:] == b"".join(row[column : column + width] for row in rows)
        column += width
    with OpenFiles([back]) as files:
        assert carry([Copy(back, 3, 100, parts)], files, to_hf=True) == digest
    assert back.read_bytes()[3:] == source.read_bytes()[17 : 17 + 12_000]
    expected = xxhash.xxh3_128_hexdigest(source.read_bytes()[17 : 17 + 12_000])
    assert digest_range(source, 17, 12_000) == digest_gathered([there]) == digest == expected


def test_the_digest_is_of_every_byte_once_where_ranks_store_the_same_tensor(tmp_path):
    source = make(tmp_path / "hf", 17 + 12_000, seed=1)
    ranks = [make(tmp_path / f"rank{number}", 12_000) for number in range(2)]
    first = [Copy(source, 17, 40, ((ranks[0], 0, 120),)), Copy(source, 17 + 4_800, 60, ((ranks[0], 4_800, 120),))]
    second = [Copy(source, 17, 70, ((ranks[1], 0, 120),)), Copy(source, 17 + 8_400, 30, ((ranks[1], 8_400, 120),))]
    with OpenFiles(ranks) as files:
        digest = carry([*first, *second], files, to_hf=False)
    assert ranks[0].read_bytes() == ranks[1].read_bytes() == source.read_bytes()[17:]
    assert digest == digest_range(source, 17, 12_000)


@pytest.mark.parametrize("item", ["BF16", "F32"])
@pytest.mark.parametrize("start", [16, 17])
def test_nan_is_found_wherever_pieces_end(item, start, tmp_path):
    """The writes end on multiples of the buffer's size, which at an odd offset cuts through elements."""
    nan = {"BF16": b"\xc0\x7f", "F32": b"\x00\x00\xc0\x7f"}[item]
    block = make(tmp_path / "block", start + 12_000)
    for element in (0, 1000 // len(nan) - 1, 1000 // len(nan), 12_000 // len(nan) - 1):
        content = bytearray(12_000)
        content[element * len(nan) : (element + 1) * len(nan)] = nan
        (tmp_path / "hf").write_bytes(content)
        copies = [Copy(tmp_path / "hf", 0, 100, ((block, start, 120),))]
        with OpenFiles([block]) as files, pytest.raises(CheckpointError, match=f"^weight: element {element} is NaN"):
            carry(copies, files, to_hf=False, check=FiniteCheck("weight", item))


@pytest.mark.parametrize("widths", [(120,), (60, 60)])
def test_a_source_that_ends_early_is_noticed(widths, tmp_path):
    source = make(tmp_path / "hf", 50 * 120, seed=1)
    blocks = [make(tmp_path / f"block{number}", 100 * width) for number, width in enumerate(widths)]
    parts = tuple((path, 0, width) for path, width in zip(blocks, widths, strict=True))
    with OpenFiles(blocks) as files, pytest.raises(CheckpointError, match=r"ended \d+ bytes early; it is cut or was changed"):
        carry([Copy(source, 0, 100, parts)], files, to_hf=False)


def test_threads_share_one_descriptor_of_a_file(tmp_path, monkeypatch):
    source, opened, real = make(tmp_path / "source", 100), [], os.open

    def slow_open(path, flags):
        time.sleep(0.05)
        opened.append(real(path, flags))
        return opened[-1]

    monkeypatch.setattr(os, "open", slow_open)
    with OpenFiles() as files, ThreadPoolExecutor(4) as threads:
        assert {*threads.map(files.descriptor, [source] * 4)} == {*opened}
    assert len(opened) == 1


def test_sources_are_opened_for_reading_only(tmp_path):
    source = make(tmp_path / "hf", 10, seed=1)
    with OpenFiles() as files, pytest.raises(OSError, match="Bad file descriptor"):
        os.write(files.descriptor(source), b"x")
