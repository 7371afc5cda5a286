"""A SentencePiece model as a ``tokenizer.json`` that gives the same ids.

Decides: the translation of a BPE SentencePiece model into the Hugging Face tokenizers format, and whether it may be used: it is
compared with SentencePiece itself on every export, and thrown away at the first difference.
Does not: translate unigram models or text normalisation rules; those keep only their ``.model`` file.

It exists because transformers, given only a ``.model``, builds merges that differ from SentencePiece's (5.23: a third of
documents). Format of the model: https://github.com/google/sentencepiece ``src/sentencepiece_model.proto``.
"""

import json
import random
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, BYTE = 1, 2, 3, 4, 6
BPE = 2
SPACE = "▁"
PROBE_TEXTS = (
    "",
    " ",
    "  two spaces, then a tab\tand\n\n    four of indentation\r\n",
    "def f(x):\n    return x ** 2  # $\\frac{a}{b} \\le \\sum_{i=0}^{n} x_i$\n",
    "naïve Ünïcödé – “quotes” … 数学とコード 🙂👩‍🔬 \u00a0\u200b\ufeff",
    "aaaaaaaaaaaaaaaa ================ 1234567890 3.14159e-10 ▁▁▁ <0x0A>",
)
PROBE_ROUNDS = 2000
"""Random runs of pieces that are compared besides."""

LONGEST_REPEAT = 70
"""Runs of one character (indentation, rules) are compared up to this length."""


class SentencePieceModel(NamedTuple):
    """What is read of the model file. ``pieces`` are (text, score, type); the index is the id."""

    pieces: list[tuple[str, float, int]]
    model_type: int
    normalizer: dict[int, Any]


def translate(path: Path) -> str | None:
    """Return the text of a ``tokenizer.json`` proved equal to the model at ``path``; None where there is none."""
    model = read_model(path)
    if model.model_type != BPE or model.normalizer.get(2) or model.normalizer.get(4, 1) or not model.normalizer.get(5, 1):
        return None  # unigram; a normalisation table; extra spaces removed; spaces not escaped
    text = json.dumps(_tokenizer_json(model), ensure_ascii=False, indent=1)
    return text if _gives_the_same_ids(path, text, model) else None


def read_model(path: Path) -> SentencePieceModel:
    """Parse the protobuf fields that matter. Raises ``ValueError`` when the file is no SentencePiece model."""
    pieces: list[tuple[str, float, int]] = []
    trainer: dict[int, Any] = {}
    normalizer: dict[int, Any] = {}
    for number, value in _fields(path.read_bytes()):
        if number == 1:
            piece = dict(_fields(value))
            pieces.append((piece[1].decode(), struct.unpack("<f", piece.get(2, bytes(4)))[0], piece.get(3, NORMAL)))
        elif number in (2, 3):
            (trainer if number == 2 else normalizer).update(_fields(value))
    if not pieces:
        raise ValueError("no pieces")
    return SentencePieceModel(pieces, trainer.get(3, 1), normalizer)


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """(field number, value) of a protobuf message; numbers as int, everything else as bytes."""
    position = 0

    def varint() -> int:
        nonlocal position
        value = shift = 0
        while True:
            byte = data[position]
            position += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    try:
        while position < len(data):
            number, wire = divmod(varint(), 8)
            if wire == 0:
                yield number, varint()
                continue
            length = {1: 8, 5: 4}[wire] if wire != 2 else varint()
            if position + length > len(data):
                raise ValueError("cut")
            yield number, data[position : position + length]
            position += length
    except (IndexError, KeyError):
        raise ValueError("not a protobuf message") from None


def _tokenizer_json(model: SentencePieceModel) -> dict[str, Any]:
    """The whole file. Merges: every split of a piece into two pieces, best score first, as SentencePiece prefers them.

    Among equal scores SentencePiece merges the leftmost pair, so a run of spaces grows from its left end; merges with the longest
    result and the longest left part first do the same.
    """
    vocabulary = {text: index for index, (text, _, _) in enumerate(model.pieces)}
    normal = {text for text, _, kind in model.pieces if kind == NORMAL}
    merges: list[tuple[float, int, int, str, str]] = []
    for text, score, kind in model.pieces:
        if kind == NORMAL:
            splits = ((text[:cut], text[cut:]) for cut in range(1, len(text)))
            merges += [
                (-score, -len(text), -len(left), left, right) for left, right in splits if left in normal and right in normal
            ]
    unknown = next((text for text, _, kind in model.pieces if kind == UNKNOWN), None)
    added = [
        {"id": index, "content": text, "single_word": False, "lstrip": False, "rstrip": False}
        | {"normalized": kind == USER_DEFINED, "special": kind != USER_DEFINED}
        for index, (text, _, kind) in enumerate(model.pieces)
        if kind in (UNKNOWN, CONTROL, USER_DEFINED)
    ]
    prefix = bool(model.normalizer.get(3, 1))
    spaces = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
    words = {"type": "Replace", "pattern": {"String": SPACE}, "content": " "}
    strip = [{"type": "Strip", "content": " ", "start": 1, "stop": 0}] if prefix else []
    prepend = [{"type": "Prepend", "prepend": SPACE}] if prefix else []
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": {"type": "Sequence", "normalizers": [*prepend, spaces]},
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": {"type": "Sequence", "decoders": [words, {"type": "ByteFallback"}, {"type": "Fuse"}, *strip]},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": unknown,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": True,
            "byte_fallback": any(kind == BYTE for _, _, kind in model.pieces),
            "ignore_merges": False,
            "vocab": vocabulary,
            "merges": [[left, right] for *_, left, right in sorted(merges)],
        },
    }


def _gives_the_same_ids(path: Path, text: str, model: SentencePieceModel) -> bool:
    """Compare with SentencePiece on the probe texts and on random runs of the model's own pieces."""
    import sentencepiece
    import tokenizers

    reference = sentencepiece.SentencePieceProcessor(model_file=str(path))
    candidate = tokenizers.Tokenizer.from_str(text)
    pieces = [piece.replace(SPACE, " ") for piece, _, kind in model.pieces if kind in (NORMAL, USER_DEFINED)]
    draw = random.Random(0)
    runs = ["".join(draw.choices(pieces, k=8)) for _ in range(PROBE_ROUNDS)]
    repeated = {piece[0] for piece in pieces if len(piece) > 1 and len(set(piece)) == 1}
    runs += [f"x{character * count}y" for character in sorted(repeated) for count in range(1, LONGEST_REPEAT)]
    # Text that spells a control token is one token for transformers, and plain text for SentencePiece; both are right.
    control = [piece for piece, _, kind in model.pieces if kind in (CONTROL, UNKNOWN)]
    probes = [probe for probe in (*PROBE_TEXTS, *runs) if not any(piece in probe for piece in control)]
    return all(candidate.encode(probe, add_special_tokens=False).ids == reference.encode(probe) for probe in probes)
