"""How fast and how small the converter is, beside a plain copy of the same bytes in the same run.

    python tests/benchmarks/bench_convert.py [--size 1b|8b] [--rounds 5] [--folder DIR]

Decides: the measurement: in turn a copy of the Hugging Face files, import, a copy of the checkpoint's files, export, each a
process that syncs what it wrote. A conversion is measured against the copies of what it reads, which leave in the page cache
what fits.
Does not: judge, except by its exit status (1 when a bar below is missed). It writes random weights of ``--size`` into
``--folder`` (twice that much more is needed for what is made of them) and removes all it wrote.
"""

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy

from checkpoints_convert.dtypes import DTYPES
from checkpoints_convert.hf_config import write_config
from checkpoints_convert.hf_output import hf_shapes, json_bytes
from checkpoints_convert.llama_family import family_of
from checkpoints_convert.safetensors_stream import make_shards, whole_tensor
from checkpoints_convert.stored_tensor import StoredTensor
from checkpoints_convert.tokenizer_files import Tokenizer
from checkpoints_convert.torch_dist import read_torch_dist
from megatron_mathcoder.config.architectures import LLAMA3_8B, padded_vocab_size
from megatron_mathcoder.config.schema import ModelConfig

MOST_COPIES = 1.2
"""Wall time against a synced copy of the files that are read."""
MOST_RSS_MB = 64
MOST_STARTUP_SECONDS = 0.3
MOST_READ = 1.2
"""Bytes a tensor-parallel rank of 8 reads, against bytes it needs."""
SIZES = {
    "1b": replace(
        LLAMA3_8B,
        architecture="llama",
        num_layers=22,
        hidden_size=2048,
        ffn_hidden_size=5632,
        kv_channels=64,
        vocab_size=32_000,
    ),
    "8b": LLAMA3_8B,
}


class Measured(NamedTuple):
    """One process: wall seconds and peak resident megabytes."""

    seconds: float
    rss_mb: float


def random_model(folder: Path, model: ModelConfig) -> int:
    """Write a Hugging Face folder of random bf16 weights; returns its bytes."""
    family = family_of(model)
    stored = {rule.key: whole_tensor(rule.key, "BF16", (1,), folder, 0) for rule in family.rules(model)}
    shards, index = make_shards(hf_shapes(family, model, stored), folder)
    # The top bit of the exponent is cleared: no NaN, no infinity.
    noise = (numpy.frombuffer(os.urandom(1 << 24), "<u2") & 0xBFFF).tobytes()
    for shard in shards:
        path = next(iter(shard.tensors.values())).blocks[0].path
        with path.open("wb") as file:
            file.write(shard.header)
            for start in range(len(shard.header), shard.file_bytes, len(noise)):
                file.write(noise[: shard.file_bytes - start])
    if index is not None:
        (folder / "model.safetensors.index.json").write_bytes(json_bytes(index))
    (folder / "config.json").write_bytes(json_bytes(write_config(family, model, "BF16", Tokenizer({}))))
    return sum(shard.file_bytes for shard in shards)


