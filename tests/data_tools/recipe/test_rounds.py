"""Two rounds of filtering in a recipe, with a language model that answers by a script: label, learn, keep, and once more."""

import json
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from data_tools.benchmarks import read_benchmark
from data_tools.recipe.run_recipe import run
from tests.data_tools.llm.fake_server import FakeServer
from tests.data_tools.test_prepare import rows_of

RECIPE = """
[data]
folder = "out"
corpora = "."
workers = 1

[decontaminate]
benchmarks = ["{data}/benchmarks/svamp.json"]

[[components]]
name = "web"
source = "record_files"
inputs = ["web.jsonl"]

[[components.filters]]
annotator = "openai"
annotate = ["--base-url", "{url}", "--model", "m", "--sample", "120"]
train = ["--balance", "--epoch", "60", "--bucket", "20000", "--dim", "10"]
threshold = 0.3

[[components.filters]]
annotator = "openai"
annotate = ["--base-url", "{url}", "--model", "m", "--sample", "60", "--score", "web_round_1", "--between", "0.3", "0.9"]
train = ["--epoch", "60", "--bucket", "20000", "--dim", "10"]

[[components]]
name = "few"
source = "record_files"
inputs = ["few.jsonl"]

[[components]]
name = "translated"
translated_from = ["few"]

[[tokenizers]]
name = "mistral"
path = "{data}/tokenizers/mistral_v1.model"
"""


def scripted(body: dict[str, Any]) -> str:
    passage = body["messages"][-1]["content"].rpartition("Passage:\n\n")[2]
    if "import" in passage or "def " in passage or '"""' in passage:
        return "Label: 4"
    return "Label: 1" if "$" in passage else "I would rather not say."


@dataclass(frozen=True)
class Whole:
    """A recipe that ran: where, its text with {url} open, what it printed, and what the server was asked."""

    folder: Path
    recipe: str
    printed: str
    bodies: list[dict[str, Any]]


@pytest.fixture(scope="module")
def whole(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """The rounds over 150 solved problems and as many pieces of programs."""
    folder = tmp_path_factory.mktemp("rounds")
    problems = read_benchmark(shared_data / "benchmarks/math_test.jsonl")[:150]
    programs = sorted((shared_data / "python_code/TheAlgorithms").rglob("*.py"))[:150]
    texts = [("maths", f"{item.question}\n{item.solution}") for item in problems]
    texts += [("code", path.read_text(errors="replace")[:1500]) for path in programs]
    rows = [{"id": f"{kind}-{number}", "text": text} for number, (kind, text) in enumerate(texts) if text.strip()]
    (folder / "web.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "few.jsonl").write_text('{"text": "So $2 + 3 = 5$."}\n{"text": "No formula, but letters enough to be kept."}\n')
    recipe = RECIPE.replace("{data}", str(shared_data))
    with pytest.MonkeyPatch.context() as patch, FakeServer() as server, redirect_stdout(StringIO()) as printed:
        patch.chdir(folder)
        server.answer = scripted
        assert run(written(recipe, server, "whole")) == 0
    return Whole(folder, recipe, printed.getvalue(), server.bodies)


def written(recipe: str, server: FakeServer, folder: str) -> list[str]:
    Path("r.toml").write_text(recipe.replace("{url}", server.url))
    return ["r.toml", "--set", f"data.folder={folder}"]


def test_two_rounds_label_learn_and_keep(whole: Whole) -> None:
    out = whole.folder / "whole"
    labelled = [rows_of(out / f"annotate-{number}/web/documents") for number in (1, 2)]
    passages = [sum(len(row["metadata"]["annotation"]["passages"]) for row in rows) for rows in labelled]
    # Both rounds share one log: what the second sample has in common with the first is not asked again.
    assert len(whole.bodies) > passages[0] > 0 < passages[1]
    assert len({json.dumps(body["messages"]) for body in whole.bodies}) == len(whole.bodies)
    assert whole.printed.count("<- chosen") == 2
    first, second = (json.loads((out / f"models/web_round_{number}.json").read_bytes()) for number in (1, 2))
    assert first["training"] == 2 * first["training_related"]
    learned_from = [{Path(entry["path"]).parts[-4] for entry in found["inputs"]} for found in (first, second)]
    assert learned_from == [{"annotate-1"}, {"annotate-1", "annotate-2"}]
    assert second["threshold"] == second["evaluation"]["chosen"]["threshold"]
    assert all(0.3 <= row["metadata"]["scores"]["web_round_1"] <= 0.9 for row in labelled[1])
    kept, dropped = (rows_of(out / "filter-2/web" / name) for name in ("documents", "dropped"))
    assert all(set(row["metadata"]["scores"]) == {"web_round_1", "web_round_2"} for row in kept)
    assert all(row["score"] < second["threshold"] for row in dropped)
    assert sum(row["id"].startswith("maths") for row in kept) > 130
    assert sum(row["id"].startswith("code") for row in kept) < 0.05 * len(kept)
    assert [row["text"].count("```python") for row in rows_of(out / "execute/translated/documents")] == [1]
    assert (out / "report.html").exists()


def test_rounds_in_parts_give_the_same_and_go_on_without_the_server(
    whole: Whole, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(whole.folder)
    # Nothing is asked, learned or judged again, though the server is gone.
    assert run(["r.toml", "--set", "data.folder=whole"]) == 0
    assert capsys.readouterr().out.count("nothing to do") == 19
    with FakeServer() as server:
        server.answer = scripted
        for stage in ("prepare", "annotate-1", "train-filter-1", "filter-1", "annotate-2", "train-filter-2", "filter-2"):
            for part in ("2/2", "1/2"):
                assert run([*written(whole.recipe, server, "parts"), "--stage", stage, "--part", part]) == 0
    assert "train-filter is one task's work; part 1/2 does it" in capsys.readouterr().out
    for number in (1, 2):
        model = f"models/web_round_{number}.bin"
        assert Path("parts", model).read_bytes() == Path("whole", model).read_bytes()
        folder = f"filter-{number}/web/documents"
        assert rows_of(Path("parts", folder)) == rows_of(Path("whole", folder))
