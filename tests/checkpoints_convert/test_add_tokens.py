"""A model with the tokens of the LCE format added is the model it was, and a little more."""

import json
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from checkpoints_convert.add_tokens import run
from checkpoints_convert.hf_to_megatron import import_hf
from checkpoints_convert.megatron_to_hf import export
from megatron_mathcoder.config.errors import CheckpointError
from megatron_mathcoder.config.lce_tokens import LCE_TOKENS
from tests.checkpoints_convert.tiny_models import save_hf_model

PIECES = 80


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    """A tokenizer.json of PIECES pieces; the models have 117 rows."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    letters = list("abcdefghijklmnopqrstuvwxyz0123456789")
    trainer = trainers.BpeTrainer(
        vocab_size=PIECES, special_tokens=["<s>", "</s>"], initial_alphabet=letters, show_progress=False
    )
    tokenizer.train_from_iterator([Path(__file__).read_text().lower()] * 3, trainer)
    assert tokenizer.get_vocab_size() == PIECES
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return tmp_path / "tokenizer.json"


@pytest.mark.parametrize(
    ("family", "dtype", "shards"),
    [("llama2", "float32", "5GB"), ("qwen2-tied", "bfloat16", "50KB"), ("mistral", "float16", "5GB")],
)
def test_old_rows_stay_and_new_ones_are_the_mean(family, dtype, shards, tokenizer, tmp_path):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source = save_hf_model(family, dtype, shards, tmp_path / "source")
    assert run([str(source), str(tmp_path / "lce"), "--tokenizer", str(tokenizer)]) == 0
    before, after = (AutoModelForCausalLM.from_pretrained(folder) for folder in (source, tmp_path / "lce"))
    assert after.config.vocab_size == 128
    for name in ("embed_tokens", "lm_head"):
        old, new = ((m.model.embed_tokens if name == "embed_tokens" else m.lm_head).weight.detach() for m in (before, after))
        assert torch.equal(new[:PIECES], old[:PIECES])
        mean = old[:PIECES].double().mean(0).to(old.dtype)
        assert all(torch.equal(row, mean) for row in new[PIECES:])
    rest = {name: value for name, value in before.state_dict().items() if value.shape[0] != 117}
    assert all(torch.equal(after.state_dict()[name], value) for name, value in rest.items())
    loaded = AutoTokenizer.from_pretrained(tmp_path / "lce")
    assert loaded.convert_tokens_to_ids(list(LCE_TOKENS)) == list(range(PIECES, PIECES + 8))
    assert loaded.encode("".join(LCE_TOKENS)) == list(range(PIECES, PIECES + 8))


def test_the_result_is_imported_and_exported(tokenizer, tmp_path, logits_of):
    source = save_hf_model("llama3", "float32", "5GB", tmp_path / "source")
    run([str(source), str(tmp_path / "lce"), "--tokenizer", str(tokenizer)])
    import_hf(tmp_path / "lce", tmp_path / "checkpoint")
    export(tmp_path / "checkpoint", tmp_path / "back")
    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        assert (tmp_path / "back" / name).read_bytes() == (tmp_path / "lce" / name).read_bytes()
    assert np.isfinite(logits_of(tmp_path / "back")).all()


def test_a_second_time_is_refused(tokenizer, tmp_path):
    source = save_hf_model("llama3", "float32", "5GB", tmp_path / "source")
    run([str(source), str(tmp_path / "lce"), "--tokenizer", str(tokenizer)])
    with pytest.raises(CheckpointError, match=r"its tokenizer has <\|system\|> already; the tokens are added once"):
        run([str(tmp_path / "lce"), str(tmp_path / "twice")])


def test_a_folder_without_a_tokenizer_is_refused(tmp_path):
    source = save_hf_model("llama3", "float32", "5GB", tmp_path / "source")
    with pytest.raises(CheckpointError, match="the folder has no tokenizer files"):
        run([str(source), str(tmp_path / "lce")])


def test_more_rows_than_one_multiple(tokenizer, tmp_path):
    source = save_hf_model("llama3", "float32", "5GB", tmp_path / "source")
    run([str(source), str(tmp_path / "lce"), "--tokenizer", str(tokenizer), "--multiple", "7"])
    assert json.loads((tmp_path / "lce" / "config.json").read_text())["vocab_size"] == 117
