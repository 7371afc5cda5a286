"""A dataset that a tiny model can learn a little of: documents that count upwards."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

END_OF_DOCUMENT = 0


def write_dataset(prefix: Path, documents: int, vocab_size: int = 512, seed: int = 0) -> list[NDArray[np.int64]]:
    """Write ``prefix.bin/.idx`` by megatron-core's own writer; return the documents' ids, each ended by ``END_OF_DOCUMENT``."""
    import torch
    from megatron.core.datasets.indexed_dataset import IndexedDatasetBuilder

    random = np.random.default_rng(seed)
    written = []
    for _ in range(documents):
        length, start = random.integers(20, 300), random.integers(0, vocab_size)
        ids = 1 + (start + np.arange(length)) % (vocab_size - 1)
        written.append(np.append(ids, END_OF_DOCUMENT))
    builder = IndexedDatasetBuilder(f"{prefix}.bin", dtype=np.uint16)
    for ids in written:
        builder.add_document(torch.from_numpy(ids), [len(ids)])
    builder.finalize(f"{prefix}.idx")
    return written
