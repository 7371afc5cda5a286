"""``mathcoder tokenize`` against what Megatron-LM's preprocess_data.py does (``megatron_loop.py``), for a byte-level BPE of
128,000 pieces over text of which no document is there twice: the same bytes, CPU seconds with both starts, memory.

The text is all of the corpora beside the repository ("small"), then with the Python sources of the installed packages ("large").
Documents are in the order of their hashes, so any beginning of the file is like the whole. The peer reads a beginning
(``PEER_MB``); its rate without its start is taken for the rest. All are measured in turns, and the middle ratio counts.

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
from statistics import median

from bpe_vocabulary import END_OF_TEXT, write_tokenizer
from data_corpus import corpus, judge
from process_tree import Taken, measured

ROUNDS = 3
PEERS = ("core", "bare")
"""The loop with megatron-core's tokenizer, as the script has it, and with nothing above the library that encodes."""
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


def peer(kind: str, text: Text, tokenizer: Path, prefix: Path) -> Taken:
    script = Path(__file__).with_name("megatron_loop.py")
    return measured([sys.executable, str(script), kind, str(text.path), str(tokenizer.parent), str(prefix), str(END_OF_TEXT)])


def same(one: Path, other: Path) -> bool:
    return all(Path(f"{one}{suffix}").read_bytes() == Path(f"{other}{suffix}").read_bytes() for suffix in SUFFIXES)


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tokenizer = folder / "tokenizer.json"
        write_tokenizer(tokenizer)
        config = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|end_of_text|>"}
        tokenizer.with_name("tokenizer_config.json").write_text(json.dumps(config))
        books = corpus(WHOLE_MB)
        everything = [*books, *sources()]
        one, few = write(folder / "one.jsonl", ["x = 1"]), write(folder / "few.jsonl", everything, PEER_MB)
        small, large = write(folder / "small.jsonl", books), write(folder / "large.jsonl", everything)
        del books, everything
        ours(few, tokenizer, folder / "few")
        rounds: list[dict[tuple[str, Text], float]] = []
        identical, memory = True, []
        for _ in range(ROUNDS):
            ratios = {}
            start = ours(one, tokenizer, folder / "one").seconds
            taken = {text: ours(text, tokenizer, folder / "out") for text in (small, large)}
            for text, each in taken.items():
                steady = text.mb / (each.seconds - start)
                print(
                    f"{text.mb:.0f} MB: {each.seconds:.2f} s with the start of {start:.2f} s, {steady:.1f} MB/s without; "
                    f"a process {each.process_mb:.0f} MB, all of them {each.tree_mb:.0f}"
                )
                memory.append(each.process_mb)
            for kind in PEERS:
                peer_start = peer(kind, one, tokenizer, folder / "peer_one").seconds
                rate = few.mb / (peer(kind, few, tokenizer, folder / "peer").seconds - peer_start)
                identical &= same(folder / "few", folder / "peer")
                print(f"Megatron's loop, {kind}: start {peer_start:.2f} s, {rate:.2f} MB/s without")
                ratios |= {(kind, text): (peer_start + text.mb / rate) / each.seconds for text, each in taken.items()}
            rounds.append(ratios)
        two = ours(large, tokenizer, folder / "two", workers=2)
        identical &= same(folder / "out", folder / "two")
        print(f"two workers: a process {two.process_mb:.0f} MB, all of them {two.tree_mb:.0f}")
    print(f"the same bytes as the peer's, and by two workers: {identical}")
    middle = {key: median(ratios[key] for ratios in rounds) for key in rounds[0]}
    for (kind, text), ratio in middle.items():
        print(f"with both starts on {text.mb:.0f} MB, against {kind}: {ratio:.1f} times")
    missed = judge(f"with both starts on {large.mb:.0f} MB, against core", middle["core", large], 40)
    missed |= judge("RSS of a process", max(*memory, two.process_mb), 300, at_most=True, unit="MB")
    return missed | (0 if identical else 1)


if __name__ == "__main__":
    sys.exit(main())
