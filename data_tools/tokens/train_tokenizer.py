"""``mathcoder train-tokenizer``: documents to a SentencePiece BPE model.

Decides: the sample it learns from, the settings of the model (``SETTINGS``, each with its reason), and what is left: for
``NAME.model`` also ``NAME.manifest.json`` and ``NAME.rejected.jsonl`` (rows ``file``, ``line``, ``reason``).
Does not: implement BPE (sentencepiece does), or encode a corpus (``tokenize.py``).

The sample is the documents with the smallest keyed hash of their text, up to a number of bytes. So it needs one pass and bounded
memory, and depends on the seed and the documents but not on the order of files.
"""

import argparse
import hashlib
import heapq
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import sentencepiece
import xxhash

from data_tools.arguments import (
    INPUT_HELP,
    add_max_reject_fraction,
    add_overwrite,
    add_text_field,
    output_path,
    positive_int,
    seed,
)
from data_tools.inputs import InputSlice, find_files
from data_tools.manifest import Record, check_rejected, code_version, finished_manifest, identity
from data_tools.parts import atomic_file, write_json
from data_tools.pool import available_cpus
from data_tools.progress import Progress
from data_tools.row_fields import check_text_field, text_of
from data_tools.rows import BadRow, RowReader
from data_tools.stage import scan_inputs
from data_tools.tokens.tokenizer import tokenizer_from_bytes
from megatron_mathcoder.config.errors import DataError

MAX_LINE_LENGTH = 2**16
"""Bytes of a line beyond which it is not learned from; minified data teaches no useful pieces."""

SETTINGS: dict[str, Any] = {
    "model_type": "bpe",
    # Any text must come back from its ids: what has no piece is spelled in bytes, as in Llama 2.
    "byte_fallback": True,
    "character_coverage": 0.9999,
    # Numbers are read digit by digit, which arithmetic needs.
    "split_digits": True,
    # Code is exact: no Unicode normalisation, no space added in front, no run of spaces shortened.
    "normalization_rule_name": "identity",
    "add_dummy_prefix": False,
    "remove_extra_whitespaces": False,
    # Indentation becomes pieces of 2, 4, 8 … spaces instead of one token per space.
    "allow_whitespace_only_pieces": True,
    # Llama's numbering; no padding piece, since packed samples have no padding.
    "unk_id": 0,
    "bos_id": 1,
    "eos_id": 2,
    "pad_id": -1,
    "max_sentence_length": MAX_LINE_LENGTH,
    # The number of threads is written into the model, so another number would give another file.
    "num_threads": 1,
    "minloglevel": 2,
}
"""Arguments of ``SentencePieceTrainer.train``.

Round trip: ``decode(encode(x)) == x`` for text without U+2581 (``▁``), the sign SentencePiece writes for a space; it comes back
as a space. It learns from lines, so a newline is its byte piece ``<0x0A>`` and no piece crosses one.
"""


class DocumentSample:
    """Keeps the texts with the smallest hashes: as many as fit ``max_bytes`` of UTF-8 (the first may exceed it alone)."""

    def __init__(self, max_bytes: int, seed: int) -> None:
        self._max_bytes, self._seed = max_bytes, seed
        self._heap: list[tuple[int, bytes]] = []
        self._bytes = 0
        self._limit = 2**64

    def offer(self, text: str) -> None:
        """Take the text in, and let the largest hashes go when there is too much."""
        raw = text.encode()
        key = xxhash.xxh3_64_intdigest(raw, seed=self._seed)
        if key >= self._limit:
            return
        heapq.heappush(self._heap, (-key, raw))
        self._bytes += len(raw)
        while self._bytes > self._max_bytes and len(self._heap) > 1:
            negative_key, gone = heapq.heappop(self._heap)
            self._bytes -= len(gone)
            # A short text with a larger hash could use the room left, but then the sample would depend on the order.
            self._limit = -negative_key

    def lines(self) -> Iterator[str]:
        """Yield the lines of the sample in the order of the hashes."""
        for _, raw in sorted(self._heap, reverse=True):
            yield from (line for line in raw.decode().split("\n") if line)

    @property
    def documents(self) -> int:
        """Texts kept."""
        return len(self._heap)

    @property
    def bytes(self) -> int:
        """UTF-8 bytes kept."""
        return self._bytes


def take_sample(pieces: Sequence[InputSlice], text_field: str, sample: DocumentSample, rejects: IO[bytes]) -> tuple[int, int]:
    """Offer every document to ``sample``; return the number of rows and of unusable rows, which are written to ``rejects``."""
    rows = rejected = done_bytes = 0
    with Progress("sample", sum(piece.bytes for piece in pieces), "documents") as progress:
        for piece in pieces:
            reader = RowReader(piece, columns=[text_field])
            for row in reader:
                rows += 1
                text = row if isinstance(row, BadRow) else text_of(row, text_field)
                if isinstance(text, str):
                    sample.offer(text)
                else:
                    rejected += 1
                    rejects.write(text.to_json_line(piece.path))
                progress.show(done_bytes + reader.bytes_read, rows)
            done_bytes += piece.bytes
    return rows, rejected


