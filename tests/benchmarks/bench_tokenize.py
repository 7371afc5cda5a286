"""``mathcoder tokenize`` against the loop of Megatron-LM's preprocess_data.py (``json.loads``, ``encode`` and a write for each
line) over Hugging Face tokenizers, for a byte-level BPE of 128,000 pieces: the same bytes, and how many times faster.

The BPE is tekken's first 128,000 pieces under Llama 3's pattern, so that no download is needed.

Run it: python tests/benchmarks/bench_tokenize.py
"""

import base64
import gzip
import itertools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import tokenizers
from data_corpus import SHARED_DATA, corpus, cpu_seconds, judge, megabytes

from data_tools.tokens.tiktoken_tokenizer import _LLAMA3_PATTERN

PIECES = 128_000
PEER_DOCUMENTS = 300
SIZE = 120.0


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


def tokenize(inputs: Path, output: Path, tokenizer: Path) -> tuple[float, float]:
    """Run the verb in a process of its own; return its CPU seconds and its largest memory in MB."""
    given = [str(inputs), "--tokenizer", str(tokenizer), "--output", str(output), "--workers", "1"]
    process = subprocess.Popen([sys.executable, "-m", "megatron_mathcoder", "tokenize", *given], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"mathcoder tokenize ended with {status}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> int:
    texts = corpus(SIZE)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_tokenizer(folder / "tokenizer.json")
        lines = [json.dumps({"text": text}) for text in texts]
        (folder / "in.jsonl").write_text("\n".join(lines) + "\n")
        (folder / "one.jsonl").write_text(lines[0] + "\n")
        start, _ = tokenize(folder / "one.jsonl", folder / "one", folder / "tokenizer.json")
        seconds, peak = tokenize(folder / "in.jsonl", folder / "out", folder / "tokenizer.json")
        peer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        few = lines[:PEER_DOCUMENTS]
        peer_seconds, _ = cpu_seconds(lambda: megatron_loop(few, peer, folder / "peer.bin"))
        expected = (folder / "peer.bin").read_bytes()
        same = (folder / "out.bin").read_bytes()[: len(expected)] == expected
    ours, theirs = megabytes(texts) / (seconds - start), megabytes(texts[:PEER_DOCUMENTS]) / peer_seconds
    print(
        f"ours: {megabytes(texts):.0f} MB in {seconds:.1f} s of CPU, {start:.1f} of them to start, {ours:.1f} MB/s; {peak:.0f} MB"
    )
    print(f"the loop over tokenizers {tokenizers.__version__}, without its start: {theirs:.2f} MB/s; the same bytes: {same}")
    return judge("ours / Megatron's loop", ours / theirs, 40) | judge("RSS in MB", peak, 300, at_most=True) | (0 if same else 1)


if __name__ == "__main__":
    sys.exit(main())
