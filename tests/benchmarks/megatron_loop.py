"""What Megatron-LM's tools/preprocess_data.py does, with its own builder: a pool that parses and encodes lines in chunks of 32,
and a parent that writes each document.

Less than the script: it leaves out ``megatron.training`` and transformers, which the script imports and this does not need.

Run by bench_tokenize.py: python megatron_loop.py IN.jsonl TOKENIZER.json PREFIX EOD
"""

import json
import multiprocessing
import sys
from pathlib import Path

import numpy as np
import tokenizers
from megatron.core.datasets.indexed_dataset import DType, IndexedDatasetBuilder

CHUNK = 32
tokenizer: tokenizers.Tokenizer


def load(path: str) -> None:
    global tokenizer
    tokenizer = tokenizers.Tokenizer.from_file(path)
    tokenizer.encode_special_tokens = True


def encode(line: str) -> tuple[list[int], list[int]]:
    ids = tokenizer.encode(json.loads(line)["text"], add_special_tokens=False).ids
    ids.append(int(sys.argv[4]))
    return ids, [len(ids)]


def main(inputs: str, path: str, prefix: str) -> None:
    load(path)
    builder = IndexedDatasetBuilder(f"{prefix}.bin", dtype=DType.optimal_dtype(tokenizer.get_vocab_size()))
    with Path(inputs).open(encoding="utf-8") as stream, multiprocessing.Pool(1, initializer=load, initargs=(path,)) as pool:
        for ids, lengths in pool.imap(encode, stream, CHUNK):
            builder.add_document(np.array(ids, dtype=np.int64), lengths)
        builder.finalize(f"{prefix}.idx")
        pool.close()
        pool.join()


if __name__ == "__main__":
    main(*sys.argv[1:4])
