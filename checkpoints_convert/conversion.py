"""Run a plan: make the target files, carry every copy, digest every tensor.

Decides: the order of work, what is shown meanwhile, and when bytes are safe. Does not: decide what goes where
(``copy_plan``) or how a copy is made (``byte_copy``).
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Self

from tqdm import tqdm

from checkpoints_convert.byte_copy import Digester, OpenFiles, carry
from checkpoints_convert.copy_plan import Plan
from checkpoints_convert.safetensors_stream import SafetensorsFile
from checkpoints_convert.stored_tensor import StoredTensor


class TargetFile(NamedTuple):
    """A file to write: its length, and its bytes that are not tensor data as (offset, bytes)."""

    path: Path
    file_bytes: int
    frames: list[tuple[int, bytes]]

    @classmethod
    def of_safetensors(cls, shard: SafetensorsFile) -> Self:
        """The header is the only frame."""
        path = next(iter(shard.tensors.values())).blocks[0].path
        return cls(path, shard.file_bytes, [(0, shard.header)])


def write_tensors(plan: Plan, hf: Mapping[str, StoredTensor], targets: Sequence[TargetFile], *, to_hf: bool) -> dict[str, str]:
    """Write the target files whole. Returns the digest of every Hugging Face tensor's bytes.

    The digests are taken on the Hugging Face side: of the source on import, of what was written on export.
    """
    for target in targets:
        with target.path.open("wb") as file:
            file.truncate(target.file_bytes)
            for offset, content in target.frames:
                file.seek(offset)
                file.write(content)
    digester = Digester()
    total = sum(tensor.rows * tensor.row_bytes for tensor in hf.values())
    with (
        OpenFiles([target.path for target in targets]) as files,
        tqdm(total=total, unit="B", unit_scale=True, disable=None, leave=False) as bar,
    ):
        for name, copies in plan.items():
            for copy in copies:
                carry(copy, files, to_hf=to_hf)
            (block,) = hf[name].blocks
            size = block.rows * block.width
            digester.add(name, block.path, block.offset, size)
            bar.update(size)
        for target in targets:
            os.fsync(files.descriptor(target.path))
    return digester.finish()
