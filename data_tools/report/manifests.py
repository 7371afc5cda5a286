"""The JSON files that stages leave beside their output.

Decides: that one which cannot be read ends the report, since its numbers would be missing without a word.
Does not: know what is in them.
"""

from pathlib import Path
from typing import Any

import orjson

from megatron_mathcoder.config.errors import DataError


def read_json(path: Path) -> dict[str, Any]:
    """Return what a manifest holds. Raises DataError when it is not readable as JSON."""
    try:
        value = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        raise DataError(f"{path} is not readable as JSON; make that stage again") from None
    return value if isinstance(value, dict) else {}
