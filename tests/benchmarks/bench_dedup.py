"""``mathcoder dedup`` against datatrove's MinHash and datasketch's MinHash with LSH: whole jobs on the same file, the same bands.

Decides: each job runs in a process of its own with one worker, from JSONL to the documents that are left (datasketch, a library,
to their number); imports are not counted. datatrove hashes by sha1, since its xxhash fails with xxhash 4, and keeps numbers.

Run it: python tests/benchmarks/bench_dedup.py     (the peers: pip install -c constraints.txt -e '.[bench]', as make bench does)
"""

import gzip
import json
import multiprocessing
import re
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import orjson
from data_corpus import corpus, cpu_seconds, judge, megabytes

from data_tools.dedup.dedup import run
from data_tools.dedup.signatures import BANDS, PERMUTATIONS, ROWS, SHINGLE_WORDS

MEGABYTES = 12.0
BARS = {"datatrove": 50, "datasketch": 5}


def ours(source: Path, folder: Path) -> tuple[float, int]:
    seconds, _ = cpu_seconds(lambda: run([str(source), "--output", str(folder / "ours"), "--workers", "1"]))
    return seconds, orjson.loads((folder / "ours/manifest.json").read_bytes())["dropped"]


def by_datasketch(source: Path, folder: Path) -> tuple[float, int]:
    import datasketch

    def work() -> int:
        lsh = datasketch.MinHashLSH(num_perm=PERMUTATIONS, params=(BANDS, ROWS))
        copies = 0
        for row in map(orjson.loads, source.read_bytes().splitlines()):
            words = re.findall(r"\w+", row["text"].lower())
            runs = {" ".join(words[i : i + SHINGLE_WORDS]).encode() for i in range(len(words) - SHINGLE_WORDS + 1)}
            signature = datasketch.MinHash(num_perm=PERMUTATIONS)
            signature.update_batch(list(runs))
            copies += bool(lsh.query(signature))
            lsh.insert(row["id"], signature)
        return copies

    return cpu_seconds(work)


def by_datatrove(source: Path, folder: Path) -> tuple[float, int]:
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup import minhash
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers import JsonlWriter
    from datatrove.utils.hashing import HashConfig
    from datatrove.utils.text import TextNormConfig
    from loguru import logger

    logger.remove()
    config = minhash.MinhashConfig(
        n_grams=SHINGLE_WORDS,
        num_buckets=BANDS,
        hashes_per_bucket=ROWS,
        norm_config=TextNormConfig(norm_numbers=False),
        hash_config=HashConfig(hash_fc="sha1"),
    )
    at = {
        name: str(folder / f"datatrove/{name}") for name in ("signatures", "buckets", "clusters", "documents", "dropped", "logs")
    }
    reader = JsonlReader(str(source.parent), glob_pattern=source.name)
    stages = [
        ([reader, minhash.MinhashDedupSignature(at["signatures"], config)], 1),
        ([minhash.MinhashDedupBuckets(at["signatures"], at["buckets"], config=config)], BANDS),
        ([minhash.MinhashDedupCluster(at["buckets"], at["clusters"], config)], 1),
        ([reader, minhash.MinhashDedupFilter(at["clusters"], JsonlWriter(at["dropped"])), JsonlWriter(at["documents"])], 1),
    ]
    # The word tokenizer is made at its first text: a cost of starting.
    stages[0][0][1].get_shingles("some words to begin with")

    def work() -> None:
        for number, (pipeline, tasks) in enumerate(stages):
            LocalPipelineExecutor(pipeline, tasks=tasks, workers=1, logging_dir=f"{at['logs']}/{number}").run()

    seconds, _ = cpu_seconds(work)
    dropped = Path(at["dropped"]).rglob("*.jsonl.gz")
    return seconds, sum(len(gzip.decompress(path.read_bytes()).splitlines()) for path in dropped)


def alone(job: Callable[[Path, Path], tuple[float, int]], source: Path, folder: Path) -> tuple[float, int]:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as executor:
        return executor.submit(job, source, folder).result()


def main() -> int:
    texts = corpus(MEGABYTES)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "in/documents.jsonl"
        source.parent.mkdir()
        source.write_text("".join(json.dumps({"id": str(n), "text": text}) + "\n" for n, text in enumerate(texts)))
        seconds, copies = alone(ours, source, folder)
        rate = megabytes(texts) / seconds
        print(f"ours: {rate:.1f} MB a CPU second, {copies} copies in {len(texts)} documents, {megabytes(texts):.1f} MB")
        missed = 0
        for peer, job in (("datatrove", by_datatrove), ("datasketch", by_datasketch)):
            try:
                seconds, copies = alone(job, source, folder)
            except ImportError as error:
                print(f"{peer}: not measured ({error}); pip install -c constraints.txt -e '.[bench]'")
                continue
            print(f"{peer}: {megabytes(texts) / seconds:.2f} MB a CPU second, {copies} copies")
            missed |= judge(f"ours / {peer}", rate / (megabytes(texts) / seconds), BARS[peer])
    return missed


if __name__ == "__main__":
    sys.exit(main())
