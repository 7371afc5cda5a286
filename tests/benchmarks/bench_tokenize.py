"""``mathcoder tokenize`` against what Megatron-LM's preprocess_data.py does (``megatron_loop.py``), for a byte-level BPE of
128,000 pieces over text of which no document is there twice: the same bytes, CPU seconds with both starts, memory.

The text is all of the corpora beside the repository ("small"), then with the Python sources of the installed packages ("large").
Documents are in the order of their hashes, so any beginning of the file is like the whole. The peer reads a beginning
(``PEER_MB``); its rate without its start is taken for the rest.

Run it: python tests/benchmarks/bench_tokenize.py
"""

import hashlib
import json
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bpe_vocabulary import END_OF_TEXT, write_tokenizer
from data_corpus import corpus, judge
from process_tree import Taken, measured

PEER_MB = 12.0
WHOLE_MB = 30.0
"""More than there is: the rest are repetitions, which are left out."""
SUFFIXES = (".bin", ".idx")


@dataclass(frozen=True, slots=True)
class Text:
    """A JSONL file and the megabytes of text in it."""

    path: Path
    mb: float


def sources() -> Iterator[str]:
    """Yield the Python files of the installed packages."""
    for path in sorted(Path(sysconfig.get_paths()["purelib"]).rglob("*.py")):
        yield path.read_text(errors="replace")


def write(path: Path, texts: list[str], limit_mb: float = float("inf")) -> Text:
    """Write each text once, in the order of their hashes."""
    ordered = {hashlib.sha256(text.encode()).digest(): text for text in texts if text.strip()}
    done = 0.0
    with path.open("w") as stream:
        for _, text in sorted(ordered.items()):
            if done > limit_mb:
                break
            stream.write(json.dumps({"text": text}) + "\n")
            done += len(text.encode()) / 1e6
    return Text(path, done)


def ours(text: Text, tokenizer: Path, prefix: Path, workers: int = 1) -> Taken:
    given = [
        "tokenize",
        str(text.path),
        "--tokenizer",
        str(tokenizer),
        "--output",
        str(prefix),
        "--workers",
        str(workers),
        "--overwrite",
    ]
    return measured([sys.executable, "-m", "megatron_mathcoder", *given])


def peer(text: Text, tokenizer: Path, prefix: Path) -> Taken:
    script = Path(__file__).with_name("megatron_loop.py")
    return measured([sys.executable, str(script), str(text.path), str(tokenizer), str(prefix), str(END_OF_TEXT)])


def same(one: Path, other: Path) -> bool:
    return all(Path(f"{one}{suffix}").read_bytes() == Path(f"{other}{suffix}").read_bytes() for suffix in SUFFIXES)


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tokenizer = folder / "tokenizer.json"
        write_tokenizer(tokenizer)
        books = corpus(WHOLE_MB)
        everything = [*books, *sources()]
        one, few = write(folder / "one.jsonl", ["x = 1"]), write(folder / "few.jsonl", everything, PEER_MB)
        small, large = write(folder / "small.jsonl", books), write(folder / "large.jsonl", everything)
        del books, everything
        start, peer_start = ours(one, tokenizer, folder / "one"), peer(one, tokenizer, folder / "peer_one")
        ours(few, tokenizer, folder / "few")
        peer_taken = peer(few, tokenizer, folder / "peer")
        identical = same(folder / "few", folder / "peer")
        peer_rate = few.mb / (peer_taken.seconds - peer_start.seconds)
        print(f"start: ours {start.seconds:.2f} s of CPU, the peer {peer_start.seconds:.2f}")
        print(f"the peer: {few.mb:.1f} MB at {peer_rate:.2f} MB/s without its start; the same bytes: {identical}")
        ratios, memory = [], []
        for text in (small, large):
            taken = ours(text, tokenizer, folder / "out")
            steady = text.mb / (taken.seconds - start.seconds)
            print(
                f"{text.mb:.0f} MB: {taken.seconds:.2f} s, {text.mb / taken.seconds:.1f} MB/s with start, {steady:.1f} without "
                f"({steady / peer_rate:.0f} times); a process {taken.process_mb:.0f} MB, all of them {taken.tree_mb:.0f}"
            )
            ratios.append((peer_start.seconds + text.mb / peer_rate) / taken.seconds)
            memory.append(taken.process_mb)
        two = ours(large, tokenizer, folder / "two", workers=2)
        identical &= same(folder / "out", folder / "two")
        print(f"two workers: a process {two.process_mb:.0f} MB, all of them {two.tree_mb:.0f}; same bytes: {identical}")
    print(f"with both starts on {small.mb:.0f} MB: {ratios[0]:.1f} times")
    missed = judge(f"with both starts on {large.mb:.0f} MB", ratios[1], 40)
    missed |= judge("RSS of a process", max(*memory, two.process_mb), 300, at_most=True, unit="MB")
    return missed | (0 if identical else 1)


if __name__ == "__main__":
    sys.exit(main())
