"""``mathcoder filter`` against fastText's own ``predict`` on the same texts: how much reading, writing and accounting add.

Run it: python tests/benchmarks/bench_filter.py
"""

import json
import sys
import tempfile
from pathlib import Path

import fasttext
from data_corpus import corpus, cpu_seconds, judge, megabytes

from data_tools.filters.fasttext_filter import run
from data_tools.filters.fasttext_model import SETTINGS, prepared, train, write_training_file


def main() -> int:
    texts = corpus(20.0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_training_file(folder / "training.txt", ((text[:2000], "\\" in text) for text in texts[:1500]))
        train(folder / "training.txt", folder / "model.bin", 1, SETTINGS)
        (folder / "in.jsonl").write_text("".join(json.dumps({"id": str(n), "text": text}) + "\n" for n, text in enumerate(texts)))
        model = fasttext.load_model(str(folder / "model.bin"))
        lines = [prepared(text) for text in texts]
        raw, _ = cpu_seconds(lambda: [model.predict([line], k=2) for line in lines])
        given = ["--model", str(folder / "model.bin"), "--threshold", "0.5", "--output", str(folder / "out"), "--workers", "1"]
        whole, _ = cpu_seconds(lambda: run([str(folder / "in.jsonl"), *given]))
    print(f"{megabytes(texts):.1f} MB: raw predict {raw:.2f}, the stage {whole:.2f} s of CPU")
    return judge("stage / raw predict", whole / raw, 1.3, at_most=True)


if __name__ == "__main__":
    sys.exit(main())
