"""``mathcoder verify-hf``: are a Hugging Face folder and a checkpoint the same model, byte for byte?

Decides: what is compared: every tensor with its counterpart, the two architectures, and every byte of either folder with
the manifest its conversion left. One flipped bit anywhere is found. Does not: mend.
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from checkpoints_convert.byte_copy import digest_gathered, digest_range
from checkpoints_convert.checkpoint_reader import find_any_checkpoint, read_checkpoint
from checkpoints_convert.copy_plan import make_plan
from checkpoints_convert.hf_config import read_config
from checkpoints_convert.hf_folder import read_hf_folder
from checkpoints_convert.kept_files import MEANING
from checkpoints_convert.manifest import Manifest, blocks_by_file, file_digests, frame_digests, read_manifest
from checkpoints_convert.stored_tensor import StoredTensor
from megatron_mathcoder.config.architecture_file import read_architecture
from megatron_mathcoder.config.errors import CheckpointError

LOGITS_MODULE = "megatron_mathcoder.inference.compare_logits"


class Row(NamedTuple):
    """One tensor's result: ``fault`` is "" when all its bytes are what they should be."""

    name: str
    tensor_bytes: int
    fault: str


def run(argv: list[str]) -> int:
    """``mathcoder verify-hf HF_DIR CKPT``. Returns 1 when anything differs."""
    parser = argparse.ArgumentParser(
        prog="mathcoder verify-hf", description="Compare a Hugging Face folder and a checkpoint, byte for byte."
    )
    parser.add_argument("hf_dir", type=Path, help="Hugging Face folder")
    parser.add_argument("checkpoint", type=Path, help="a run folder, checkpoints/ or one checkpoint folder")
    parser.add_argument("--logits", action="store_true", help="build both models on the CPU and compare their logits too")
    arguments = parser.parse_args(argv)
    checkpoint = find_any_checkpoint(arguments.checkpoint)
    rows, faults = verify(arguments.hf_dir, checkpoint)
    print(table(rows))
    for fault in faults:
        print(f"DIFFERENT  {fault}")
    wrong = len(faults) + sum(bool(row.fault) for row in rows)
    print(f"{len(rows)} tensors, {wrong} differences" if wrong else f"{len(rows)} tensors, all equal")
    if arguments.logits and not wrong:
        command = [sys.executable, "-m", LOGITS_MODULE, str(arguments.hf_dir), str(checkpoint)]
        return subprocess.run(command, check=False).returncode
    return 1 if wrong else 0


def verify(hf_dir: Path, checkpoint: Path) -> tuple[list[Row], list[str]]:
    """Compare everything. Returns a row for each tensor, and what else differs.

    Raises ``CheckpointError`` when one side cannot be read at all, or the two are not of the same shape.
    """
    source, model = read_hf_folder(hf_dir), read_architecture(checkpoint)
    copies = read_checkpoint(checkpoint, model)
    family, described = read_config(source.config)
    for name in MEANING:
        here, there = getattr(described, name), getattr(model, name)
        if here != there:
            raise CheckpointError(f"{hf_dir} has {name} {here}, {checkpoint} has {there}; they are two models")
    weights = {name: tensor for name, tensor in source.tensors.items() if not name.endswith(family.ignored)}
    plans = [make_plan(family, model, weights, stored) for stored in copies]
    manifests = [manifest for manifest in (read_manifest(hf_dir), read_manifest(checkpoint)) if manifest is not None]
    rows = []
    with ThreadPoolExecutor(2) as threads, tqdm(total=len(weights), unit="tensor", disable=None, leave=False) as bar:
        for name, tensor in weights.items():
            (block,) = tensor.blocks
            size = block.rows * block.width
            one = threads.submit(digest_range, block.path, block.offset, size)
            places = dict.fromkeys(tuple(plan[name]) for plan in plans)
            others = [threads.submit(digest_gathered, place) for place in places]
            faults = [fault_of(name, one.result(), other.result(), manifests) for other in others]
            rows.append(Row(name, size, next(filter(None, faults), "")))
            bar.update()
    of_megatron = [tensor for stored in copies for tensor in stored.values()]
    return rows, [*file_faults(hf_dir, list(source.tensors.values()), weights), *file_faults(checkpoint, of_megatron)]


def fault_of(name: str, hf: str, megatron: str, manifests: list[Manifest]) -> str:
    """What is wrong with a tensor, given the digests of both sides."""
    recorded = {manifest.tensors[name] for manifest in manifests if name in manifest.tensors}
    if hf != megatron:
        guilty = [side for side, digest in (("HF_DIR", hf), ("CKPT", megatron)) if recorded and digest not in recorded]
        return "the two differ" + (f"; changed since its conversion: {' and '.join(guilty)}" if guilty else "")
    return "both differ from what their conversion recorded" if recorded - {hf} else ""


def file_faults(folder: Path, tensors: list[StoredTensor], weights: Mapping[str, StoredTensor] | None = None) -> Iterator[str]:
    """Files that are not what the folder's own manifest says, and why; nothing when it has none.

    ``weights`` are the tensors that were digested as such, when some of ``tensors`` were not.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        return
    found = file_digests(folder, blocks_by_file(folder, tensors))
    frames = frame_digests(folder, tensors if weights is None else weights.values())
    for name, digest in sorted(manifest.files.items()):
        if found.get(name) != digest:
            yield f"{folder / name}: {'changed' if name in found else 'missing'}"
    for name in sorted(manifest.frames.keys() | frames.keys()):
        if manifest.frames.get(name) != frames.get(name):
            yield f"{folder / name}: changed outside of its tensors"


def table(rows: list[Row]) -> str:
    """One line a parameter, its layers together; a tensor that differs has a line of its own."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        name = row.name if row.fault else re.sub(r"\.\d+\.", ".*.", row.name)
        groups.setdefault(name, []).append(row)
    width = max(map(len, groups), default=0)
    lines = [f"{'tensor':<{width}}  {'count':>5}  {'MB':>10}"]
    for name, members in groups.items():
        size = sum(row.tensor_bytes for row in members) / 1e6
        lines.append(f"{name:<{width}}  {len(members):>5}  {size:>10.2f}  {members[0].fault or 'equal'}")
    return "\n".join(lines)