def measure(command: list[str]) -> Measured:
    """Run a command to its end. The peak is read while it runs: what ``wait4`` says counts this process before its exec."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    peak, status = 0, Path(f"/proc/{process.pid}/status")
    while process.poll() is None:
        with contextlib.suppress(OSError, StopIteration):
            line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
            peak = int(line.split()[1])
        time.sleep(0.005)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    return Measured(time.perf_counter() - start, peak / 1024)


def verb(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "megatron_mathcoder", *map(str, arguments)]


def copy(files: str, target: Path) -> list[str]:
    return ["sh", "-c", f"mkdir '{target}' && cp {files} '{target}' && sync '{target}'/*"]


def read_amplification(tensors: dict[str, StoredTensor], model: ModelConfig, ranks: int) -> float:
    """Most bytes any of ``ranks`` tensor-parallel ranks reads, whole chunks only, against what it needs."""
    item = DTYPES["BF16"].item_bytes
    worst = 0.0
    padded = padded_vocab_size(model, ranks)
    for rank in range(ranks):
        read = needed = 0
        for rule in family_of(model).rules(model):
            tensor = tensors[rule.key]
            layers = max(1, rule.layers(model))
            rows, columns = tensor.rows // layers, tensor.row_bytes // item
            spans = [(0, rows, 0, columns)]
            if rule.shard_axis == 1:
                spans = [(0, rows, rank * columns // ranks, (rank + 1) * columns // ranks)]
            elif rule.shard_axis == 0 and "fc1" in rule.key:
                half = rows // 2
                slices = [part * half + number * half // ranks for part in (0, 1) for number in (rank, rank + 1)]
                spans = [(slices[0], slices[1], 0, columns), (slices[2], slices[3], 0, columns)]
            elif rule.shard_axis == 0 and rule.layers(model):
                spans = [(rank * rows // ranks, (rank + 1) * rows // ranks, 0, columns)]
            elif rule.shard_axis == 0:
                spans = [(min(rows, rank * padded // ranks), min(rows, (rank + 1) * padded // ranks), 0, columns)]
            needed += layers * sum((high - low) * (right - left) * item for low, high, left, right in spans)
            for block in tensor.blocks:
                row, left, right = block.row % rows, block.column // item, (block.column + block.width) // item
                if any(row < high and row + block.rows > low and left < b and right > a for low, high, a, b in spans):
                    read += block.rows * block.width
        worst = max(worst, read / needed)
    return worst


def rounds(folder: Path, source: Path, count: int) -> dict[str, list[Measured]]:
    """The interleaved measurements by name."""
    found: dict[str, list[Measured]] = {
        name: [] for name in ("copy for import-hf", "import-hf", "copy for export-hf", "export-hf")
    }
    for _ in range(count):
        for name, command, made in (
            ("copy for import-hf", copy(f"'{source}'/*.safetensors", folder / "copy"), "copy"),
            ("import-hf", verb("import-hf", source, folder / "checkpoint"), ""),
            ("copy for export-hf", copy(f"'{folder / 'checkpoint'}'/*.distcp", folder / "copy"), "copy"),
            ("export-hf", verb("export-hf", folder / "checkpoint", folder / "hf"), "hf"),
        ):
            found[name].append(measure(command))
            if made:
                shutil.rmtree(folder / made)
            subprocess.run(["sync"], check=True)
        if len(found["import-hf"]) < count:
            shutil.rmtree(folder / "checkpoint")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure import-hf and export-hf beside a synced copy.")
    parser.add_argument("--size", choices=SIZES, default="1b")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="where there is room")
    arguments = parser.parse_args()
    model = SIZES[arguments.size]
    arguments.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        source = folder / "source"
        source.mkdir()
        size = random_model(source, model)
        found = rounds(folder, source, arguments.rounds)
        amplification = read_amplification(read_torch_dist(folder / "checkpoint"), model, 8)
    startup = min(measure(verb("import-hf", "--help")).seconds for _ in range(5))
    report = {"gigabytes": round(size / 1e9, 2), "startup_seconds": round(startup, 3), "read_at_tp8": round(amplification, 3)}
    passed = startup <= MOST_STARTUP_SECONDS and amplification <= MOST_READ
    for name, runs in found.items():
        median, rss = statistics.median(each.seconds for each in runs), max(each.rss_mb for each in runs)
        report[name] = {"median_seconds": round(median, 2), "rss_mb": round(rss, 1)}
        report[name]["fastest_seconds"] = round(min(each.seconds for each in runs), 2)
        if copies := found.get(f"copy for {name}"):
            ratio = median / statistics.median(each.seconds for each in copies)
            report[name]["copies"] = round(ratio, 2)
            passed &= ratio <= MOST_COPIES and rss <= MOST_RSS_MB
    print(json.dumps(report | {"passed": passed}, indent=1))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
