"""``mathcoder import-hf``: a Hugging Face folder becomes a Megatron checkpoint.

Decides: in which order the checkpoint comes to be: everything is checked, then written, the marker file last. Does not: need the
layout of the run that will load it, but for the legacy format; a torch_dist checkpoint serves every one.
"""

import argparse
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from checkpoints_convert.byte_copy import digest_range
from checkpoints_convert.conversion import NewCheckpoint, write_tensors
from checkpoints_convert.copy_plan import plan_of_copies
from checkpoints_convert.hf_config import read_config
from checkpoints_convert.hf_folder import HfFolder, files_to_keep, read_hf_folder
from checkpoints_convert.kept_files import KEPT_FOLDER
from checkpoints_convert.legacy import make_legacy
from checkpoints_convert.legacy_layout import Layout
from checkpoints_convert.llama_family import Family
from checkpoints_convert.manifest import Manifest, blocks_by_file, bytes_digest, file_digests, frame_digests, write_manifest
from checkpoints_convert.partial_folder import LOCK_FILE, partial_folder
from checkpoints_convert.stored_tensor import StoredTensor
from checkpoints_convert.torch_dist_writer import make_checkpoint
from megatron_mathcoder.config.architecture_file import MODEL_FILE, architecture_text
from megatron_mathcoder.config.errors import CheckpointError
from megatron_mathcoder.config.schema import ModelConfig


def run(argv: list[str]) -> int:
    """``mathcoder import-hf HF_DIR CKPT_DIR``."""
    parser = argparse.ArgumentParser(
        prog="mathcoder import-hf", description="Write a Hugging Face model as a Megatron checkpoint."
    )
    parser.add_argument("hf_dir", type=Path, help="folder with config.json and weights (safetensors or .bin)")
    parser.add_argument("checkpoint", type=Path, help="checkpoint folder to write, for checkpoint.initial of a recipe")
    parser.add_argument("--allow-nonfinite", action="store_true", help="carry weights that are NaN or infinite")
    parser.add_argument("--overwrite", action="store_true", help="replace the checkpoint if it exists")
    legacy = parser.add_argument_group("Megatron-LM's legacy format, one file a rank", "our trainer needs none of these")
    legacy.add_argument(
        "--format", choices=("torch_dist", "legacy"), default="torch_dist", help="default: torch_dist, every layout"
    )
    for name, meaning in (("tp", "tensor parallel ranks"), ("pp", "pipeline stages"), ("vpp", "model chunks a stage")):
        legacy.add_argument(f"--{name}", type=int, default=1, help=f"{meaning} (default: 1)")
    legacy.add_argument("--spec", choices=("local", "te"), default="te", help="layer spec whose names are used (default: te)")
    arguments = parser.parse_args(argv)
    layout = Layout(arguments.tp, arguments.pp, arguments.vpp)
    if arguments.format == "torch_dist" and layout != Layout():
        raise CheckpointError("--tp, --pp and --vpp are for --format legacy; a torch_dist checkpoint loads at every layout")
    write = partial(make_legacy, layout=layout, spec=arguments.spec) if arguments.format == "legacy" else make_checkpoint
    import_hf(
        arguments.hf_dir,
        arguments.checkpoint,
        make=write,
        allow_nonfinite=arguments.allow_nonfinite,
        overwrite=arguments.overwrite,
    )
    return 0


def import_hf(
    hf_dir: Path,
    checkpoint: Path,
    *,
    make: Callable[..., NewCheckpoint] = make_checkpoint,
    allow_nonfinite: bool = False,
    overwrite: bool = False,
) -> None:
    """Import ``hf_dir`` as ``checkpoint``, which appears when it is complete; weights keep their dtype.

    ``make`` lays the checkpoint out: ``make_checkpoint`` or ``make_legacy`` with a layout. Raises ``CheckpointError`` when the
    folder is incomplete, torn or of an architecture Megatron cannot compute, the target exists, or the disk is too full.
    """
    source = read_hf_folder(hf_dir)
    family, model = read_config(source.config)
    tied, ignored = set_aside(family, model, source)
    hf = {name: tensor for name, tensor in source.tensors.items() if name not in tied and name not in ignored}
    size = sum(tensor.rows * tensor.row_bytes for tensor in hf.values())
    with partial_folder(checkpoint, source=hf_dir, needed_bytes=size, overwrite=overwrite) as folder:
        new = make(family.rules(model), model, key_dtypes(family, model, hf), folder)
        plan = plan_of_copies(family, model, hf, new.copies)
        digests = write_tensors(plan, hf, new.targets, folder, to_hf=False, allow_nonfinite=allow_nonfinite)
        digests |= {copy: digests[name] for copy, name in tied.items()}
        (folder / MODEL_FILE).write_text(architecture_text(model))
        (folder / KEPT_FOLDER).mkdir(exist_ok=True)
        for file in files_to_keep(hf_dir):
            shutil.copyfile(file, folder / KEPT_FOLDER / file.name)
        for name, content in new.small_files.items():
            (folder / name).write_bytes(content)
        tensors = [tensor for stored in new.copies for tensor in stored.values()]
        small = file_digests(folder, [LOCK_FILE, *blocks_by_file(folder, tensors)])
        marker, content = new.marker
        manifest = Manifest(
            source=hf_dir.resolve().name,
            tensors=digests,
            frames=frame_digests(folder, tensors),
            files=small | {marker: bytes_digest(content)},
            hf_headers={name: header[8:].decode() for name, header in source.headers.items()},
            hf_ignored={name: content.hex() for name, content in ignored.items()},
        )
        write_manifest(folder, manifest)
        (folder / marker).write_bytes(content)
    print(f"{checkpoint}: {family.hf_class}, {len(hf)} tensors, {size / 1e9:.2f} GB")
    for name in sorted(ignored):
        print(f"not a weight, kept for export only: {name}")


def set_aside(family: Family, model: ModelConfig, source: HfFolder) -> tuple[dict[str, str], dict[str, bytes]]:
    """What the checkpoint does not store: second copies of tied tensors (copy → original), and tensors no model needs (content).

    Raises ``CheckpointError`` when a second copy differs from its original.
    """
    tied = {copy: name for copy, name in family.tied(model).items() if copy in source.tensors and name in source.tensors}
    for copy, name in tied.items():
        if digest(source.tensors[copy]) != digest(source.tensors[name]):
            raise CheckpointError(f"{copy} differs from {name}, though config.json ties them; set tie_word_embeddings to false")
    ignored = {name: content_of(tensor) for name, tensor in source.tensors.items() if name.endswith(family.ignored)}
    return tied, ignored


def digest(tensor: StoredTensor) -> str:
    """Digest of a tensor that lies in one piece."""
    (block,) = tensor.blocks
    return digest_range(block.path, block.offset, block.rows * block.width)


def content_of(tensor: StoredTensor) -> bytes:
    """The bytes of a small tensor."""
    (block,) = tensor.blocks
    with block.path.open("rb") as file:
        file.seek(block.offset)
        return file.read(block.rows * block.width)


def key_dtypes(family: Family, model: ModelConfig, hf: Mapping[str, StoredTensor]) -> dict[str, str]:
    """The dtype of every Megatron tensor: that of its first Hugging Face tensor; ``make_plan`` checks the others."""
    found = {rule.key: [hf[name].dtype for name in rule.hf_shapes(model) if name in hf] for rule in family.rules(model)}
    return {key: dtypes[0] if dtypes else "F32" for key, dtypes in found.items()}
