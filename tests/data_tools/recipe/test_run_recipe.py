import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest

from data_tools.recipe.commands import commands, stages
from data_tools.recipe.run_recipe import run
from data_tools.recipe.schema import load_recipe
from data_tools.report.published import PUBLISHED_TOKENS
from megatron_mathcoder.config.errors import ConfigError, DataError
from tests.data_tools.recipe.recipe_text import component, recipe_text
from tests.repository import ROOT

PUBLISHED = ROOT / "launch/recipes/mathcoder2_data.toml"
OPTIONS = ["--text-field", "question"]
PROBLEMS = ["benchmarks/gsm8k_test.jsonl", "benchmarks/mmlu_math_questions.jsonl"]
COMPONENTS = (
    component(
        "problems",
        "record_files",
        PROBLEMS,
        options=OPTIONS,
        epochs=2,
    ),
    component("questions", "record_files", ["benchmarks/mmlu_stem.jsonl"], options=OPTIONS),
    component("later", "record_files", []),
)


@pytest.fixture
def recipe(shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "r.toml").write_text(recipe_text(shared_data, shared_data, COMPONENTS, ["v1"]))
    monkeypatch.chdir(tmp_path)
    return "r.toml"


def outputs(folder: Path) -> dict[str, bytes]:
    """Return the files that make the result; manifests hold a date."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith("manifest.json")
    }


def test_all_stages_conserve_documents_and_end_in_a_blend(recipe: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([recipe]) == 0
    printed = capsys.readouterr().out
    assert "later: has no inputs, so it is left out" in printed
    for found in re.finditer(r"(\d+) documents in = (\d+) out \+ (\d+) dropped", printed):
        assert int(found[1]) == int(found[2]) + int(found[3])
    documents = {}
    for name in ("problems", "questions"):
        manifests = [
            json.loads(Path(f"out/{stage}/{name}/manifest.json").read_bytes()) for stage in ("prepare", "decontaminate", "dedup")
        ]
        for before, after in itertools.pairwise(manifests):
            assert after["documents_in"] == before["documents"]
        tokens = json.loads(Path(f"out/tokens/v1/{name}.manifest.json").read_bytes())
        assert tokens["documents"] == manifests[-1]["documents"]
        documents[name] = tokens
    blend = json.loads(Path("out/blend-v1.json").read_bytes())["components"]
    drawn = [2 * documents["problems"]["tokens"], documents["questions"]["tokens"]]
    assert [row["epochs"] for row in blend] == [2.0, 1.0]
    assert np.allclose([row["weight"] for row in blend], np.array(drawn) / sum(drawn))
    assert 'prefix = "out/tokens/v1/problems"\nepochs = 2.0' in Path("out/blend-v1.toml").read_text()
    # The MMLU questions that both components hold stay in the first alone.
    assert "exact duplicate" in json.loads(Path("out/dedup/questions/manifest.json").read_bytes())["dropped_by_reason"]
    before = outputs(Path("out"))
    assert run([recipe]) == 0
    assert capsys.readouterr().out.count("nothing to do") == 8
    assert outputs(Path("out")) == before


def test_stages_and_parts_alone_give_the_same_bytes(recipe: str) -> None:
    assert run([recipe, "--set", "data.folder=whole"]) == 0
    for stage in stages(load_recipe(recipe)):
        for _ in range(2 if stage == "dedup" else 1):
            for share in ("2/2", "1/2"):
                assert run([recipe, "--set", "data.folder=parts", "--stage", stage, "--part", share]) == 0
    for name in ("decontaminate", "dedup", "tokens"):
        assert outputs(Path("parts") / name) == outputs(Path("whole") / name), name


def test_a_dry_run_prints_what_it_would_do(recipe: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([recipe, "--dry-run", "--stage", "tokenize/questions"]) == 0
    printed = capsys.readouterr().out
    assert "$ mathcoder tokenize out/dedup/questions --tokenizer" in printed
    assert printed.count("$ mathcoder") == 1
    assert not Path("out").exists()


def test_the_published_recipe_has_the_six_components_and_all_their_stages() -> None:
    recipe = load_recipe(PUBLISHED)
    assert {component.name for component in recipe.components if component.is_used} == set(PUBLISHED_TOKENS)
    made = [command.stage for command in commands(recipe)]
    assert list(dict.fromkeys(made)) == list(stages(recipe))
    rounds = [f"{stage}-{number}" for number in (1, 2) for stage in ("annotate", "train-filter", "filter")]
    rest = ["translate", "execute", "decontaminate", "dedup", "tokenize", "blend", "report"]
    assert made[0] == "prepare"
    assert list(stages(recipe)) == ["prepare", *rounds, *rest]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "components.0.nam=x"], r"r.toml: components.0.nam = \"x\": no such key; did you mean components.0.name\?"),
        (["--set", "components.1.name=problems"], "components.1.name = 'problems': is there twice; give each its own"),
        (["--set", "components.1.name=a/b"], "components.1.name = 'a/b': is a folder's name too"),
        (["--set", "components.0.epochs=0"], "components.0.epochs = 0.0: must be above 0"),
        (["--stage", "dedupe"], "--stage 'dedupe': no such stage; there are prepare, translate, execute, decontaminate, dedup,"),
        (["--set", "components.1.source="], "components.1.source: missing; add one of mathcoder prepare --source"),
        (
            ["--set", 'components.2.translated_from=["later"]'],
            "components.2.translated_from = 'later': is no component with inputs; there are problems, questions",
        ),
        (
            ["--set", 'components.1.translated_from=["problems"]'],
            "components.1.translated_from: stands beside inputs or filters; what is translated has neither",
        ),
        (
            ["--set", "components.1.filters=[{threshold = 0.5}]"],
            "components.1.filters.0: needs either a ready model or an annotator to learn one from",
        ),
        (
            ["--set", 'components.1.filters=[{annotator = "opnai"}]'],
            'components.1.filters.0.annotator = "opnai": must be one of none, openai, vllm, given; did you mean openai?',
        ),
        (["--set", "components.1.source=recordfiles"], "source = 'recordfiles': no such source; did you mean record_files?"),
        (["--set", "data.workers=-1"], "data.workers = -1: must be at least 1, or 0 for the cores this process may use"),
        (["--set", "data.folder="], "data.folder: is empty; name the folder to make"),
        (
            ["--dry-run", "--set", 'components.1.options=["--textfield", "x"]'],
            "r.toml: prepare of questions: unrecognized arguments: --textfield x; mathcoder prepare --help lists what it knows",
        ),
        (["--set", 'components.0.inputs=["gone"]'], "components.0.inputs: '.*/gone' does not exist; paths are relative to"),
        (["--set", "tokenizers.0.path=gone"], "r.toml: tokenizers.0.path: 'gone' does not exist"),
        (["--set", 'decontaminate.benchmarks=["gone"]'], "decontaminate.benchmarks: 'gone' does not exist"),
        (["--set", 'components.1.filters=[{model="gone"}]'], "components.1.filters.0.model: 'gone' does not exist"),
        (["--stage", "dedup/x"], "--stage 'dedup/x': no such component; there are problems, questions, later"),
        (["--part", "1/2"], "--part 1/2 needs --stage: a stage begins when all parts of the one before have ended"),
        (["--stage", "blend"], "problems.manifest.json is not there; run the stage tokenize first"),
    ],
)
def test_what_a_person_gets_wrong(recipe: str, arguments: list[str], message: str) -> None:
    with pytest.raises((ConfigError, DataError)) as error:
        run([recipe, *arguments])
    assert re.search(message, str(error.value)), str(error.value)
    assert not Path("out").exists()


def test_what_was_made_from_something_else_is_made_again_only_when_asked(recipe: str, capsys: pytest.CaptureFixture[str]) -> None:
    given = [recipe, "--stage", "prepare/problems"]
    assert run(given) == 0
    changed = [*given, "--set", 'components.0.inputs=["benchmarks/gsm8k_test.jsonl"]']
    with pytest.raises(DataError, match=r"belongs to another output \(setting files: .{100}… there, .*; .* or add --overwrite"):
        run(changed)
    assert run([*changed, "--overwrite"]) == 0
    assert json.loads(Path("out/prepare/problems/manifest.json").read_bytes())["documents"] == 1319
    assert run([*changed, "--overwrite"]) == 0
    assert "nothing to do" in capsys.readouterr().out
