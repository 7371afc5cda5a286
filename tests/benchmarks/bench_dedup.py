"""Signatures and clusters against datasketch's MinHash and LSH with the same parameters, and against datatrove's signatures.

Run it: python tests/benchmarks/bench_dedup.py     (pip install datasketch datatrove)
"""

import re
import sys

from data_corpus import corpus, cpu_seconds, judge, megabytes

from data_tools.dedup.clusters import find_copies
from data_tools.dedup.signatures import BANDS, PERMUTATIONS, ROWS, SHINGLE_WORDS, sign

PEER_MEGABYTES = 2.0
DATATROVE_MEGABYTES = 0.5


def ours(texts: list[str]) -> int:
    slices = [sign(texts[begin : begin + 20]) for begin in range(0, len(texts), 20)]
    return int((find_copies(slices).kind > 0).sum())


def by_datasketch(texts: list[str]) -> int:
    import datasketch

    lsh = datasketch.MinHashLSH(num_perm=PERMUTATIONS, params=(BANDS, ROWS))
    copies = 0
    for number, text in enumerate(texts):
        words = re.findall(r"\w+", text.lower())
        runs = {" ".join(words[i : i + SHINGLE_WORDS]).encode() for i in range(len(words) - SHINGLE_WORDS + 1)}
        signature = datasketch.MinHash(num_perm=PERMUTATIONS)
        signature.update_batch(list(runs))
        copies += bool(lsh.query(signature))
        lsh.insert(str(number), signature)
    return copies


def by_datatrove(texts: list[str]) -> int:
    """Its signature stage alone, which is 95 % of its cost."""
    from datatrove.data import Document
    from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupSignature

    step = MinhashDedupSignature("/tmp/unused", MinhashConfig(num_buckets=14, hashes_per_bucket=8, n_grams=5))
    return len([step.get_signature(step.get_shingles(Document(text, str(n)).text)) for n, text in enumerate(texts)])


def main() -> int:
    texts = corpus(8.0)
    sign(texts[:20])
    seconds, copies = cpu_seconds(lambda: ours(texts))
    rate = megabytes(texts) / seconds
    print(f"ours: {rate:.1f} MB a CPU second, {copies} copies in {len(texts)} documents, {megabytes(texts):.1f} MB")
    missed = 0
    for name, peer, size, bar in (
        ("datasketch", by_datasketch, PEER_MEGABYTES, 5),
        ("datatrove", by_datatrove, DATATROVE_MEGABYTES, 50),
    ):
        few = corpus(size)
        try:
            seconds, _ = cpu_seconds(lambda peer=peer, few=few: peer(few))
        except Exception as error:  # another's code, and other versions of it; the reason is printed
            print(f"{name}: not measured ({type(error).__name__}: {str(error)[:150]})")
            continue
        print(f"{name}: {megabytes(few) / seconds:.2f} MB a CPU second")
        missed |= judge(f"ours / {name}", rate / (megabytes(few) / seconds), bar)
    return missed


if __name__ == "__main__":
    sys.exit(main())
