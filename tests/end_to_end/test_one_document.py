"""One document through every stage, by the commands a person types, opening every file on the way."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import zstandard

from data_tools.tokens.tokenizer import load_tokenizer
from megatron_mathcoder.config.loader import load_config
from tests.multiprocess import run_ranks
from tests.repository import RECIPES

RECIPE = RECIPES / "tiny_cpu.toml"
DOCUMENT_ID = "problem-7"
TEXT = "def area(r):\n\treturn 3.14159 * r ** 2\n\n# Σ over  k  of  1/k² is π²/6, about 1.644934"
SMALL = (
    "model.vocab_size=360",
    "model.num_layers=2",
    "model.hidden_size=64",
    "model.ffn_hidden_size=128",
    "model.kv_channels=16",
    "dataset.seq_length=32",
    "training.micro_batch_size=2",
    "training.global_batch_size=4",
    "training.steps=4",
    "optimizer.lr_warmup_steps=1",
    "validation.interval_steps=2",
    "validation.samples=2",
    "checkpoint.interval_steps=2",
)


def mathcoder(*arguments: object) -> str:
    """Run the command as a person does and return what it printed."""
    command = [sys.executable, "-m", "megatron_mathcoder", *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, timeout=240)
    assert result.returncode == 0, result.stderr
    return result.stdout


def corpus(folder: Path) -> list[Path]:
    """Write rows of code and prose in two formats; ours is one of them."""
    rows = [
        {"id": f"problem-{n}", "text": f"The sum of {n} and {n + 1} is {2 * n + 1}.\nprint({n} + {n + 1})\n" * 4}
        for n in range(200)
    ]
    rows[7]["text"] = TEXT
    folder.mkdir()
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows[:100]) + "not json\n")
    import pyarrow as pa

    pq.write_table(pa.Table.from_pylist(rows[100:]), folder / "rows.parquet")
    return [folder / "rows.jsonl", folder / "rows.parquet"]


def prepared_document(documents: Path) -> dict[str, Any]:
    found = [
        row
        for part in sorted((documents / "documents").iterdir())
        for row in map(json.loads, lines_of(part))
        if row["id"] == DOCUMENT_ID
    ]
    assert len(found) == 1
    return found[0]


def lines_of(part: Path) -> list[bytes]:
    content = part.read_bytes()
    if part.suffix == ".zst":
        content = zstandard.ZstdDecompressor().decompressobj().decompress(content)
    return content.splitlines()


def megatron_logits(_rank: object, run_folder: str, ids: list[int]) -> list[list[float]]:
    """Return the checkpoint's logits of ``ids`` by megatron-core, [tokens][vocabulary]."""
    import torch

    from megatron_mathcoder.checkpoint import load_weights
    from megatron_mathcoder.config.run_folder import find_checkpoint
    from megatron_mathcoder.kernels.kernel_set import torch_kernels
    from megatron_mathcoder.model.gpt import build_chunks
    from megatron_mathcoder.model.transformer_config import build_transformer_config
    from megatron_mathcoder.parallel import process_groups
    from megatron_mathcoder.platforms.ranks import Rank
    from megatron_mathcoder.platforms.select import select_platform

    config = load_config(Path(run_folder) / "run.toml")
    rank = Rank(0, 0, 1, "")
    platform = select_platform(config.platform, config.parallel, rank)
    with process_groups(platform, config.parallel, rank, seed=0) as groups:
        transformer = build_transformer_config(config.model, config.parallel, config.training, initialize=False)
        [model] = build_chunks(config.model, transformer, groups, torch_kernels(), platform.device)
        load_weights(find_checkpoint(Path(run_folder)), config.model, [model])
        with torch.no_grad():
            logits = model(torch.tensor([ids]), None, None)
    return logits[0, :, : config.model.vocab_size].tolist()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the whole chain once; the tests open what it left."""
    root = tmp_path_factory.mktemp("chain")
    inputs = corpus(root / "raw")
    mathcoder("prepare", *inputs, "--output", root / "documents")
    mathcoder("train-tokenizer", root / "documents", "--output", root / "tokenizer.model", "--vocab-size", 360)
    mathcoder("tokenize", root / "documents", "--tokenizer", root / "tokenizer.model", "--output", root / "tokens" / "problems")
    here = (
        f"run.folder={str(root / 'run')!r}",
        f"dataset.blend.0.prefix={str(root / 'tokens' / 'problems')!r}",
        f"dataset.tokenizer={str(root / 'tokenizer.model')!r}",
    )
    mathcoder("train", RECIPE, *(word for key in (*SMALL, *here) for word in ("--set", key)))
    mathcoder("export-hf", root / "run", root / "hf")
    return root


def test_prepared(folder: Path) -> None:
    document = prepared_document(folder / "documents")
    assert document["text"] == TEXT
    manifest = json.loads((folder / "documents" / "manifest.json").read_text())
    counts = json.dumps(manifest)
    assert "201" in counts, "200 rows and one that is no JSON"
    dropped = [json.loads(line) for part in (folder / "documents" / "dropped").iterdir() for line in lines_of(part)]
    assert len(dropped) == 1
    assert dropped[0]["line"] == 101
    assert "JSON" in dropped[0]["reason"]


def test_tokenized(folder: Path) -> None:
    from megatron.core.datasets.indexed_dataset import IndexedDataset

    prefix = folder / "tokens" / "problems"
    manifest = json.loads(Path(f"{prefix}.manifest.json").read_text())
    tokenizer = load_tokenizer(str(folder / "tokenizer.model"))
    dataset = IndexedDataset(str(prefix))
    assert len(dataset) == manifest["documents"] == 200
    assert int(np.sum(dataset.sequence_lengths)) == manifest["tokens"]
    ours = dataset[7].tolist()
    assert [ours[0], ours[-1]] == [tokenizer.bos_id, tokenizer.eod_id]
    assert tokenizer.decode(ours[1:-1]) == TEXT
    assert tokenizer.bos_id not in ours[1:]
    assert tokenizer.eod_id not in ours[:-1]


def test_trained(folder: Path) -> None:
    run = folder / "run"
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    validations = [json.loads(line) for line in (run / "validation.jsonl").read_text().splitlines()]
    assert [row["step"] for row in validations] == [0, 2, 4]
    assert load_config(run / "run.toml").training.steps == 4
    checkpoint = run / "checkpoints" / "iter_0000004"
    assert json.loads((checkpoint / "metadata.json").read_text())["sharded_backend"] == "torch_dist"
    assert (checkpoint / "run.toml").read_text() == (run / "run.toml").read_text()
    assert list((run / "tensorboard").glob("events.out.tfevents.*"))


def test_exported_model_gives_the_same_logits(folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    ids = load_tokenizer(str(folder / "hf")).encode_batch([TEXT])[0]
    [expected] = run_ranks(megatron_logits, 1, str(folder / "run"), list(ids))
    model = AutoModelForCausalLM.from_pretrained(folder / "hf", local_files_only=True)
    assert model.dtype == torch.float32
    with torch.no_grad():
        logits = model(torch.tensor([list(ids)])).logits[0]
    assert (logits - torch.tensor(expected)).abs().max() < 1e-4
    assert logits.std() > 0.01


def test_exported_tokenizer_gives_the_same_ids(folder: Path) -> None:
    from transformers import AutoTokenizer

    ids = load_tokenizer(str(folder / "tokenizer.model")).encode_batch([TEXT])[0]
    exported = AutoTokenizer.from_pretrained(folder / "hf", local_files_only=True)
    assert exported(TEXT, add_special_tokens=False).input_ids == list(ids)


def test_generates(folder: Path) -> None:
    written = mathcoder("generate", folder / "hf", "--prompt", "The sum of 3", "--max-new-tokens", 8)
    assert written.startswith("The sum of 3")
    again = mathcoder("generate", folder / "hf", "--prompt", "The sum of 3", "--max-new-tokens", 8)
    assert written == again
