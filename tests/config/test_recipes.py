import dataclasses
import tomllib
from pathlib import Path
from typing import Any

import pytest

from megatron_mathcoder.config import rules
from megatron_mathcoder.config.architectures import ARCHITECTURES
from megatron_mathcoder.config.batch import global_batch_size, num_microbatches
from megatron_mathcoder.config.lce_tokens import LCE_TOKENS
from megatron_mathcoder.config.loader import dump_config, load_config
from tests.repository import RECIPES

# The ranks each recipe is written for.
WORLD_SIZES = {"tiny_cpu": 1, "llama3_8b": 32, "deepseek_math_7b": 32, "mistral_7b": 32, "code_llama_7b": 32}
WORLD_SIZES["code_llama_7b_sft"] = 8
REAL_RUNS = sorted(set(WORLD_SIZES) - {"tiny_cpu", "code_llama_7b_sft"})


def key_paths(table: Any, prefix: str = "") -> set[str]:
    if isinstance(table, dict):
        return {path for name, value in table.items() for path in key_paths(value, f"{prefix}.{name}")}
    if isinstance(table, list):
        return {path for index, value in enumerate(table) for path in key_paths(value, f"{prefix}.{index}")}
    return {prefix}


def test_every_recipe_is_tested() -> None:
    assert {path.stem for path in RECIPES.glob("*.toml") if "[training]" in path.read_text()} == set(WORLD_SIZES)


@pytest.mark.parametrize(("name", "world_size"), WORLD_SIZES.items())
def test_a_recipe_breaks_no_rule_at_its_world_size(name: str, world_size: int) -> None:
    rules.check_world_size(load_config(RECIPES / f"{name}.toml"), world_size)


@pytest.mark.parametrize("name", WORLD_SIZES)
def test_a_recipe_writes_out_every_key(name: str) -> None:
    path = RECIPES / f"{name}.toml"
    assert key_paths(tomllib.loads(path.read_text())) == key_paths(tomllib.loads(dump_config(load_config(path))))


@pytest.mark.parametrize("name", WORLD_SIZES)
def test_a_recipe_holds_the_numbers_of_its_architecture(name: str) -> None:
    model = load_config(RECIPES / f"{name}.toml").model
    published = ARCHITECTURES[model.architecture]
    if name == "code_llama_7b_sft":  # with the tokens of the LCE format
        published = dataclasses.replace(published, vocab_size=-(-(published.vocab_size + len(LCE_TOKENS)) // 128) * 128)
    assert model == published


@pytest.mark.parametrize("name", REAL_RUNS)
def test_a_real_run_is_the_published_one(name: str) -> None:
    config = load_config(RECIPES / f"{name}.toml")
    assert config.model.architecture == name
    assert config.run.seed == 3407
    assert config.training.epochs == 3.0
    assert config.training.global_batch_tokens == 4_194_304
    assert config.training.precision == "bf16"
    assert config.dataset.seq_length == (8192 if name == "llama3_8b" else 4096)
    optimizer = dataclasses.asdict(config.optimizer)
    assert (
        optimizer.items()
        >= {
            "lr": 4e-5,
            "min_lr": 0.0,
            "lr_decay_style": "cosine",
            "lr_warmup_steps": 50,
            "weight_decay": 0.1,
            "adam_beta1": 0.9,
            "adam_beta2": 0.999,
            "adam_eps": 1e-8,
            "clip_grad": 1.0,
        }.items()
    )
    assert [part.name for part in config.dataset.blend] == [
        "filtered_open_web_math",
        "filtered_cc_en_math",
        "synthetic",
        "code_with_math_packages",
        "textbooks",
        "translated_mathematical_code",
    ]
    assert {Path(part.prefix).name for part in config.dataset.blend} == {part.name for part in config.dataset.blend}


@pytest.mark.parametrize("name", REAL_RUNS)
def test_the_comment_on_the_batch_holds(name: str) -> None:
    config = load_config(RECIPES / f"{name}.toml")
    assert global_batch_size(config.training, config.dataset) == (512 if name == "llama3_8b" else 1024)
    assert num_microbatches(config.training, config.dataset, config.parallel, WORLD_SIZES[name]) == 32


@pytest.mark.parametrize(
    "overrides",
    [
        ["parallel.tensor_model_parallel_size=2", "parallel.sequence_parallel=true"],
        ["parallel.tensor_model_parallel_size=4", "parallel.sequence_parallel=true"],
        ["parallel.pipeline_model_parallel_size=2"],
        ["parallel.pipeline_model_parallel_size=2", "parallel.virtual_pipeline_model_parallel_size=2"],
        ["parallel.use_distributed_optimizer=true", "parallel.overlap_grad_reduce=true", "parallel.overlap_param_gather=true"],
        ["parallel.tensor_model_parallel_size=2", "parallel.pipeline_model_parallel_size=2"],
    ],
)
def test_the_tiny_recipe_divides_among_four_ranks_in_every_direction(overrides: list[str]) -> None:
    load_config(RECIPES / "tiny_cpu.toml", [*overrides, "parallel.processes=4"])


def test_the_fine_tuning_is_the_published_one() -> None:
    """MathCoder, arXiv 2310.03731, section 3.1."""
    config = load_config(RECIPES / "code_llama_7b_sft.toml")
    assert (config.optimizer.lr, config.optimizer.lr_decay_style, config.optimizer.lr_warmup_steps) == (2e-5, "cosine", 50)
    assert (config.training.epochs, config.dataset.seq_length, config.training.global_batch_size) == (3.0, 2048, 128)
    assert config.dataset.document_mask
