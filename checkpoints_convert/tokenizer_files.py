"""The tokenizer that goes beside exported weights.

Decides: which files a Hugging Face folder needs for a given tokenizer, and whether that tokenizer fits the vocabulary.
Does not: train or apply tokenizers. Files are copied byte for byte; only what a bare SentencePiece model or
``tokenizer.json`` lacks is written.
"""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from checkpoints_convert import sentencepiece_json
from megatron_mathcoder.config.errors import CheckpointError

NAMES = re.compile(
    r"tokenizer.*\.(json|model|jinja)|special_tokens_map\.json|added_tokens\.json|vocab\.(json|txt)|merges\.txt|"
    r"chat_template.*|.*\.tiktoken"
)
"""Files of a Hugging Face folder that belong to its tokenizer."""
TIKTOKEN_LINE = re.compile(rb"[A-Za-z0-9+/]+=* \d+\r?\n")
"""The first line of a tiktoken file: a token in base64, and its rank."""


class Tokenizer(NamedTuple):
    """Content of the files by name; ids of the special tokens, None where unknown; number of ids; a sentence of warning or ""."""

    files: dict[str, bytes]
    bos_token_id: int | None = None
    eos_token_id: int | list[int] | None = None
    pad_token_id: int | None = None
    length: int = 0
    warning: str = ""


def read_tokenizer(path: Path, vocab_size: int) -> Tokenizer:
    """Collect the files for the tokenizer at ``path``: a Hugging Face folder, a ``tokenizer.json`` or a SentencePiece model.

    Raises ``CheckpointError`` when it is none of these or has more ids than the model's vocabulary.
    """
    if not path.exists():
        raise CheckpointError(
            f"tokenizer {path}: it does not exist; give its place now with --tokenizer PATH, or --tokenizer none"
        )
    if path.is_dir():
        tokenizer = _folder(path)
    elif path.suffix == ".json":
        tokenizer = _tokenizer_json(path.read_bytes(), {})
    else:
        tokenizer = _sentencepiece(path)
    if tokenizer.length > vocab_size:
        raise CheckpointError(
            f"tokenizer {path}: has {tokenizer.length} ids, the model's vocabulary {vocab_size}; it is another model's tokenizer"
        )
    return tokenizer


def _folder(path: Path) -> Tokenizer:
    files = {file.name: file.read_bytes() for file in sorted(path.iterdir()) if file.is_file() and NAMES.fullmatch(file.name)}
    if not files:
        raise CheckpointError(
            f"tokenizer {path}: the folder has no tokenizer files; give a folder with tokenizer.json or tokenizer.model"
        )
    ids: dict[str, Any] = {}
    for name in ("config.json", "generation_config.json"):
        if (path / name).is_file():
            ids |= json.loads((path / name).read_bytes())
    length = len(_json_vocabulary(files["tokenizer.json"])) if "tokenizer.json" in files else 0
    return Tokenizer(files, ids.get("bos_token_id"), ids.get("eos_token_id"), ids.get("pad_token_id"), length)


def _json_vocabulary(content: bytes) -> dict[int, str]:
    try:
        parsed = json.loads(content)
        vocabulary = parsed["model"]["vocab"]
        if isinstance(vocabulary, dict):
            found = {index: text for text, index in vocabulary.items()}
        else:
            found = {index: text for index, (text, _) in enumerate(vocabulary)}
        return found | {token["id"]: token["content"] for token in parsed.get("added_tokens") or ()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"tokenizer.json is not a Hugging Face tokenizer ({error}); give the file of the dataset") from None


def _tokenizer_json(content: bytes, files: dict[str, bytes]) -> Tokenizer:
    """A bare ``tokenizer.json``: special tokens are known by the names every Llama-like tokenizer gives them."""
    vocabulary = _json_vocabulary(content)
    by_text = {text: index for index, text in vocabulary.items()}

    def first(*names: str) -> tuple[int | None, str | None]:
        return next(((by_text[name], name) for name in names if name in by_text), (None, None))

    bos, bos_text = first("<s>", "<|begin_of_text|>", "<bos>", "<|bos|>")
    eos, eos_text = first("</s>", "<|end_of_text|>", "<eos>", "<|endoftext|>", "<|eos|>", "<|eod|>")
    pad, pad_text = first("<pad>", "<|pad|>", "<|finetune_right_pad_id|>")
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        "add_bos_token": False,
        "add_eos_token": False,
    }
    config |= {key: text for key, text in (("bos_token", bos_text), ("eos_token", eos_text), ("pad_token", pad_text)) if text}
    if "<unk>" in by_text:
        config["unk_token"] = "<unk>"
    files = files | {"tokenizer.json": content, "tokenizer_config.json": json.dumps(config, indent=2).encode() + b"\n"}
    return Tokenizer(files, bos, eos, pad, max(vocabulary, default=-1) + 1)


def _sentencepiece(path: Path) -> Tokenizer:
    try:
        model = sentencepiece_json.read_model(path)
    except ValueError as error:
        if not TIKTOKEN_LINE.match(path.read_bytes()[:1024]):
            raise CheckpointError(
                f"tokenizer {path}: neither SentencePiece, a tokenizer.json nor a tiktoken file; give the file of the dataset"
            ) from error
        # Llama-3's own tokenizer.model is a tiktoken file; nothing of transformers reads it.
        warning = f"{path.name} is copied, but transformers cannot read it; give --tokenizer FOLDER with its tokenizer.json"
        return Tokenizer({path.name: path.read_bytes()}, warning=warning)
    files = {"tokenizer.model": path.read_bytes()}
    translated = sentencepiece_json.translate(path)
    if translated is not None:
        return _tokenizer_json(translated.encode(), files)
    index = {text: number for number, (text, _, _) in enumerate(model.pieces)}
    config = {"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "legacy": False}
    files["tokenizer_config.json"] = json.dumps(config, indent=2).encode() + b"\n"
    warning = (
        "no tokenizer.json could be proved equal to the SentencePiece model; transformers' own conversion may give other ids"
    )
    return Tokenizer(files, index.get("<s>"), index.get("</s>"), index.get("<pad>"), len(model.pieces), warning)