def train(lines: Iterator[str], vocab_size: int) -> bytes:
    """Return a serialised SentencePiece model of exactly ``vocab_size`` pieces. The same lines give the same bytes.

    Raises DataError: the lines do not hold enough pieces (the message names how many), or fewer were asked for than are needed.
    """
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(sentence_iterator=lines, model_writer=model, vocab_size=vocab_size, **SETTINGS)
    except RuntimeError as error:
        raise DataError(_explain(str(error), vocab_size)) from None
    return model.getvalue()


def _explain(message: str, vocab_size: int) -> str:
    if too_high := re.search(r"value <= (\d+)", message):
        return (
            f"the sample holds too little text for --vocab-size {vocab_size}; at most {too_high[1]} pieces can be learned from it"
        )
    if too_low := re.search(r"required_chars\. \d+ vs (\d+)", message):
        return f"--vocab-size {vocab_size} is too small; the bytes and single characters of this sample alone need {too_low[1]}"
    return f"sentencepiece could not train on the sample: {' '.join(message.split())}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mathcoder train-tokenizer", description="Documents to a SentencePiece BPE model.")
    parser.add_argument("inputs", nargs="+", metavar="DOCUMENTS", help=INPUT_HELP)
    parser.add_argument("--output", type=output_path, required=True, metavar="FILE", help="the model to write: tokenizer.model")
    parser.add_argument(
        "--vocab-size", type=positive_int, required=True, metavar="N", help="pieces, bytes and control pieces included"
    )
    add_text_field(parser)
    parser.add_argument(
        "--sample-bytes",
        type=positive_int,
        default=2**25,
        metavar="N",
        help="text to learn from; it is held in memory (default: %(default)s)",
    )
    parser.add_argument("--seed", type=seed, default=0, help="which documents the sample takes (default: %(default)s)")
    add_max_reject_fraction(parser)
    add_overwrite(parser)
    return parser


def run(argv: list[str]) -> int:
    """Run the verb. Raises DataError for what a person can mend."""
    options = _parser().parse_args(argv)
    output: Path = options.output
    files = scan_inputs(find_files(options.inputs), available_cpus())
    settings = {name: getattr(options, name) for name in ("vocab_size", "text_field", "sample_bytes", "seed")}
    wanted = identity("train-tokenizer", settings, [file.manifest_entry() for file in files])
    if _is_finished(output, wanted, options.overwrite):
        print(f"{output} is already there, from the same documents and settings; nothing to do")
        return 0
    pieces = [piece for file in files for piece in file.slices]
    if not pieces:
        raise DataError(f"the {len(files)} input files are empty; there is nothing to learn from")
    check_text_field(pieces[0], options.text_field)
    output.parent.mkdir(parents=True, exist_ok=True)
    sample = DocumentSample(options.sample_bytes, options.seed)
    rejects_path = output.with_suffix(".rejected.jsonl")
    with atomic_file(rejects_path) as rejects:
        rows, rejected = take_sample(pieces, options.text_field, sample, rejects)
    check_rejected(rejected, rows, options.max_reject_fraction, rejects_path)
    if sample.documents == 0:
        raise DataError(f"no documents in {len(files)} input files ({rejected} rejected rows); see {rejects_path}")
    share = f"{sample.documents} of {rows - rejected} documents"
    print(f"learning {options.vocab_size} pieces from {share}, {sample.bytes / 1e6:.1f} MB", flush=True)
    model = train(sample.lines(), options.vocab_size)
    counts = {"rows": rows, "documents": rows - rejected, "rejected": rejected}
    counts |= {"sample_documents": sample.documents, "sample_bytes": sample.bytes}
    _publish(output, model, wanted | counts)
    print(f"{output}: SentencePiece BPE, {options.vocab_size} pieces")
    return 0


def _is_finished(output: Path, wanted: Record, overwrite: bool) -> bool:
    """Say whether ``output`` is the model that would be made. Raises DataError when it is another and may not be replaced."""
    if overwrite or not output.exists():
        return False
    manifest = finished_manifest(output.with_suffix(".manifest.json"), wanted, overwrite)
    if manifest is None:
        raise DataError(
            f"{output} exists without a manifest, so it is not known what it is; choose another --output or add --overwrite"
        )
    if hashlib.sha256(output.read_bytes()).hexdigest() != manifest["tokenizer"]["sha256"]:
        raise DataError(f"{output} is not the model its manifest describes; make it again with --overwrite")
    return True


def _publish(output: Path, model: bytes, manifest: Record) -> None:
    """Write the manifest, then the model. A model without manifest, or with an old one, is never left behind."""
    output.unlink(missing_ok=True)
    tokenizer = tokenizer_from_bytes(model, output).manifest_entry()
    write_json(output.with_suffix(".manifest.json"), manifest | {"tokenizer": tokenizer} | code_version())
    with atomic_file(output) as stream:
        stream.write(model)
