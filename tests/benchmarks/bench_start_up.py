"""How long the data of a run takes to open: an index of 20 million documents, 20 billion tokens.

    python tests/benchmarks/bench_start_up.py [--documents 20000000] [--folder DIR]

Decides: the measurement: a synthetic ``.idx`` (400 MB, on a warm disk) beside a ``.bin`` that is one hole, opened as the trainer
opens it, in a process of its own, and then a thousand samples read.
Does not: judge, except by its exit status (1 when a bar below is missed).
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy

MOST_SECONDS = 1.0
MOST_MEMORY_MB = 50
MOST_SAMPLE_SECONDS = 0.01
TOKENS_PER_DOCUMENT = 1000
CHILD = """
import json, resource, sys, time
from megatron_mathcoder.config.schema import ParallelSection, PlatformSection, DatasetSection, BlendPart
from megatron_mathcoder.platforms.ranks import Rank
from megatron_mathcoder.platforms.select import select_platform
select_platform(PlatformSection(name="cpu"), ParallelSection(), Rank(0, 0, 1, ""))
from megatron_mathcoder.dataset.blend import open_blend
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before, started = peak(), time.perf_counter()
section = DatasetSection(seq_length=8192, blend=(BlendPart(name="synthetic", prefix=sys.argv[1]),))
blend = open_blend(section, vocab_size=128_256, seed=1)
opened, memory = time.perf_counter() - started, peak() - before
started = time.perf_counter()
for number in range(0, blend.samples_per_epoch, blend.samples_per_epoch // 1000):
    blend.sample(number)
read = time.perf_counter() - started
print(json.dumps({"opened": opened, "memory": memory, "sample": read / 1000, "samples": blend.samples_per_epoch}))
"""


def write_index(prefix: Path, documents: int) -> None:
    """Write ``prefix.idx`` as megatron-core lays it out, and a ``prefix.bin`` of its length without a byte on disk."""
    lengths = numpy.full(documents, TOKENS_PER_DOCUMENT, dtype="<i4")
    with prefix.with_suffix(".idx").open("wb") as stream:
        stream.write(b"MMIDIDX\x00\x00" + numpy.array([1], "<u8").tobytes() + b"\x04")  # int32 tokens
        stream.write(numpy.array([documents, documents + 1], "<u8").tobytes())
        stream.write(lengths.tobytes())
        stream.write((numpy.arange(documents, dtype="<i8") * (4 * TOKENS_PER_DOCUMENT)).tobytes())
        stream.write(numpy.arange(documents + 1, dtype="<i8").tobytes())
    with prefix.with_suffix(".bin").open("wb") as stream:
        stream.truncate(4 * TOKENS_PER_DOCUMENT * documents)


def main() -> int:
    """Measure three times, print the middle one, and say whether the bars hold."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--documents", type=int, default=20_000_000)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        prefix = Path(folder) / "synthetic"
        write_index(prefix, arguments.documents)
        runs = []
        for _ in range(3):
            done = subprocess.run([sys.executable, "-c", CHILD, str(prefix)], capture_output=True, text=True, check=True)
            runs.append(json.loads(done.stdout.splitlines()[-1]))
    run = sorted(runs, key=lambda each: each["opened"])[1]
    print(
        f"{arguments.documents:,} documents of {TOKENS_PER_DOCUMENT} tokens, {run['samples']:,} samples: opened in "
        f"{run['opened']:.3f} s with {run['memory']:.0f} MB more at the peak, {run['sample'] * 1e6:.0f} µs a sample of 8192"
    )
    return int(run["opened"] > MOST_SECONDS or run["memory"] > MOST_MEMORY_MB or run["sample"] > MOST_SAMPLE_SECONDS)


if __name__ == "__main__":
    raise SystemExit(main())
