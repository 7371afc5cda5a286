import struct
from pathlib import Path

import numpy as np
import pytest

from data_tools import parts
from data_tools.tokens.indexed_writer import dtype_name, idx_bytes, merge_idx


@pytest.mark.parametrize(("vocab_size", "name"), [(300, "uint16"), (65_499, "uint16"), (65_500, "int32"), (131_072, "int32")])
def test_type_is_megatrons(vocab_size: int, name: str) -> None:
    from megatron.core.datasets.indexed_dataset import DType

    assert dtype_name(vocab_size) == name == DType.optimal_dtype(vocab_size).__name__


@pytest.mark.parametrize("dtype", ["uint16", "int32"])
def test_layout_across_blocks_and_slices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: str) -> None:
    monkeypatch.setattr(parts, "COPY_BYTES", 16)
    monkeypatch.setattr("data_tools.tokens.indexed_writer.COPY_BYTES", 24)
    lengths = np.random.default_rng(0).integers(1, 1000, 57).astype("<i4")
    slices = [tmp_path / name for name in "abc"]
    for path, piece in zip(slices, np.split(lengths, [20, 20]), strict=True):
        path.write_bytes(piece.tobytes())
    merge_idx(tmp_path / "x.idx", slices, 57, dtype)
    raw = (tmp_path / "x.idx").read_bytes()
    itemsize = np.dtype(dtype).itemsize
    assert len(raw) == idx_bytes(57)
    assert raw[:34] == b"MMIDIDX\0\0" + struct.pack("<QBQQ", 1, {"uint16": 8, "int32": 4}[dtype], 57, 58)
    np.testing.assert_array_equal(np.frombuffer(raw, "<i4", 57, 34), lengths)
    offsets = np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)[:-1])) * itemsize
    np.testing.assert_array_equal(np.frombuffer(raw, "<i8", 57, 34 + 4 * 57), offsets)
    np.testing.assert_array_equal(np.frombuffer(raw, "<i8", 58, 34 + 12 * 57), np.arange(58))
