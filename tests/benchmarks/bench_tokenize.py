"""``mathcoder tokenize`` against the loop of Megatron-LM's preprocess_data.py (``json.loads``, ``encode`` and a write for each
line) over Hugging Face tokenizers, for a byte-level BPE of 128,000 pieces: the same bytes, and how many times faster.

The BPE is tekken's first 128,000 pieces under Llama 3's pattern, so that no download is needed.

Run it: python tests/benchmarks/bench_tokenize.py
"""

import base64
import gzip
import itertools
import json
import resource
import sys
import tempfile
from pathlib import Path

import numpy as np
import tokenizers
from data_corpus import SHARED_DATA, corpus, cpu_seconds, judge, megabytes

from data_tools.tokens.tiktoken_tokenizer import _LLAMA3_PATTERN
from data_tools.tokens.tokenize import run

PIECES = 128_000
PEER_DOCUMENTS = 300


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


def megatron_loop(lines: list[str], tokenizer: tokenizers.Tokenizer, output: Path) -> None:
    """What preprocess_data.py does for each line: parse, encode, append EOD, make an array, write it."""
    with output.open("wb") as stream:
        for line in lines:
            ids = tokenizer.encode(json.loads(line)["text"], add_special_tokens=False).ids
            ids.append(PIECES)
            stream.write(np.array(ids, dtype=np.int32).tobytes(order="C"))


def main() -> int:
    texts = corpus(60.0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_tokenizer(folder / "tokenizer.json")
        lines = [json.dumps({"text": text}) for text in texts]
        (folder / "in.jsonl").write_text("\n".join(lines) + "\n")
        given = ["--tokenizer", str(folder / "tokenizer.json"), "--output", str(folder / "out"), "--workers", "1"]
        seconds, _ = cpu_seconds(lambda: run([str(folder / "in.jsonl"), *given]))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        peer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        few = lines[:PEER_DOCUMENTS]
        peer_seconds, _ = cpu_seconds(lambda: megatron_loop(few, peer, folder / "peer.bin"))
        expected = (folder / "peer.bin").read_bytes()
        same = (folder / "out.bin").read_bytes()[: len(expected)] == expected
    ours, theirs = megabytes(texts) / seconds, megabytes(texts[:PEER_DOCUMENTS]) / peer_seconds
    print(f"ours: {ours:.1f} MB a CPU second to the finished .idx, {megabytes(texts):.0f} MB; RSS {peak:.0f} MB at most")
    print(f"the loop over tokenizers {tokenizers.__version__}: {theirs:.2f} MB a CPU second; the same bytes: {same}")
    return judge("ours / Megatron's loop", ours / theirs, 40) | (0 if same else 1)


if __name__ == "__main__":
    sys.exit(main())
