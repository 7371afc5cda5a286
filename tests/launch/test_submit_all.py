"""launch/submit_all.sh: from raw text to an exported model by one command, on a real Slurm."""

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
    """Two parts, two nodes: prepare, dedup, decontaminate, tokenize, import, train, export."""
    chain, tokenizer, model = tmp_path / "chain", tmp_path / "tokenizer.model", tmp_path / "hf"
    assert main(["train-tokenizer", str(raw), "--output", str(tokenizer), "--vocab-size", "500"]) == 0
    assert main(["export-hf", str(cluster / "losses-2"), str(model), "--tokenizer", "none"]) == 0
    (tmp_path / "gsm8k_test.jsonl").write_text(json.dumps({"question": QUESTION, "answer": "399"}) + "\n")
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(dump_config(small_config(chain / "train", chain / "tokens" / "corpus", *RECIPE, "training.steps=12")))
    site = tmp_path / "site.sh"
    site.write_text(pair.site.read_text().replace("low-1", pair.low))
    names = {"CLUSTER_ENV": str(site), "PARTS": "2", "NODES": "2", "TOKENIZER": str(tokenizer)}
    names["PATH"] = f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}"
    command = ["launch/submit_all.sh", chain, raw, tmp_path / "gsm8k_test.jsonl", model, recipe]
    answer = subprocess.run(command, cwd=ROOT, env=os.environ | names, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    wait_until(lambda: not slurm("squeue", "--noheader", f"--partition={pair.low}"), "all jobs over", 600)

    outcomes = {name: AttemptLog(chain, name).finished() for name in job_names(chain)}
    logs = "".join(path.read_text() for path in (chain / "logs").glob("*.log"))
    stages = ("prepare-1-of-2", "prepare-2-of-2", "dedup", "decontaminate-1-of-2", "tokenize-2-of-2", "import-hf", "export-hf")
    assert all(outcomes.get(name) for name in stages), f"{outcomes}\n{logs}"
    assert main(["status", str(chain / "train"), "--check"]) == 0
    assert [row["step"] for row in read_rows(chain / "train" / METRICS_FILE)] == list(range(1, 13))
    dropped = [path.read_text() for path in (chain / "clean" / "dropped").glob("part-*.jsonl")]
    assert len(re.findall("gsm8k", "".join(dropped))) >= 1
    assert json.loads((chain / "hf" / "config.json").read_text())["vocab_size"] == 512
    record_property("outcome", f"{len(outcomes) + 1} jobs finished, 12 steps, one contaminated document dropped, model exported")
