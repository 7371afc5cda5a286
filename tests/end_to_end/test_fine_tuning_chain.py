"""From a Hugging Face folder to a model that writes code, reads what it printed and answers: every step of docs/lce.md, small.

The model learns four conversations by heart. What is shown is that all rooms mean the same by the format: what the trainer taught
is what inference asks for, token by token.
"""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from checkpoints_convert.add_tokens import add_tokens
from checkpoints_convert.hf_to_megatron import import_hf
from checkpoints_convert.megatron_to_hf import export
from data_tools.llm.interface import Sampling
from data_tools.sandbox.outcome import Limits
from data_tools.sandbox.sandbox import Sandbox
from data_tools.tokens.tokenize import run as tokenize
from megatron_mathcoder.config.architecture_file import read_architecture
from megatron_mathcoder.config.toml_text import value_text
from megatron_mathcoder.inference.tool_format import Lce
from megatron_mathcoder.inference.tool_use import ToolLoop, Trajectory
from megatron_mathcoder.inference.transformers_model import TransformersModel
from tests.data_tools.tokens.test_tokenize_lce import make_tokenizer
from tests.trainer.runs import small_config, train

PRODUCTS = [(12, 34), (56, 7), (89, 21), (43, 65)]


def conversation(first: int, second: int) -> list[dict[str, object]]:
    blocks = [("text", "I multiply."), ("code", f"print({first} * {second})"), ("execution", str(first * second))]
    blocks.append(("text", str(first * second)))
    content = [{"type": kind, "content": text} for kind, text in blocks]
    return [{"role": "user", "content": question(first, second)}, {"role": "assistant", "content": content}]


def question(first: int, second: int) -> str:
    return f"What is {first} times {second}?"


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the fine-tuned model."""
    import torch
    import transformers

    folder = tmp_path_factory.mktemp("chain")
    config = transformers.LlamaConfig(
        vocab_size=400,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        transformers.LlamaForCausalLM(config).save_pretrained(folder / "base")
    texts = [json.dumps(conversation(*pair)) for pair in PRODUCTS]
    tokenizer = make_tokenizer(folder / "tokenizer.json", texts, ())
    add_tokens(folder / "base", folder / "lce", tokenizer=tokenizer)
    import_hf(folder / "lce", folder / "checkpoint")
    rows = [json.dumps({"messages": conversation(*pair)}) for pair in PRODUCTS * 8]
    (folder / "solutions.jsonl").write_text("\n".join(rows) + "\n")
    settings = ("--lce", "--max-tokens", "128", "--tokenizer", str(folder / "lce"), "--output", str(folder / "sft"))
    assert tokenize([str(folder / "solutions.jsonl"), *settings]) == 0
    model = asdict(read_architecture(folder / "checkpoint")) | {"architecture": "tiny_llama"}
    overrides = [f"model.{key}={value_text(value)}" for key, value in model.items()]
    overrides += [f"checkpoint.initial={str(folder / 'checkpoint')!r}", f"dataset.tokenizer={str(folder / 'lce')!r}"]
    overrides += ["dataset.seq_length=128", "training.steps=120", "training.global_batch_size=4", "dataset.validation_fraction=0"]
    rows_of_metrics = train(small_config(folder / "run", folder / "sft", *overrides, "optimizer.lr=5e-3"))
    assert rows_of_metrics[-1]["loss"] < 0.05
    export(folder / "run", folder / "tuned")
    return folder / "tuned"


def test_the_model_writes_code_reads_its_output_and_answers(tuned: Path) -> None:
    with Sandbox(Limits(cpu_seconds=5.0), workers=1, preload=()) as sandbox:
        loop = ToolLoop(model=TransformersModel(tuned), sandbox=sandbox, format=Lce(), sampling=Sampling(max_tokens=40))
        found: dict[str, Trajectory] = {each.id: each for each in loop.run((question(*p), question(*p)) for p in PRODUCTS)}
    for first, second in PRODUCTS:
        trajectory = found[question(first, second)]
        assert [(block.kind, block.content) for block in trajectory.blocks] == [
            ("text", "I multiply."),
            ("code", f"print({first} * {second})"),
            ("execution", str(first * second)),
            ("text", str(first * second)),
        ]
        assert trajectory.ended == "answer"
