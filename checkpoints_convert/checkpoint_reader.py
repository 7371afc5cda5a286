"""A Megatron checkpoint of any format, found and read.

Decides: which format a folder is. Does not: know the formats (``torch_dist``, ``legacy``).
"""

from pathlib import Path

from checkpoints_convert.legacy import TRACKER, legacy_folder, read_legacy
from checkpoints_convert.llama_family import family_of
from checkpoints_convert.stored_tensor import StoredTensor
from checkpoints_convert.torch_dist import read_torch_dist
from megatron_mathcoder.config.checksums import damaged_files, read_checksums
from megatron_mathcoder.config.errors import CheckpointError
from megatron_mathcoder.config.run_folder import checkpoints_meant, find_checkpoint
from megatron_mathcoder.config.schema import ModelConfig


def find_any_checkpoint(path: Path) -> Path:
    """The checkpoint folder that ``path`` means. Raises ``CheckpointError`` when there is none."""
    return path if legacy_folder(path) is not None else find_checkpoint(path)


def find_good_checkpoint(path: Path) -> Path:
    """The same, but of a run the newest checkpoint whose files are what the trainer wrote; the damaged ones are named.

    Raises ``CheckpointError`` when there is none, or the only one that ``path`` means is damaged.
    """
    for checkpoint in [path] if legacy_folder(path) is not None else checkpoints_meant(path):
        damaged = damaged_files(checkpoint, sorted(read_checksums(checkpoint).items()))
        if not damaged:
            return checkpoint
        print(f"warning: {checkpoint}: {', '.join(damaged)} is not what was written (checksum)")
    raise CheckpointError(f"{path}: no checkpoint in it is what the trainer wrote; restore one, or export an older one")


def read_checkpoint(folder: Path, model: ModelConfig, *, master: bool = False) -> list[dict[str, StoredTensor]]:
    """The model's tensors; in a legacy checkpoint once more for every further copy that ranks hold of some of them.

    Raises ``CheckpointError`` when the checkpoint is torn, not this model's, or has no fp32 ``master`` weights.
    """
    legacy = legacy_folder(folder)
    if legacy is None:
        return [read_torch_dist(folder, master=master)]
    if master:
        raise CheckpointError(f"{folder}: a legacy checkpoint (it has {TRACKER} or mp_rank_ folders); --master needs torch_dist")
    return read_legacy(legacy, family_of(model).rules(model), model)
