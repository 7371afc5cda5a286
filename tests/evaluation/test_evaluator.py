"""``mathcoder evaluate``: from a recipe to predictions, numbers and a report; kills, changes and mistakes."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from data_tools.llm.interface import Choice, Reply, Request, TokenLogprobs
from megatron_mathcoder.cli import main
from megatron_mathcoder.config.loader import load_recipe
from megatron_mathcoder.evaluation import evaluator, recipe
from megatron_mathcoder.evaluation.recipe import EvaluationConfig
from tests.inference.conftest import Refusing, Scripted, make_tiny_model
from tests.repository import RECIPES, ROOT

SHORT = "[[benchmarks]]\nmax_new_tokens = 12\nshots = 0"
TINY_RECIPE = RECIPES / "evaluate_tiny_cpu.toml"


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def at_root(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def command(model: Path, folder: Path, *more: str) -> list[str]:
    return ["evaluate", str(TINY_RECIPE), "--set", f"models.0.path={model}", "--set", f"evaluation.folder={folder}", *more]


@pytest.mark.usefixtures("at_root")
def test_one_recipe_asks_a_tiny_model_every_benchmark(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["import-hf", str(tiny_model), str(tmp_path / "checkpoint")]) == 0
    assert main(command(tmp_path / "checkpoint", tmp_path / "run")) == 0
    printed = capsys.readouterr().out
    results = json.loads((tmp_path / "run/results.json").read_text())["results"]["quickstart"]
    assert len(results) == 10
    assert all(numbers["items"] == 3 and numbers["failed"] == 0 for numbers in results.values())
    assert printed.count("\nquickstart ") == 10
    assert "\n\n" not in printed
    rows = [json.loads(line) for line in (tmp_path / "run/quickstart/predictions.jsonl").open("rb")]
    assert len({row["id"] for row in rows}) == 30
    assert all(len(row["prompt_sha256"]) == 64 and row["versions"]["torch"] and row["model"].startswith("hf-") for row in rows)
    page = (tmp_path / "run/report.html").read_text()
    assert "<h1>Evaluation</h1>" in page
    assert "http" not in page.split("<table>")[0]
    assert main(["grade", str(tmp_path / "run/quickstart/predictions.jsonl"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["total"] == 30


def test_a_checkpoint_of_the_same_name_with_other_contents_is_exported_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluator, "find_good_checkpoint", lambda place: place / "iter_0000300")
    monkeypatch.setattr(evaluator, "export", lambda checkpoint, target: (target.mkdir(), (target / "config.json").touch()))
    checkpoint = tmp_path / "run/iter_0000300"
    checkpoint.mkdir(parents=True)
    (checkpoint / "weights").write_text("one")
    names = [evaluator._exported(str(tmp_path / "run"), tmp_path) for _ in range(2)]
    (checkpoint / "weights").write_text("others")
    names.append(evaluator._exported(str(tmp_path / "run"), tmp_path))
    assert names[0] == names[1] != names[2]
    assert all(Path(name).name.startswith("hf-iter_0000300-") for name in names)


def test_a_kill_loses_and_repeats_nothing(tiny_model: Path, tmp_path: Path) -> None:
    path = small_recipe(tmp_path, "batch_size = 1\n")
    path.write_text(path.read_text().replace('path = "good"', f'path = "{tiny_model}"').replace("[[benchmarks]]", SHORT))

    def arguments(folder: str) -> list[str]:
        return ["evaluate", str(path), "--set", f"evaluation.folder={tmp_path / folder}", "--set", f"models.1.path={tiny_model}"]

    run = subprocess.Popen([sys.executable, "-m", "megatron_mathcoder", *arguments("killed")])
    log = tmp_path / "killed/good/predictions.jsonl"
    while not log.exists() or log.read_bytes().count(b"\n") < 3:
        assert run.poll() is None
        time.sleep(0.02)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    with log.open("ab") as stream:
        stream.write(b'{"id": "gsm8k/half a l')
    kept = log.read_bytes().splitlines()[:3]
    assert main(arguments("killed")) == 0
    assert main(arguments("whole")) == 0
    lines = log.read_bytes().splitlines()
    assert lines[:3] == kept
    assert sorted(lines) == sorted((tmp_path / "whole/good/predictions.jsonl").read_bytes().splitlines())
    assert len(lines) == 20


def small_recipe(folder: Path, text: str = "") -> Path:
    items = [{"id": f"q{n}", "question": f"What is {n} + {n}?", "answer": f"#### {2 * n}"} for n in range(20)]
    (folder / "gsm8k.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    (folder / "r.toml").write_text(
        f'[evaluation]\nfolder = "{folder}/run"\ncontamination = "{folder}/c.jsonl"\n{text}'
        '[[models]]\nname = "good"\npath = "good"\n[[models]]\nname = "bad"\npath = "bad"\n'
        f'[[benchmarks]]\nname = "gsm8k"\npath = "{folder}/gsm8k.jsonl"\n'
    )
    (folder / "c.jsonl").write_text("".join(json.dumps({"benchmark": "gsm8k", "id": f"q{n}"}) + "\n" for n in range(5)))
    return folder / "r.toml"


def solver(wrong_from: int):
    def answer(prompt: str) -> str:
        number = int(prompt.rsplit("What is ", 1)[1].split(" ")[0])
        return f"Twice {number}. The answer is {2 * number + (number >= wrong_from)}.\n\nProblem:\nnext"

    return answer


def scripted(monkeypatch: pytest.MonkeyPatch, **models: Scripted | Refusing) -> None:
    from contextlib import nullcontext

    monkeypatch.setattr(evaluator, "check_name", lambda path: None)
    monkeypatch.setattr(evaluator, "open_model", lambda path, batch: nullcontext(models[path]))


def test_scores_intervals_pairs_and_contamination_are_those_of_the_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scripted(monkeypatch, good=Scripted(solver(18)), bad=Scripted(solver(4)))
    assert main(["evaluate", str(small_recipe(tmp_path))]) == 0
    found = json.loads((tmp_path / "run/results.json").read_text())
    good, bad = (found["results"][name]["gsm8k/few-shot-cot"] for name in ("good", "bad"))
    assert (good["right"], bad["right"]) == (18, 4)
    assert good["interval_95"] == pytest.approx([0.6990, 0.9721], abs=1e-4)
    assert good["graders"] == {"strict": 0.9, "lenient": 0.9, "mathcoder2": 0.9}
    assert (good["contaminated"], good["clean_share"]) == (5, pytest.approx(13 / 15))
    (pair,) = found["comparisons"]
    assert (pair["only_first"], pair["only_second"], pair["p"]) == (14, 0, pytest.approx(2 / 2**14))
    assert "good alone right 14, bad alone 0, McNemar exact p = 0.000122" in capsys.readouterr().out
    page = (tmp_path / "run/report.html").read_text()
    assert "16 items not right for every model" in page
    assert "contaminated" in page
    verdicts = [json.loads(line) for line in (tmp_path / "run/good/verdicts.jsonl").read_text().splitlines()]
    assert [row["strict"] for row in verdicts].count("right") == 18


def test_a_model_that_answers_nothing_is_an_error_and_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scripted(monkeypatch, good=Scripted(solver(18)), bad=Refusing())
    arguments = ["evaluate", str(small_recipe(tmp_path))]
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.err.endswith("evaluate: bad: all 20 failed, the first so: no connection; mend that, then run the same command\n")
    head, good, bad = (re.split(" {2,}", line) for line in said.out.splitlines()[:3])
    assert (good[head.index("failed")], bad[head.index("failed")]) == ("0", "20")
    assert (tmp_path / "run/report.html").exists()
    scripted(monkeypatch, good=Scripted(solver(0)), bad=Scripted(solver(4)))
    assert main(arguments) == 0
    assert "good alone right 14, bad alone 0" in capsys.readouterr().out


class Batching(Scripted):
    """Draws all the requests it can get before it answers the first."""

    def complete(self, requests: Iterable[Request]) -> Iterator[Reply]:
        return super().complete(list(requests))


@pytest.mark.parametrize(("batch_size", "at_once"), [(70, 70), (8, 64)])
def test_a_model_may_take_as_many_prompts_at_once_as_the_recipe_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch_size: int, at_once: int
) -> None:
    scripted(monkeypatch, good=(good := Batching(solver(80))), bad=Scripted(solver(0)))
    path = small_recipe(tmp_path, f"batch_size = {batch_size}\n")
    items = [{"id": f"q{n}", "question": f"What is {n} + {n}?", "answer": f"#### {2 * n}"} for n in range(80)]
    (tmp_path / "gsm8k.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    assert main(["evaluate", str(path)]) == 0
    assert len(good.asked[0]) == at_once
    assert sum(map(len, good.asked)) == 80


def test_best_fails_where_intervals_touch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(small_recipe(tmp_path))
    # Of 20: 18 right is 69.9 to 97.2 %, 10 is 29.9 to 70.1 %, 9 is 25.8 to 65.8 %.
    for wrong_from, best, status in ((9, "good", 0), (10, "good", 1), (9, "bad", 1), (18, "good", 1)):
        scripted(monkeypatch, good=Scripted(solver(18)), bad=Scripted(solver(wrong_from)))
        folder = f"evaluation.folder={tmp_path}/{best}-{wrong_from}"
        assert main(["evaluate", path, "--best", best, "--set", folder]) == status
        assert ("not clearly the best" in capsys.readouterr().err) == bool(status)
    assert main(["evaluate", path, "--best", "better"]) == 2
    assert "--best better: the recipe's models are good, bad; name one of them" in capsys.readouterr().err
    alone = tmp_path / "alone.toml"
    alone.write_text(Path(path).read_text().replace('[[models]]\nname = "bad"\npath = "bad"\n', ""))
    assert main(["evaluate", str(alone), "--best", "good"]) == 2
    assert "--best good: the recipe's models are good; name one of them, of two or more" in capsys.readouterr().err


def test_one_benchmark_is_asked_with_two_files_under_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scripted(monkeypatch, good=Scripted(solver(18)), bad=Scripted(solver(4)))
    path = small_recipe(tmp_path)
    path.write_text(path.read_text() + f'[[benchmarks]]\nname = "gsm8k"\npath = "{tmp_path}/gsm8k.jsonl"\nlimit = 4\n')
    assert main(["evaluate", str(path)]) == 2
    assert "'gsm8k' is asked twice by one protocol; leave one out, or give it a label" in capsys.readouterr().err
    assert main(["evaluate", str(path), "--set", "benchmarks.1.protocol=few-shot-cot"]) == 2
    assert "'gsm8k' is asked twice by one protocol" in capsys.readouterr().err
    assert main(["evaluate", str(path), "--set", "benchmarks.1.label=the first"]) == 0
    printed = capsys.readouterr().out
    found = json.loads((tmp_path / "run/results.json").read_text())["results"]["bad"]
    assert {key: (each["right"], each["items"]) for key, each in found.items()} == {
        "gsm8k/few-shot-cot": (4, 20),
        "the first/few-shot-cot": (4, 4),
    }
    assert [line.split()[1] for line in printed.splitlines() if line.startswith("bad ")] == ["GSM8K", "the"]
    page = (tmp_path / "run/report.html").read_text()
    assert page.index("<b>GSM8K<") < page.index("<b>the first<")


def test_predictions_made_otherwise_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scripted(monkeypatch, good=Scripted(solver(18)), bad=Scripted(solver(4)))
    path = small_recipe(tmp_path)
    assert main(["evaluate", str(path)]) == 0
    capsys.readouterr()
    assert main(["evaluate", str(path), "--set", "benchmarks.0.shots=1"]) == 2
    error = capsys.readouterr().err
    assert "gsm8k/few-shot-cot/q0 was made with prompt_sha256 = " in error
    assert error.count("\n") == 1


def test_a_choice_is_scored_by_likelihood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def score(prompt: str) -> Choice:
        liked = "B" if "first" in prompt else "A"
        return Choice(prompt, "length", TokenLogprobs(("x",), (None, -1.0 if prompt.endswith(liked) else -2.0), ()))

    rows = [{"question": q, "options": ["1", "2"], "answer": "B", "topic": "college_mathematics"} for q in ("first", "second")]
    (tmp_path / "m.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "r.toml").write_text(
        f'[evaluation]\nfolder = "{tmp_path}/run"\n[[models]]\nname = "m"\npath = "m"\n'
        f'[[benchmarks]]\nname = "mmlu_math"\npath = "{tmp_path}/m.jsonl"\n'
    )
    scripted(monkeypatch, m=Scripted(score))
    assert main(["evaluate", str(tmp_path / "r.toml")]) == 0
    rows = [json.loads(line) for line in (tmp_path / "run/m/predictions.jsonl").read_text().splitlines()]
    assert [row["completion"] for row in rows] == ["B", "A"]
    assert rows[0]["log_likelihoods"] == {"A": -2.0, "B": -1.0}
    found = json.loads((tmp_path / "run/results.json").read_text())["results"]["m"]["mmlu_math/log-likelihood"]
    assert found["graders"] == {"strict": 0.5, "lenient": 0.5, "mathcoder2": 0.5}


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("benchmarks.0.name=gsm9k", "must be one of gsm8k, math"),
        ("benchmarks.0.protocol=log-likelihood", "gsm8k has no choices; take few-shot-cot"),
        ("benchmarks.0.label=math", "label = 'math': gsm8k would stand in tables as it; write another"),
        ("models.1.name=good", "'good' comes twice"),
        ("models.0.name=a/b", "use letters, digits, dots and dashes"),
        ("benchmarks.0.path=gone.jsonl", "1 of 1 benchmarks have no file: gsm8k (gone.jsonl); name a file"),
        ("models.0.path=gone", "gone: there is no such folder; make the folder with mathcoder export-hf"),
        ("models.0.path=http://h/v1", "write http://h/v1#MODEL"),
        ("evaluation.batch_size=0", "batch_size at least 1"),
        ("evaluation.timeout_seconds=0", "timeout_seconds must be above 0"),
        ("evaluation.contamination=gone", "give JSONL rows with benchmark and id"),
        ("evaluation.foldr=x", "no such key; did you mean evaluation.folder?"),
    ],
)
def test_a_recipe_s_mistake_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], key: str, message: str) -> None:
    assert main(["evaluate", str(small_recipe(tmp_path)), "--set", key]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_the_recipes_of_the_project_are_valid() -> None:
    for path in sorted(RECIPES.glob("evaluate_*.toml")):
        recipe.check(load_recipe(EvaluationConfig, path))
