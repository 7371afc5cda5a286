"""``kill -9`` at random points of a whole recipe: the bytes are those of an uninterrupted run, and hardly any work is done twice.

After each kill the records on disk are looked at: a finished slice must keep its record untouched to the end, and of unfinished
ones each worker may have begun one.
"""

import json
import random
import re
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from data_tools.recipe.run_recipe import run
from tests.data_tools.conftest import command
from tests.data_tools.recipe.recipe_text import component, recipe_text

COMPONENTS = (
    component("problems", "record_files", ["problems"], options=["--text-field", "question"]),
    component("articles", "markdown", ["articles"]),
)
STAGES = ("prepare", "decontaminate", "dedup", "tokens")


def write_recipe(data: Path, rows: int, copies: int, tokenizers: Sequence[str]) -> str:
    """Six files of problems, and articles, a slice for each copy of them: each stage has several parts to make."""
    lines = (data / "benchmarks/gsm8k_train.jsonl").read_text().splitlines(True)[:rows]
    Path("corpora/problems").mkdir(parents=True)
    for number in range(6):
        Path(f"corpora/problems/{number:02}.jsonl").write_text("".join(lines[number::6]))
    pages = [path.read_text(errors="replace") for path in sorted((data / "markdown").rglob("*.md"))]
    Path("corpora/articles").mkdir()
    for copy in range(copies):
        for number, page in enumerate(pages):
            Path(f"corpora/articles/{copy}-{number:04}.md").write_text(f"{copy}\n\n{page}")
    Path("r.toml").write_text(recipe_text(data, "corpora", COMPONENTS, tokenizers))
    return "r.toml"


@pytest.fixture
def small(shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    return write_recipe(shared_data, rows=1200, copies=1, tokenizers=["v1"])


@pytest.fixture
def large(shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    return write_recipe(shared_data, rows=7473, copies=4, tokenizers=["v1", "v3"])


def outputs(folder: Path) -> dict[str, bytes]:
    """Return the files that make the result; manifests hold a date."""
    files = [path for stage in STAGES for path in sorted((folder / stage).rglob("*")) if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files if not path.name.endswith("manifest.json")}


def file_identity(path: Path) -> tuple[int, int]:
    """A file that is written again has another inode, since it is renamed into its place."""
    state = path.stat()
    return state.st_ino, state.st_mtime_ns


@dataclass
class Ledger:
    """What is on disk after each kill, compared with what was there after the one before."""

    folder: Path
    workers: int
    finished: dict[Path, tuple[int, int]] = field(default_factory=dict)
    most_unfinished: int = 0
    moments: set[str] = field(default_factory=set)

    def look(self) -> None:
        now = {path: file_identity(path) for path in self.folder.rglob("slice-*.json")}
        now |= {path: file_identity(path) for path in self.folder.rglob("*manifest.json") if ".partial" not in str(path)}
        redone = [path for path, before in self.finished.items() if now.get(path, before) != before]
        assert redone == [], "finished work was done again"
        self.finished = now
        for partial in [*self.folder.rglob("*.partial"), *self.folder.glob("*.signatures")]:
            # Without a plan the output is published, and the folder was being removed.
            if (partial / "plan.json").exists():
                self._look_at_unfinished(partial)

    def _look_at_unfinished(self, partial: Path) -> None:
        recorded = {int(path.stem.split("-")[1]) for path in (partial / "records").glob("slice-*.json")}
        names = [path.name for path in partial.rglob("*") if "records" not in path.parts]
        begun = {int(found[1]) for name in names if (found := re.search(r"(?:part|slice)-(\d{5})[-.]", name))}
        assert len(begun - recorded) <= self.workers, f"{partial}: more than one part a worker is done again"
        self.most_unfinished = max(self.most_unfinished, len(begun - recorded))
        self.moments.add(f"{partial.relative_to(self.folder)} {len(recorded)}")


def killed_until_done(recipe: str, folder: Path, workers: int, seed: int, kills: int, seconds: float) -> Ledger:
    """Run the recipe, kill -9 it ``kills`` times at random moments of ``seconds``, and let it end."""
    moments = random.Random(seed)
    given = command("data", recipe, "--set", f"data.folder={folder}", "--set", f"data.workers={workers}")
    ledger = Ledger(folder, workers)
    for _ in range(kills):
        process = subprocess.Popen(given, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(moments.uniform(0.5, seconds))
        process.send_signal(signal.SIGKILL)
        process.wait()
        time.sleep(0.1)  # the workers follow their parent
        ledger.look()
    subprocess.run(given, check=True, stdout=subprocess.DEVNULL, timeout=240)
    return ledger


def test_kill_9_changes_nothing_and_costs_one_part_a_worker(small: str) -> None:
    assert run([small, "--set", "data.folder=whole", "--set", "data.workers=1"]) == 0
    killed_until_done(small, Path("killed"), workers=2, seed=1, kills=2, seconds=4)
    assert outputs(Path("killed")) == outputs(Path("whole"))


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_kill_9_at_fifty_points_with_1_2_and_4_workers(large: str) -> None:
    begin = time.monotonic()
    subprocess.run(command("data", large, "--set", "data.folder=whole"), check=True, stdout=subprocess.DEVNULL)
    seconds = time.monotonic() - begin
    expected = outputs(Path("whole"))
    moments: set[str] = set()
    unfinished: dict[int, int] = {}
    for number, (workers, kills) in enumerate([(1, 17), (2, 17), (4, 16)]):
        for seed in range(0, kills, 6):
            folder = Path(f"killed-{workers}-{seed}")
            ledger = killed_until_done(large, folder, workers, 100 * number + seed, min(6, kills - seed), seconds / 3)
            assert outputs(folder) == expected, (workers, seed)
            moments |= ledger.moments
            unfinished[workers] = max(unfinished.get(workers, 0), ledger.most_unfinished)
    print(json.dumps({"moments": len(moments), "most unfinished parts after a kill, by workers": unfinished}))
    # Many kills fall into the start of a process; these are the states in which a stage was at work.
    assert len(moments) > 10, "the kills came at too few different moments to say anything"


def test_another_order_of_the_directory_changes_nothing(small: str) -> None:
    assert run([small, "--set", "data.folder=one", "--set", "data.workers=1"]) == 0
    for folder in (Path("corpora/problems"), Path("corpora/articles")):
        files = sorted(folder.iterdir())
        random.Random(1).shuffle(files)
        contents = {path.name: path.read_bytes() for path in files}
        for path in files:
            path.unlink()
        for path in files:  # made again in another order, so the file system lists them in another
            path.write_bytes(contents[path.name])
    assert run([small, "--set", "data.folder=other", "--set", "data.workers=1"]) == 0
    assert outputs(Path("other")) == outputs(Path("one"))
