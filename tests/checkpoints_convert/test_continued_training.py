"""An imported model of every family goes on training, and does so divided over ranks as in one process."""

from dataclasses import asdict
from pathlib import Path

import pytest

from checkpoints_convert.hf_to_megatron import import_hf
from megatron_mathcoder.config.architecture_file import read_architecture
from megatron_mathcoder.config.toml_text import value_text
from tests.checkpoints_convert.tiny_models import FAMILIES
from tests.trainer.runs import small_config, train
from tests.trainer.synthetic_dataset import write_dataset

DIVIDED = ("parallel.tensor_model_parallel_size=2", "parallel.pipeline_model_parallel_size=2")
STEPS = 3
TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    prefix = tmp_path_factory.mktemp("dataset") / "counting"
    write_dataset(prefix, documents=40, vocab_size=113)
    return prefix


@pytest.mark.parametrize("family", FAMILIES)
def test_tp2_pp2_has_the_losses_of_one_process(family, hf_model, dataset, tmp_path):
    import_hf(hf_model(family), tmp_path / "imported")
    model = asdict(read_architecture(tmp_path / "imported")) | {"architecture": "tiny_llama", "make_vocab_size_divisible_by": 8}
    run = [f"model.{key}={value_text(value)}" for key, value in model.items()]
    run += (f"training.steps={STEPS}", "training.global_batch_size=4", f"checkpoint.initial={str(tmp_path / 'imported')!r}")
    alone = train(small_config(tmp_path / "alone", dataset, *run))
    divided = train(small_config(tmp_path / "divided", dataset, *run, *DIVIDED))
    for name in ("loss", "grad_norm"):
        assert [row[name] for row in divided] == pytest.approx([row[name] for row in alone], abs=TOLERANCE, rel=TOLERANCE)
    assert alone[-1]["loss"] < alone[0]["loss"]
