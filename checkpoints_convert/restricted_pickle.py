"""Read pickles of torch checkpoints without running anything they bring.

Decides: which global names a pickle may mention and what harmless object each becomes. Any other name is an error, so a hostile
file can make this process neither import nor call anything.
Does not: import torch; classes become ``Record``s, dtypes and storage classes become their names.
"""

import io
import pickle
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from checkpoints_convert.dtypes import DTYPES
from megatron_mathcoder.config.errors import CheckpointError


class Record:
    """What an instance of an allowed class becomes: its constructor arguments and its attributes; no behaviour."""

    arguments: tuple[Any, ...]
    attributes: dict[str, Any]

    def __new__(cls, *arguments: Any) -> Self:
        """Keep the arguments; pickle makes most objects without calling ``__init__``."""
        record = super().__new__(cls)
        record.arguments, record.attributes = arguments, {}
        return record

    def __setstate__(self, state: Any) -> None:
        """Keep the attributes; a state that is no dictionary becomes the attribute ``state``."""
        self.attributes = state if isinstance(state, dict) else {"state": state}

    def get(self, name: str) -> Any:
        """Return one attribute; None where the pickled object had only its class's default."""
        return self.attributes.get(name)


class Tensor(Record):
    """``torch._utils._rebuild_tensor_v2``: arguments are (storage, offset, size, stride, requires_grad, hooks[, metadata])."""


def _parameter(tensor: Tensor, *_: object) -> Tensor:
    return tensor


_DCP = "torch.distributed.checkpoint."
_TORCH_NAMES: dict[tuple[str, str], object] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch", "Size"): tuple,
    ("torch._utils", "_rebuild_tensor_v2"): Tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch.serialization", "_get_layout"): str,
    **{("torch", dtype.torch_name): dtype.torch_name for dtype in DTYPES.values()},
    **{("torch", dtype.storage_name): dtype.storage_name for dtype in DTYPES.values()},
}
# Element types of optimizer state, RNG state and the like: they must be nameable to be skipped, but none is ever read.
_TORCH_NAMES |= {("torch", name): name for name in ("int8", "uint8", "int16", "int32", "int64", "bool", "float8_e4m3fn")}
_TORCH_NAMES |= {("torch", f"{name}Storage"): f"{name}Storage" for name in ("Byte", "Char", "Short", "Int", "Long", "Bool")}

METADATA_NAMES: Mapping[tuple[str, str], object] = _TORCH_NAMES | {
    (_DCP + module, name): Record
    for module, names in {
        "metadata": (
            "Metadata MetadataIndex TensorStorageMetadata TensorProperties ChunkStorageMetadata BytesStorageMetadata StorageMeta "
            "_MEM_FORMAT_ENCODING"
        ),
        "filesystem": "_StorageInfo _StoragePrefix",
        "planner": "SavePlan WriteItem WriteItemType TensorWriteData BytesIOWriteData",
    }.items()
    for name in names.split()
}
"""What ``.metadata`` of a torch_dist checkpoint may name."""

WEIGHTS_NAMES: Mapping[tuple[str, str], object] = _TORCH_NAMES
"""What a weights file (``torch.save`` of a state dict) may name."""

LEGACY_NAMES: Mapping[tuple[str, str], object] = _TORCH_NAMES | {
    ("argparse", "Namespace"): Record,
    ("numpy.core.multiarray", "_reconstruct"): Record,
    ("numpy._core.multiarray", "_reconstruct"): Record,
    ("numpy", "ndarray"): Record,
    ("numpy", "dtype"): Record,
    ("_codecs", "encode"): Record,
    ("pathlib", "PosixPath"): Record,
    ("megatron.core.enums", "ModelType"): Record,
    ("megatron.core.transformer.enums", "AttnBackend"): Record,
    ("signal", "Signals"): Record,
}
"""What a legacy ``model_optim_rng.pt`` may name: the weights, and the arguments and random states beside them, which are
skipped."""


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: bytes, names: Mapping[tuple[str, str], object], storage: Callable[[Any], Any] | None) -> None:
        super().__init__(io.BytesIO(data))
        self._names = names
        self._storage = storage

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self._names[(module, name)]
        except KeyError:
            raise pickle.UnpicklingError(f"it names {module}.{name}") from None

    def persistent_load(self, pid: Any) -> Any:
        if self._storage is None:
            raise pickle.UnpicklingError("it refers to a storage")
        return self._storage(pid)


def load(data: bytes, path: Path, names: Mapping[tuple[str, str], object], storage: Callable[[Any], Any] | None = None) -> Any:
    """Unpickle ``data`` (from ``path``, for the message), allowing only ``names``; ``storage`` resolves persistent ids.

    Raises ``CheckpointError`` for any other name and for a broken pickle.
    """
    try:
        return _Unpickler(data, names, storage).load()
    except Exception as error:  # a hostile or torn pickle can raise anything
        raise CheckpointError(
            f"{path}: refused, its pickle is broken or not a checkpoint's ({str(error)[:200]}); get the file again from its maker"
        ) from error
