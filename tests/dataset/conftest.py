"""Two datasets of counted tokens, so that a test can say which token it saw."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

DOCUMENTS = 40
DOCUMENT_LENGTH = 25
TOKENS = DOCUMENTS * DOCUMENT_LENGTH


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    """Return a function that writes ``documents`` of equal length holding ids first, first + 1, … and returns its prefix."""

    def write_counted(name: str, first: int = 0, documents: int = DOCUMENTS, length: int = DOCUMENT_LENGTH) -> str:
        import torch
        from megatron.core.datasets.indexed_dataset import IndexedDatasetBuilder

        prefix = str(tmp_path / name)
        builder = IndexedDatasetBuilder(f"{prefix}.bin", dtype=np.int32)
        for number in range(documents):
            ids = torch.arange(first + number * length, first + (number + 1) * length)
            builder.add_document(ids, [length])
        builder.finalize(f"{prefix}.idx")
        return prefix

    return write_counted
