"""A benchmark that Hugging Face ``datasets`` reads: a name on the Hub, a folder of data files, or what ``save_to_disk`` wrote.

Decides: the form of the name, ``NAME``, ``NAME:CONFIG`` or ``NAME:CONFIG:SPLIT`` (the split is ``test`` unless named; CONFIG may
be empty), and that a mistake in it, or a Hub that cannot be reached, is one line.
Does not: know what a row means (``benchmarks``), or keep anything: the cache is the package's.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from megatron_mathcoder.config.errors import DataError, PlatformError, one_line

SPLIT = "test"


def is_saved(folder: Path) -> bool:
    """Say whether ``save_to_disk`` wrote this folder."""
    return any((folder / name).is_file() for name in ("state.json", "dataset_dict.json"))


def hugging_face_rows(name: str) -> Iterator[dict[str, Any]]:
    """Return the rows of a dataset, in its order.

    Raises PlatformError without the package; DataError: no such dataset, configuration or split.
    """
    try:
        import datasets
    except ImportError:
        raise PlatformError(f"hf:{name} needs the package datasets; pip install datasets, or name a file") from None
    path, _, rest = name.partition(":")
    config, _, split = rest.partition(":")
    split = split or SPLIT
    if not path:
        raise DataError(f"hf:{name}: it names no dataset; write hf:NAME:CONFIG:SPLIT")
    try:
        if not is_saved(Path(path)):
            return iter(datasets.load_dataset(path, config or None, split=split))
        found = datasets.load_from_disk(path)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise DataError(f"hf:{name}: {one_line(error, 300).rstrip('.')}; write hf:NAME:CONFIG:SPLIT, or name a file") from None
    if isinstance(found, datasets.DatasetDict):
        if split not in found:
            raise DataError(f"hf:{name}: it has no split {split!r} among {', '.join(found)}; write hf:{path}::SPLIT")
        found = found[split]
    return iter(found)
