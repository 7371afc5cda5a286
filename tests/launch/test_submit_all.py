"""launch/submit_all.sh: from raw text to a benchmark's score by one command, on a real Slurm."""

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from megatron_mathcoder.cli import main
from megatron_mathcoder.config.loader import dump_config
from megatron_mathcoder.config.run_folder import METRICS_FILE, read_rows
from megatron_mathcoder.launching.attempts import AttemptLog, job_names
from tests.launch.scenario import RECIPE, Pair, slurm, wait_until
from tests.repository import ROOT
from tests.trainer.runs import small_config

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(900)]
QUESTION = (
    "A farmer keeps seventeen hens and each of them lays four eggs in a week; how many eggs does the farmer collect during the "
    "six weeks before the village market opens, if he gives nine of them to his neighbour?"
)

EVALUATION = """
[evaluation]
folder = "unused"

[[models]]
name = "chain"
path = "unused"

[[benchmarks]]
name = "gsm8k"
path = "{benchmark}"
protocol = "few-shot-cot"
shots = 0
max_new_tokens = 8
"""


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Return a folder of documents from this project's own pages, one of which holds a benchmark's question."""
    folder = tmp_path / "raw"
    folder.mkdir()
    for number, page in enumerate(sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])):
        paragraphs = [text for text in page.read_text().split("\n\n") if len(text) > 60]
        if number == 0:
            paragraphs[0] += f" {QUESTION}"
        (folder / f"{page.stem}.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in paragraphs))
    return folder


def test_the_whole_chain(
    tmp_path: Path, raw: Path, pair: Pair, cluster: Path, whole: list[float], record_property: Callable[[str, str], None]
) -> None:
    """Two parts, two nodes: prepare, dedup, decontaminate, tokenize, import, train, export, evaluate."""
    chain, tokenizer, model = tmp_path / "chain", tmp_path / "tokenizer.model", tmp_path / "hf"
    assert main(["train-tokenizer", str(raw), "--output", str(tokenizer), "--vocab-size", "500"]) == 0
    assert main(["export-hf", str(cluster / "losses-2"), str(model), "--tokenizer", "none"]) == 0
    (tmp_path / "gsm8k_test.jsonl").write_text(json.dumps({"question": QUESTION, "answer": "399"}) + "\n")
    recipe = tmp_path / "recipe.toml"
    keys = ("training.steps=12", f"dataset.tokenizer={str(tokenizer)!r}")
    recipe.write_text(dump_config(small_config(chain / "train", chain / "tokens" / "corpus", *RECIPE, *keys)))
    evaluation = tmp_path / "evaluation.toml"
    evaluation.write_text(EVALUATION.format(benchmark=tmp_path / "gsm8k_test.jsonl"))
    site = tmp_path / "site.sh"
    site.write_text(pair.site.read_text().replace("low-1", pair.low))
    names = {"CLUSTER_ENV": str(site), "PARTS": "2", "NODES": "2", "TOKENIZER": str(tokenizer)}
    names["PATH"] = f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}"
    command = ["launch/submit_all.sh", chain, raw, tmp_path / "gsm8k_test.jsonl", model, recipe, evaluation]

    def submit_all(*options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*command, *options], cwd=ROOT, env=os.environ | names, capture_output=True, text=True, check=False)

    refused = submit_all("--", "--set", "training.stepps=9")
    assert refused.returncode == 1
    assert "no such key; did you mean training.steps?" in refused.stderr
    wait_until(lambda: not slurm("squeue", "--noheader", f"--partition={pair.low}"), "the first job cancelled", 60)
    answer = submit_all()
    assert answer.returncode == 0, answer.stdout + answer.stderr
    wait_until(lambda: not slurm("squeue", "--noheader", f"--partition={pair.low}"), "all jobs over", 600)

    outcomes = {name: AttemptLog(chain, name).finished() for name in job_names(chain)}
    logs = "".join(path.read_text() for path in (chain / "logs").glob("*.log"))
    data = ("prepare-1-of-2", "prepare-2-of-2", "dedup", "decontaminate-1-of-2", "tokenize-2-of-2")
    stages = (*data, "import-hf", "export-hf", "evaluate")
    assert all(outcomes.get(name) for name in stages), f"{outcomes}\n{logs}"
    assert main(["status", str(chain / "train"), "--check"]) == 0
    assert [row["step"] for row in read_rows(chain / "train" / METRICS_FILE)] == list(range(1, 13))
    dropped = [path.read_text() for path in (chain / "clean" / "dropped").glob("part-*.jsonl")]
    assert len(re.findall("gsm8k", "".join(dropped))) >= 1
    assert json.loads((chain / "hf" / "config.json").read_text())["vocab_size"] == 512
    assert list((chain / "evaluation").rglob("predictions.jsonl"))
    done = f"{len(outcomes) + 1} jobs finished, 12 steps, one contaminated document dropped, model exported and asked"
    record_property("outcome", done)
