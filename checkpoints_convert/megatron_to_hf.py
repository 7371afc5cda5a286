"""``mathcoder export-hf``: a Megatron checkpoint becomes a Hugging Face folder.

Decides: in which order the folder comes to be. Does not: change a single weight; the dtype stays the stored one, and vocabulary
padding, optimizer state and random states stay behind.
"""

import argparse
from pathlib import Path

from checkpoints_convert.checkpoint_reader import find_good_checkpoint, read_checkpoint
from checkpoints_convert.conversion import write_tensors
from checkpoints_convert.copy_plan import make_plan
from checkpoints_convert.hf_output import beside_weights, new_weights, restored_weights
from checkpoints_convert.llama_family import family_of
from checkpoints_convert.manifest import Manifest, blocks_by_file, file_digests, frame_digests, read_manifest, write_manifest
from checkpoints_convert.partial_folder import LOCK_FILE, partial_folder
from megatron_mathcoder.config.architecture_file import read_architecture
from megatron_mathcoder.config.errors import CheckpointError


def run(argv: list[str]) -> int:
    """``mathcoder export-hf CKPT HF_DIR``."""
    parser = argparse.ArgumentParser(
        prog="mathcoder export-hf", description="Write a Megatron checkpoint as a Hugging Face folder."
    )
    parser.add_argument(
        "checkpoint", type=Path, help="a run folder (its newest checkpoint is taken), checkpoints/ or one iter_ folder"
    )
    parser.add_argument("hf_dir", type=Path, help="folder to write")
    parser.add_argument(
        "--tokenizer", default="", help="tokenizer to put beside the weights; default: the run's; none = no tokenizer"
    )
    parser.add_argument("--master", action="store_true", help="export the optimizer's fp32 master weights of a bf16 run")
    parser.add_argument("--allow-nonfinite", action="store_true", help="carry weights that are NaN or infinite")
    parser.add_argument("--overwrite", action="store_true", help="replace HF_DIR if it exists")
    arguments = parser.parse_args(argv)
    export(
        arguments.checkpoint,
        arguments.hf_dir,
        tokenizer=arguments.tokenizer,
        master=arguments.master,
        allow_nonfinite=arguments.allow_nonfinite,
        overwrite=arguments.overwrite,
    )
    return 0


def export(
    checkpoint: Path,
    hf_dir: Path,
    *,
    tokenizer: str = "",
    master: bool = False,
    allow_nonfinite: bool = False,
    overwrite: bool = False,
) -> None:
    """Export a checkpoint (a run folder means its newest good one) to ``hf_dir``, which appears when it is complete.

    An imported checkpoint gives back the very files it came from. ``master`` exports the optimizer's fp32 weights.
    Raises ``CheckpointError`` when the checkpoint is torn, of an unknown architecture, not what it says, has diverged or
    changed since its import, the target exists, the tokenizer does not fit, or the disk is too full.
    """
    checkpoint = find_good_checkpoint(checkpoint)
    model, manifest = read_architecture(checkpoint), read_manifest(checkpoint)
    family, stored = family_of(model), read_checkpoint(checkpoint, model, master=master)[0]
    size = sum(tensor.rows * tensor.row_bytes for tensor in stored.values())
    dtype = next(iter(stored.values())).dtype if stored else "F32"
    files, warning = beside_weights(hf_dir.name, checkpoint, model, dtype, tokenizer)
    with partial_folder(hf_dir, source=checkpoint, needed_bytes=size, overwrite=overwrite) as partial:
        if manifest is not None and manifest.hf_headers:
            weights = restored_weights(checkpoint, manifest, partial)
        else:
            weights = new_weights(model, stored, partial)
        plan = make_plan(family, model, weights.tensors, stored)
        digests = write_tensors(plan, weights.tensors, weights.targets, partial, to_hf=True, allow_nonfinite=allow_nonfinite)
        check_unchanged(checkpoint, manifest, digests)
        for name, content in files.items() | weights.index_file.items():
            (partial / name).write_bytes(content)
        small = file_digests(partial, [LOCK_FILE, *blocks_by_file(partial, weights.tensors.values())])
        frames = frame_digests(partial, weights.tensors.values())
        write_manifest(partial, Manifest(source=checkpoint.name, tensors=digests, frames=frames, files=small))
    print(f"{hf_dir}: {family.hf_class}, {len(digests)} tensors, {size / 1e9:.2f} GB {dtype}, from {checkpoint}")
    if warning:
        print(f"warning: {warning}")


def check_unchanged(checkpoint: Path, manifest: Manifest | None, digests: dict[str, str]) -> None:
    """Compare what was read from a checkpoint with what its import recorded."""
    for name, digest in digests.items():
        if manifest is not None and manifest.tensors.get(name, digest) != digest:
            raise CheckpointError(f"{checkpoint}: {name} is not what was imported; the checkpoint is damaged, import it again")
