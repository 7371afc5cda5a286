"""A Hugging Face folder: which files hold its weights, and what else belongs to the model.

Decides: that the weights are complete and named once: an index and its files agree, nothing is stored twice.
Does not: read tensor data.
"""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from checkpoints_convert import restricted_pickle, tokenizer_files
from checkpoints_convert.safetensors_stream import read_safetensors, whole_tensor
from checkpoints_convert.stored_tensor import StoredTensor
from checkpoints_convert.torch_zip import read_torch_zip
from megatron_mathcoder.config.errors import CheckpointError

INDEX_FILE = "model.safetensors.index.json"
WEIGHTS = (INDEX_FILE, "model.safetensors", "pytorch_model.bin.index.json", "pytorch_model.bin")
"""Where weights are looked for, in this order."""
OTHER_THINGS = (
    ("adapter_config.json", "it holds an adapter; merge it into its model first (peft: merge_and_unload) and give that"),
    ("*.gguf", "GGUF files are not read; take the model's safetensors"),
    ("consolidated.*", "its weights are in their authors' own form; take the model in Hugging Face's"),
    ("snapshots/*/config.json", "it is a download cache; give the folder in its snapshots/"),
    ("model-*-of-*.safetensors", f"the weights are here and {INDEX_FILE} is not; get that too"),
    ("pytorch_model-*-of-*.bin", "the weights are here and pytorch_model.bin.index.json is not; get that too"),
    ("run.toml", "it is a run or a Megatron checkpoint; mathcoder export-hf makes a Hugging Face folder of it"),
    ("model.toml", "it is a Megatron checkpoint; mathcoder export-hf makes a Hugging Face folder of it"),
)
"""What people give instead of a model folder, by a file it has, and what to do then."""
LFS_POINTER = b"version https://git-lfs"
BESIDE = re.compile(r"config\.json|generation_config\.json|.*\.index\.json|LICENSE.*|NOTICE.*|USE_POLICY.*")
"""Files beside the weights and the tokenizer that an import keeps, so that an export can give them back."""


class HfFolder(NamedTuple):
    """``config`` is the raw JSON; ``headers`` are the raw headers of safetensors files by name, in the order of the index."""

    path: Path
    config: dict[str, Any]
    tensors: dict[str, StoredTensor]
    headers: dict[str, bytes]


def read_hf_folder(path: Path) -> HfFolder:
    """Read headers and configuration.

    Raises ``CheckpointError`` when config.json or the weights are missing, a file the index names is absent or holds other
    tensors, or a file is cut or not what it says.
    """
    if not path.is_dir():
        what = "is a file" if path.is_file() else "no such folder"
        raise CheckpointError(f"{path}: {what}; give a Hugging Face model folder (config.json and weights)")
    what = next((what for pattern, what in OTHER_THINGS if any(path.glob(pattern))), "")
    config = read_json(path / "config.json", what or "give a Hugging Face model folder, it has a config.json")
    start = next((path / name for name in WEIGHTS if (path / name).is_file()), None)
    if start is None:
        raise CheckpointError(f"{path}: no weights; {what or 'a Hugging Face folder has one of ' + ', '.join(WEIGHTS)}")
    weight_map = _weight_map(start) if start.name.endswith(".index.json") else None
    files = sorted(set(weight_map.values())) if weight_map is not None else [start.name]
    tensors: dict[str, StoredTensor] = {}
    headers: dict[str, bytes] = {}
    for name in files:
        file = path / name
        if file.parent != path or not file.is_file():
            raise CheckpointError(f"{start}: names {name}, which is not there; get the missing file")
        with file.open("rb") as stream:
            if stream.read(len(LFS_POINTER)) == LFS_POINTER:
                raise CheckpointError(f"{file}: a pointer of Git LFS in place of the file; fetch it with git lfs pull")
        if file.suffix == ".bin":
            found = read_bin(file)
        else:
            headers[name], found, _ = read_safetensors(file)
        _check_index(start, name, weight_map, found)
        tensors |= found
    return HfFolder(path, config, tensors, headers)


def read_json(path: Path, remedy: str) -> dict[str, Any]:
    """Read a JSON object. Raises ``CheckpointError`` when there is none."""
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        raise CheckpointError(f"{path}: missing; {remedy}") from None
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: not JSON ({error}); get the file again") from None
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: not a JSON object; get the file again")
    return content


def _weight_map(index: Path) -> dict[str, str]:
    weight_map = read_json(index, "get it again").get("weight_map")
    if not isinstance(weight_map, dict) or not all(isinstance(name, str) for name in weight_map.values()):
        raise CheckpointError(f"{index}: has no weight_map from tensors to files; get the file again")
    return weight_map


def _check_index(index: Path, file: str, weight_map: dict[str, str] | None, found: dict[str, StoredTensor]) -> None:
    """The tensors of a file are those its index puts there."""
    expected = found if weight_map is None else {name for name, place in weight_map.items() if place == file}
    for name in sorted(set(expected) ^ set(found)):
        says = f"{name} is in {file}" if name in expected else f"{name} is not in {file}"
        raise CheckpointError(f"{index}: says {says}, the file says otherwise; they are of different downloads, get both again")


def read_bin(path: Path) -> dict[str, StoredTensor]:
    """The tensors of a ``torch.save``d state dict. Raises ``CheckpointError`` for anything else, and runs nothing in it."""
    with path.open("rb") as file:
        if file.read(4) != b"PK\x03\x04":
            raise CheckpointError(f"{path}: not a zip file of torch 1.6 or newer; load it with torch and save it again")
        found, ranges = read_torch_zip(file, path, 0, path.stat().st_size, restricted_pickle.WEIGHTS_NAMES)
    if not isinstance(found, dict):
        raise CheckpointError(f"{path}: not a state dict; get the model's weights file")
    tensors = {}
    for name, value in found.items():
        if id(value) not in ranges:
            raise CheckpointError(f"{path}: {name} is no floating-point tensor; only a state dict of weights is read")
        place = ranges[id(value)]
        tensors[name] = whole_tensor(name, place.dtype, place.shape, path, place.offset)
    return tensors


def files_to_keep(path: Path) -> list[Path]:
    """Configuration, tokenizer and licence files, sorted by name."""
    return [
        file
        for file in sorted(path.iterdir())
        if file.is_file() and (BESIDE.fullmatch(file.name) or tokenizer_files.NAMES.fullmatch(file.name))
    ]
