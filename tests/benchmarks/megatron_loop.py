"""What Megatron-LM's tools/preprocess_data.py does, with megatron-core's own tokenizer and builder: a pool that parses and
encodes lines in chunks of 32, and a parent that writes each document.

Less than the script: it leaves out ``megatron.training``, which is in no package. ``bare`` also leaves out transformers, through
which megatron-core encodes, for the library below it: the fastest that this loop can be with the same ids.

Run by bench_tokenize.py: python megatron_loop.py {core,bare} IN.jsonl FOLDER_OF_TOKENIZER PREFIX EOD
"""

import json
import multiprocessing
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from megatron.core.datasets.indexed_dataset import DType, IndexedDatasetBuilder

CHUNK = 32
text_to_ids: Callable[[str], list[int]]


def load(kind: str, folder: str) -> int:
    """Load the tokenizer of this process, and return its number of ids."""
    global text_to_ids
    if kind == "core":
        from megatron.core.tokenizers.text.libraries.huggingface_tokenizer import HuggingFaceTokenizer

        tokenizer = HuggingFaceTokenizer(folder, use_fast=True)
        text_to_ids = tokenizer.text_to_ids
        return int(tokenizer.original_vocab_size)
    import tokenizers

    bare = tokenizers.Tokenizer.from_file(f"{folder}/tokenizer.json")
    bare.encode_special_tokens = True
    text_to_ids = lambda text: bare.encode(text, add_special_tokens=False).ids  # noqa: E731
    return int(bare.get_vocab_size())


def encode(line: str) -> tuple[list[int], list[int]]:
    ids = text_to_ids(json.loads(line)["text"])
    ids.append(int(sys.argv[5]))
    return ids, [len(ids)]


def main(kind: str, inputs: str, folder: str, prefix: str) -> None:
    builder = IndexedDatasetBuilder(f"{prefix}.bin", dtype=DType.optimal_dtype(load(kind, folder)))
    with (
        Path(inputs).open(encoding="utf-8") as stream,
        multiprocessing.Pool(1, initializer=load, initargs=(kind, folder)) as pool,
    ):
        for ids, lengths in pool.imap(encode, stream, CHUNK):
            builder.add_document(np.array(ids, dtype=np.int64), lengths)
        builder.finalize(f"{prefix}.idx")
        pool.close()
        pool.join()


if __name__ == "__main__":
    main(*sys.argv[1:5])
