"""``mathcoder filter`` against a bare loop over the same file that scores it with fastText's own ``predict``.

Decides: the bare loop loads the model, reads and decodes the lines, and predicts; it keeps nothing. So the ratio is what the
stage's ledger costs: hashes of input and model, documents with their scores compressed, dropped rows, counts, renames. The
threshold keeps the share that MathCoder2 kept of OpenWebMath (4.8 of 13.7 billion tokens, arXiv 2410.08196; of CC-En far
less): every kept document is compressed. ``predict`` on texts that are in memory already is printed too.

Run it: python tests/benchmarks/bench_filter.py
"""

import json
import sys
import tempfile
from pathlib import Path

import fasttext
import orjson
from data_corpus import corpus, cpu_seconds, judge, megabytes

from data_tools.filters.fasttext_filter import run
from data_tools.filters.fasttext_model import SETTINGS, load, prepared, train, write_training_file

MEGABYTES = 60.0
KEPT_SHARE = 0.35


def bare_loop(source: Path, model_file: Path, threshold: float) -> int:
    model = fasttext.load_model(str(model_file))
    kept = 0
    with source.open("rb") as stream:
        for line in stream:
            labels, probabilities = model.predict([prepared(orjson.loads(line)["text"])], k=2)
            kept += dict(zip(labels[0], probabilities[0], strict=True))["__label__related"] >= threshold
    return kept


def threshold_that_keeps(share: float, model_file: Path, texts: list[str]) -> float:
    score = load(model_file).score
    return sorted((score(text) for text in texts), reverse=True)[round(share * len(texts))]


def main() -> int:
    texts = corpus(MEGABYTES)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source, model_file = folder / "in.jsonl", folder / "model.bin"
        write_training_file(folder / "training.txt", ((text, "\\" in text) for text in dict.fromkeys(texts)))
        train(folder / "training.txt", model_file, 1, SETTINGS)
        source.write_text("".join(json.dumps({"id": str(n), "text": text}) + "\n" for n, text in enumerate(texts)))
        model = fasttext.load_model(str(model_file))
        lines = [prepared(text) for text in texts]
        predict, _ = cpu_seconds(lambda: [model.predict([line], k=2) for line in lines])
        threshold = threshold_that_keeps(KEPT_SHARE, model_file, texts)
        bare, kept = cpu_seconds(lambda: bare_loop(source, model_file, threshold))
        given = ["--model", str(model_file), "--threshold", str(threshold), "--output", str(folder / "out"), "--workers", "1"]
        whole, _ = cpu_seconds(lambda: run([str(source), *given]))
        same = orjson.loads((folder / "out/manifest.json").read_bytes())["documents"] == kept
    print(f"{megabytes(texts):.1f} MB: predict alone {predict:.2f}, the bare loop {bare:.2f}, the stage {whole:.2f} s of CPU")
    print(f"stage / predict alone: {whole / predict:.2f} times; the same documents kept: {same}")
    return judge("stage / bare loop", whole / bare, 1.3, at_most=True) | (not same)


if __name__ == "__main__":
    sys.exit(main())
