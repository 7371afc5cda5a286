"""The files of a Hugging Face folder that an imported checkpoint keeps in ``hf/``, so that an export can give them back.

Decides: which kept files describe a checkpoint: its own, or, for a trained one, those of the checkpoint its run started from.
Does not: write new ones (``hf_config``, ``tokenizer_files``).
"""

import json
from pathlib import Path
from typing import Any

from checkpoints_convert.dtypes import DTYPES
from checkpoints_convert.hf_config import read_config
from megatron_mathcoder.config.architecture_file import read_tables
from megatron_mathcoder.config.errors import CheckpointError
from megatron_mathcoder.config.run_folder import find_checkpoint
from megatron_mathcoder.config.schema import ModelConfig

KEPT_FOLDER = "hf"
MEANING = [
    name for name in ModelConfig.__slots__ if name not in ("architecture", "init_method_std", "make_vocab_size_divisible_by")
]
"""Fields in which two architectures must agree to be described by one config.json."""


def find_kept_files(checkpoint: Path, model: ModelConfig) -> Path | None:
    """The folder of kept files that describe ``checkpoint``; None when there is none or it is of another architecture."""
    seen: set[Path] = set()
    while checkpoint not in seen:
        seen.add(checkpoint)
        if (checkpoint / KEPT_FOLDER / "config.json").is_file():
            kept = checkpoint / KEPT_FOLDER
            _, described = read_config(json.loads((kept / "config.json").read_text()))
            return kept if all(getattr(described, name) == getattr(model, name) for name in MEANING) else None
        initial = read_tables(checkpoint).get("checkpoint", {}).get("initial")
        try:
            checkpoint = find_checkpoint(Path(initial)) if initial else checkpoint
        except CheckpointError:
            return None  # the start of the run was moved or deleted since; the architecture is known without it
    return None


def kept_files(kept: Path, dtype: str) -> dict[str, bytes]:
    """Content by name, byte for byte; only a config.json that states another dtype than the weights now have is corrected."""
    files = {path.name: path.read_bytes() for path in sorted(kept.iterdir()) if not path.name.endswith(".index.json")}
    config: dict[str, Any] = json.loads(files["config.json"])
    wrong = {key for key in ("dtype", "torch_dtype") if config.get(key) not in (None, DTYPES[dtype].torch_name)}
    if wrong:
        config |= dict.fromkeys(wrong, DTYPES[dtype].torch_name)
        files["config.json"] = json.dumps(config, indent=2, ensure_ascii=False).encode() + b"\n"
    return files
