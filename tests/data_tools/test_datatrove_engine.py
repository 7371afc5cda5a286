"""Our stages under datatrove's local executor: the same bytes as by our own pool."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from data_tools.dedup.dedup import run as dedup
from data_tools.prepare import run as prepare
from data_tools.recipe.commands import stages
from data_tools.recipe.schema import load_recipe
from megatron_mathcoder.config.errors import DataError
from tests.repository import ROOT

local = pytest.importorskip(
    "datatrove.executor.local", reason="datatrove is an extra: pip install -c constraints.txt '.[datatrove]'"
)
engine = pytest.importorskip("data_tools.datatrove_engine")


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Five files, so five slices, with copies among them and a damaged row."""
    monkeypatch.chdir(tmp_path)
    for number in range(5):
        texts = [f"Text {n % 7} of a corpus in which some say the same as others do, at some length." for n in range(number, 9)]
        rows = [json.dumps({"text": text}) for text in texts] + (["{broken"] if number == 2 else [])
        Path(f"{number}.jsonl").write_text("".join(f"{row}\n" for row in rows))
    return [f"{number}.jsonl" for number in range(5)]


def outputs(folder: str) -> dict[str, Any]:
    """Return the files of a folder; of a manifest all but the date."""
    found: dict[str, Any] = {}
    for path in sorted(Path(folder).rglob("*")):
        if path.is_file():
            content: Any = path.read_bytes()
            if path.name == "manifest.json":
                content = {key: value for key, value in json.loads(content).items() if key != "created"}
            found[path.relative_to(folder).as_posix()] = content
    return found


def executor(step: Any, logs: str, tasks: int = 3, workers: int = 1, depends: Any = None) -> Any:
    # An absolute path: datatrove remembers what a relative one meant first.
    folder = str(Path(logs).resolve())
    return local.LocalPipelineExecutor([step], tasks=tasks, workers=workers, logging_dir=folder, depends=depends)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_stage_gives_the_bytes_of_our_own_pool(corpus: list[str], workers: int, capsys: pytest.CaptureFixture[str]) -> None:
    damaged = ["--max-reject-fraction", "0.2"]
    assert prepare([*corpus, "--output", "ours", "--workers", "1", *damaged]) == 0
    step = engine.VerbStep("prepare", *corpus, "--output", "theirs", *damaged)
    executor(step, "logs", workers=workers).run()
    if workers == 1:
        printed = capsys.readouterr().out
        assert "part 1/3 is done; 3 of 5 slices are left" in printed
        assert "part 2/3 is done; 1 of 5 slices are left" in printed
    assert outputs("theirs") == outputs("ours")
    assert json.loads(Path("theirs/manifest.json").read_bytes())["dropped"] == 1
    assert not Path("theirs.partial").exists()


def test_dedup_takes_two_runs_of_which_the_second_depends_on_the_first(corpus: list[str]) -> None:
    assert prepare([*corpus, "--output", "in", "--workers", "1", "--max-reject-fraction", "0.2"]) == 0
    assert dedup(["in", "--output", "ours", "--workers", "1"]) == 0
    step = engine.VerbStep("dedup", "in", "--output", "theirs")
    first = executor(step, "logs-1")
    executor(step, "logs-2", depends=first).run()
    assert outputs("theirs") == outputs("ours")


def test_a_mistake_ends_the_run_with_its_one_line(corpus: list[str]) -> None:
    step = engine.VerbStep("prepare", "gone.jsonl", "--output", "theirs")
    with pytest.raises(DataError, match=r"input 'gone\.jsonl' does not exist"):
        executor(step, "logs", tasks=1).run()
    with pytest.raises(DataError, match="verb 'train-filter' has no parts, so it is no step; there are prepare, "):
        engine.VerbStep("train-filter")


def test_a_recipe_is_a_chain_of_executors() -> None:
    made: list[tuple[str, Any]] = []

    def make(name: str, pipeline: Iterable[Any], depends: Any) -> str:
        (step,) = pipeline
        made.append((name, depends))
        assert step.arguments[:2] == (recipe, "--stage")
        return name

    recipe = str(ROOT / "launch/recipes/mathcoder2_data.toml")
    names = engine.recipe_executors(recipe, make)
    assert [name for name in names if name != "dedup-again"] == list(stages(load_recipe(recipe)))
    assert [depends for _, depends in made] == [None, *names[:-1]]
    assert names[names.index("dedup") + 1] == "dedup-again"
