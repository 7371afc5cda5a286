"""The element types both sides can store, under each side's name for them.

Decides: which dtypes the bridge carries. Does not: convert values; a tensor keeps the dtype it was stored in.
Inside the bridge a dtype is known by its safetensors name.
"""

from typing import NamedTuple


class DType(NamedTuple):
    """One element type: bytes per element, ``torch.<torch_name>``, ``torch.<storage_name>`` in pickles."""

    item_bytes: int
    torch_name: str
    storage_name: str


DTYPES: dict[str, DType] = {
    "BF16": DType(2, "bfloat16", "BFloat16Storage"),
    "F16": DType(2, "float16", "HalfStorage"),
    "F32": DType(4, "float32", "FloatStorage"),
    "F64": DType(8, "float64", "DoubleStorage"),
}
FROM_TORCH_NAME = {dtype.torch_name: name for name, dtype in DTYPES.items()}
FROM_STORAGE_NAME = {dtype.storage_name: name for name, dtype in DTYPES.items()}
