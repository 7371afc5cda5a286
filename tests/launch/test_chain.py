"""Data jobs as arrays, and jobs that wait for others: one failure neither blocks nor silently drops anything."""

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from megatron_mathcoder.launching.attempts import AttemptLog, job_names
from tests.launch.scenario import Pair, slurm, wait_until
from tests.repository import ROOT

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(600)]
Record = Callable[[str, str], None]
PARTS = 4


class Chain:
    """The folder of a chain of data jobs, and the ids of its jobs."""

    def __init__(self, folder: Path, pair: Pair) -> None:
        self.folder = folder / "chain"
        self.output = folder / "prepared"
        self.fault = folder / "fault"
        self._pair = pair
        self._inputs = folder / "raw"
        self._inputs.mkdir()
        for number in range(2 * PARTS):
            rows = (json.dumps({"text": f"document {number} of part {row}"}) for row in range(50))
            (self._inputs / f"{number}.jsonl").write_text("\n".join(rows) + "\n")
        python = re.findall(r"^PYTHON=(.*)", pair.site.read_text(), flags=re.MULTILINE)[0]
        wrapper = folder / "python"
        # What stands in `fault` is run before the part it names.
        wrapper.write_text(f'#!/bin/sh\nfault={self.fault}\n[ -f $fault ] && . $fault\nexec {python} "$@"\n')
        wrapper.chmod(0o755)
        self._site = folder / "site.sh"
        self._site.write_text(pair.site.read_text().replace("HOST_PYTHON=$PYTHON", f"HOST_PYTHON=$PYTHON PYTHON={wrapper}"))

    def submit(self, stage: str, parts: int, verb: list[str], *options: str, needs: str = "") -> str:
        """Submit a stage by launch/data.sbatch; return the job's id."""
        command = ["sbatch", "--parsable", f"--partition={self._pair.low}", f"--output={self.folder}-{stage}-%a.log", *options]
        script = ["launch/data.sbatch", str(self.folder), stage, str(parts), *([f"--needs={needs}"] if needs else []), "--"]
        environment = {"CLUSTER_ENV": str(self._site)}
        answer = subprocess.run(
            [*command, *script, *verb], cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=True
        )
        return answer.stdout.strip()

    def prepare(self, array: str = f"1-{PARTS}") -> str:
        """Submit the array that turns the raw files into documents."""
        verb = ["prepare", str(self._inputs), "--output", str(self.output), "--workers", "1"]
        return self.submit("prepare", PARTS, verb, f"--array={array}")

    def count(self, after: str) -> str:
        """Submit a job that needs all parts; it waits for the array to end, well or not."""
        needs = f"{self.folder}:prepare/{PARTS}"
        return self.submit("count", 1, ["--version"], f"--dependency=afterany:{after}", needs=needs)

    def wait(self) -> None:
        """Wait until no job of the chain is left in Slurm's queue."""
        wait_until(lambda: not slurm("squeue", "--noheader", f"--partition={self._pair.low}"), "all jobs over", 240)

    def outcomes(self) -> dict[str, list[str]]:
        """Return each job's outcomes, attempt by attempt."""
        return {
            name: [each.end.outcome for each in AttemptLog(self.folder, name).read() if each.end]
            for name in job_names(self.folder)
        }

    def documents(self) -> int:
        """Return the number of documents that the stage says it made."""
        return int(json.loads((self.output / "manifest.json").read_text())["documents"])


@pytest.fixture
def chain(tmp_path: Path, pair: Pair) -> Chain:
    return Chain(tmp_path, pair)


ALL = 2 * PARTS * 50


def test_an_array_and_what_waits_for_it(chain: Chain, record_property: Record) -> None:
    """Four parts, then a job that needs them."""
    chain.count(chain.prepare())
    chain.wait()
    assert chain.outcomes() == {"count": ["finished"]} | {f"prepare-{i}-of-{PARTS}": ["finished"] for i in range(1, PARTS + 1)}
    assert chain.documents() == ALL
    record_property("outcome", f"{PARTS} parts and their dependant finished, {ALL} documents")


def test_a_part_that_is_killed_once(chain: Chain, record_property: Record) -> None:
    """The part comes back alone; the others and the dependant do not notice."""
    chain.fault.write_text('case "$*" in *"--part 3/4"*) rm $fault; kill -9 $$;; esac\n')
    chain.count(chain.prepare())
    chain.wait()
    outcomes = chain.outcomes()
    assert outcomes["prepare-3-of-4"] == ["crashed", "finished"]
    assert outcomes["count"] == ["finished"]
    assert chain.documents() == ALL
    record_property("outcome", f"part 3: crashed, finished; the dependant finished, {ALL} documents")


def test_a_bad_part(chain: Chain, record_property: Record) -> None:
    """A part that always fails gives up; the others finish, the dependant names it, and nothing waits for ever."""
    chain.fault.write_text('case "$*" in *"--part 3/4"*) exit 1;; esac\n')
    count = chain.count(chain.prepare())
    chain.wait()
    outcomes = chain.outcomes()
    assert outcomes.pop("prepare-3-of-4") == ["crashed", "crashed", "gave up"]
    assert outcomes == {f"prepare-{i}-of-{PARTS}": ["finished"] for i in (1, 2, 4)}
    refusal = Path(f"{chain.folder}-count-4294967294.log").read_text()
    assert "count needs" in refusal
    assert "where 1 did not finish: prepare-3-of-4: gave up: srun ended with status 1, 3 of 3" in refusal
    assert "JobState=FAILED" in slurm("scontrol", "--oneliner", "show", "job", count)
    assert not (chain.output / "manifest.json").exists()
    chain.fault.unlink()
    chain.count(chain.prepare("3"))
    chain.wait()
    assert chain.outcomes()["prepare-3-of-4"][-1] == chain.outcomes()["count"][-1] == "finished"
    assert chain.documents() == ALL
    record_property("outcome", f"parts 1, 2, 4 finished, part 3 gave up, the dependant said so; part 3 again: {ALL} documents")


def test_a_failed_link_in_a_chain(chain: Chain, record_property: Record) -> None:
    """a → b → c where b fails: c ends too, and says why."""
    a = chain.submit("a", 1, ["--version"])
    b = chain.submit("b", 1, ["no-such-verb"], f"--dependency=afterany:{a}", needs=f"{chain.folder}:a")
    c = chain.submit("c", 1, ["--version"], f"--dependency=afterany:{b}", needs=f"{chain.folder}:b")
    chain.wait()
    assert chain.outcomes() == {"a": ["finished"], "b": ["crashed", "crashed", "gave up"]}
    assert "b: gave up: srun ended with status 2" in Path(f"{chain.folder}-c-4294967294.log").read_text()
    states = [re.findall(r"JobState=(\w+)", slurm("scontrol", "--oneliner", "show", "job", job))[0] for job in (a, b, c)]
    assert states == ["COMPLETED", "FAILED", "FAILED"]
    record_property("outcome", "b gave up, c ended with b's reason, nothing is left in the queue")
