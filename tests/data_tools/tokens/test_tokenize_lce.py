"""Conversations become token ids with a loss mask beside them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from data_tools.lce import parse, read_messages
from data_tools.tokens.tokenize import run
from data_tools.tokens.tokenizer import load_tokenizer
from megatron_mathcoder.config.errors import DataError
from megatron_mathcoder.config.lce_tokens import LCE_TOKENS
from tests.data_tools.test_lce import CONVERSATION, recorded
from tests.data_tools.tokens.test_tokenize import arguments, manifest_of, read_dataset, rejects_of


def make_tokenizer(path: Path, texts: list[str], names: tuple[str, ...]) -> Path:
    """A byte-level BPE with special tokens added."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    specials = ["<s>", "</s>"]
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=specials, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens([AddedToken(name, normalized=False) for name in names])
    tokenizer.save(str(path))
    return path


@pytest.fixture
def tokenizer(tmp_path: Path, sources: list[str]) -> Path:
    return make_tokenizer(tmp_path / "tokenizer.json", sources, LCE_TOKENS)


def write_rows(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps({"messages": row}) + "\n" for row in rows))
    return path


def test_ids_come_back_and_the_mask_has_one_byte_a_token(tmp_path: Path, tokenizer: Path, shared_data: Path) -> None:
    rows = [CONVERSATION, *recorded(shared_data)[:200]]
    assert run(arguments(write_rows(tmp_path / "a.jsonl", rows), tokenizer, tmp_path / "d", "--lce")) == 0
    loaded = load_tokenizer(str(tokenizer))
    documents = read_dataset(tmp_path / "d")
    mask = np.fromfile(tmp_path / "d.mask", dtype=np.uint8)
    assert len(documents) == len(rows)
    assert len(mask) == sum(map(len, documents)) == manifest_of(tmp_path / "d")["tokens"]
    assert int(mask.sum()) == manifest_of(tmp_path / "d")["loss_tokens"]
    position = 0
    for row, ids in zip(rows, documents, strict=True):
        assert (ids[0], ids[-1]) == (loaded.bos_id, loaded.eod_id)
        assert parse(loaded.decode(ids[:-1])) == read_messages(row)
        counted = [token for token, counts in zip(ids, mask[position : position + len(ids)], strict=True) if counts]
        if row is CONVERSATION:
            end = "<|endofblock|>"
            learned = f"<|text|>I add.{end}<|code|>print(2 + 2){end}<|text|>4{end}<|endofmessage|>"
            assert loaded.decode(counted) == learned
        position += len(ids)


def test_rows_that_cannot_be_learned_are_rejected_with_their_reason(tmp_path: Path, tokenizer: Path) -> None:
    long = [{"role": "user", "content": "x " * 500}, CONVERSATION[1]]
    rows = [CONVERSATION, CONVERSATION[:1], long, CONVERSATION, None]
    more = ("--lce", "--max-tokens", 200, "--max-reject-fraction", 1)
    assert run(arguments(write_rows(tmp_path / "a.jsonl", rows), tokenizer, tmp_path / "d", *more)) == 0
    assert [row["line"] for row in sorted(rejects_of(tmp_path / "d"), key=lambda row: row["line"])] == [2, 3, 5]
    reasons = {row["line"]: row["reason"] for row in rejects_of(tmp_path / "d")}
    assert reasons[2] == "not LCE: no assistant message, so there is nothing to learn"
    assert reasons[3].startswith("too long: ")
    assert reasons[3].endswith(" tokens, --max-tokens 200")
    assert manifest_of(tmp_path / "d")["documents"] == 2


def test_a_tokenizer_without_the_tokens_is_refused(tmp_path: Path, sources: list[str]) -> None:
    tokenizer = make_tokenizer(tmp_path / "tokenizer.json", sources, LCE_TOKENS[:3])
    with pytest.raises(
        DataError, match=r"has no token <\|text\|>; add the LCE format's to it and to its model: mathcoder add-tokens"
    ):
        run(arguments(write_rows(tmp_path / "a.jsonl", [CONVERSATION]), tokenizer, tmp_path / "d", "--lce"))


def test_the_mask_does_not_outlive_its_dataset(tmp_path: Path, tokenizer: Path) -> None:
    """Plain documents written over conversations leave no mask that would be taken for theirs."""
    run(arguments(write_rows(tmp_path / "a.jsonl", [CONVERSATION]), tokenizer, tmp_path / "d", "--lce"))
    (tmp_path / "b.jsonl").write_text(json.dumps({"text": "plain"}) + "\n")
    run(arguments(tmp_path / "b.jsonl", tokenizer, tmp_path / "d", "--overwrite"))
    assert not (tmp_path / "d.mask").exists()
