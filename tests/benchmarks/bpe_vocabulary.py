"""A byte-level BPE of 128,000 pieces in Hugging Face's form: tekken's first under Llama 3's pattern, so nothing is downloaded."""

import base64
import gzip
import itertools
import json
from pathlib import Path

from data_corpus import SHARED_DATA

from data_tools.tokens.tiktoken_tokenizer import _LLAMA3_PATTERN

PIECES = 128_000
END_OF_TEXT = PIECES


def _halves(token: bytes, ranks: dict[bytes, int]) -> tuple[bytes, bytes]:
    """Return the two pieces that the merge with ``token``'s rank joins."""
    parts = [token[i : i + 1] for i in range(len(token))]
    while len(parts) > 2:
        pairs = [ranks.get(a + b, PIECES + 1) for a, b in itertools.pairwise(parts)]
        best = pairs.index(min(pairs))
        parts[best : best + 2] = [parts[best] + parts[best + 1]]
    return parts[0], parts[1]


def write_tokenizer(path: Path) -> None:
    content = json.loads(gzip.decompress((SHARED_DATA / "tokenizers/tekken.json.gz").read_bytes()))
    ranks = {base64.b64decode(entry["token_bytes"]): entry["rank"] for entry in content["vocab"][:PIECES]}
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [byte for byte in range(256) if byte not in visible]
    letters = {byte: chr(byte) for byte in visible} | {byte: chr(256 + n) for n, byte in enumerate(rest)}

    def spelled(token: bytes) -> str:
        return "".join(letters[byte] for byte in token)

    halves = [_halves(token, ranks) for token in ranks if len(token) > 1]
    tokenizer = {
        "version": "1.0",
        "added_tokens": [
            {"id": PIECES, "content": "<|end_of_text|>", "special": True, "normalized": False}
            | {"single_word": False, "lstrip": False, "rstrip": False}
        ],
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": _LLAMA3_PATTERN}, "behavior": "Isolated", "invert": False},
                {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
            ],
        },
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {
            "type": "BPE",
            "ignore_merges": True,
            "vocab": {spelled(token): rank for token, rank in ranks.items()},
            "merges": [[spelled(a), spelled(b)] for a, b in halves],
        },
    }
    path.write_text(json.dumps(tokenizer))
