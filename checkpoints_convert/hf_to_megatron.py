"""``mathcoder import-hf``: a Hugging Face folder becomes a Megatron checkpoint.

Decides: in which order the checkpoint comes to be: everything is checked, then written, the marker file last. Does not: need the
layout of the run that will load it; one checkpoint serves every tensor and pipeline parallel size.
"""

import argparse
import shutil
from collections.abc import Mapping
from pathlib import Path

from checkpoints_convert.architecture_file import MODEL_FILE, architecture_text
from checkpoints_convert.byte_copy import digest_range
from checkpoints_convert.conversion import write_tensors
from checkpoints_convert.copy_plan import make_plan
from checkpoints_convert.hf_config import read_config
from checkpoints_convert.hf_folder import HfFolder, files_to_keep, read_hf_folder
from checkpoints_convert.kept_files import KEPT_FOLDER
from checkpoints_convert.llama_family import Family
from checkpoints_convert.manifest import Manifest, bytes_digest, file_digests, frame_digests, write_manifest
from checkpoints_convert.partial_folder import LOCK_FILE, partial_folder
from checkpoints_convert.stored_tensor import StoredTensor
from checkpoints_convert.torch_dist_writer import make_checkpoint, marker
from megatron_mathcoder.config.errors import CheckpointError
from megatron_mathcoder.config.run_folder import LAST_WRITTEN_FILE
from megatron_mathcoder.config.schema import ModelConfig


def run(argv: list[str]) -> int:
    """``mathcoder import-hf HF_DIR CKPT_DIR``."""
    parser = argparse.ArgumentParser(
        prog="mathcoder import-hf", description="Write a Hugging Face model as a Megatron checkpoint."
    )
    parser.add_argument("hf_dir", type=Path, help="folder with config.json and weights (safetensors or .bin)")
    parser.add_argument("checkpoint", type=Path, help="checkpoint folder to write, for checkpoint.initial of a recipe")
    parser.add_argument("--overwrite", action="store_true", help="replace the checkpoint if it exists")
    arguments = parser.parse_args(argv)
    import_hf(arguments.hf_dir, arguments.checkpoint, overwrite=arguments.overwrite)
    return 0


def import_hf(hf_dir: Path, checkpoint: Path, *, overwrite: bool = False) -> None:
    """Import ``hf_dir`` as ``checkpoint``, which appears when it is complete; weights keep their dtype.

    Raises ``CheckpointError`` when the folder is incomplete, torn or of an architecture Megatron cannot compute, the
    target exists, or the disk is too full.
    """
    source = read_hf_folder(hf_dir)
    family, model = read_config(source.config)
    tied, ignored = set_aside(family, model, source)
    hf = {name: tensor for name, tensor in source.tensors.items() if name not in tied and name not in ignored}
    size = sum(tensor.rows * tensor.row_bytes for tensor in hf.values())
    with partial_folder(checkpoint, needed_bytes=size, overwrite=overwrite) as partial:
        rules = family.rules(model)
        new = make_checkpoint(rules, model, key_dtypes(family, model, hf), partial)
        digests = write_tensors(make_plan(family, model, hf, new.tensors), hf, new.targets, partial, to_hf=False)
        digests |= {copy: digests[name] for copy, name in tied.items()}
        for name, content in new.small_files.items():
            (partial / name).write_bytes(content)
        (partial / MODEL_FILE).write_text(architecture_text(model))
        (partial / KEPT_FOLDER).mkdir(exist_ok=True)
        for file in files_to_keep(hf_dir):
            shutil.copyfile(file, partial / KEPT_FOLDER / file.name)
        small = file_digests(partial, [LOCK_FILE, LAST_WRITTEN_FILE, *(target.path.name for target in new.targets)])
        manifest = Manifest(
            source=hf_dir.resolve().name,
            tensors=digests,
            frames=frame_digests(new.tensors),
            files=small | {LAST_WRITTEN_FILE: bytes_digest(marker())},
            hf_headers={name: header[8:].decode() for name, header in source.headers.items()},
            hf_ignored={name: content.hex() for name, content in ignored.items()},
        )
        write_manifest(partial, manifest)
        (partial / LAST_WRITTEN_FILE).write_bytes(marker())
    print(f"{checkpoint}: {family.hf_class}, {len(hf)} tensors, {size / 1e9:.2f} GB, loads at every TP, PP and VPP")
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
