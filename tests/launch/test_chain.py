"""Data jobs as arrays, and jobs that wait for others: one failure neither blocks nor silently drops anything."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.launch.chain import ALL, PARTS, Chain
from tests.launch.scenario import Pair, slurm

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(600)]
Record = Callable[[str, str], None]


@pytest.fixture
def chain(tmp_path: Path, pair: Pair) -> Chain:
    return Chain(tmp_path, pair)


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
    refusal = chain.log("count")
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
    assert "b: gave up: srun ended with status 2" in chain.log("c")
    states = [re.findall(r"JobState=(\w+)", slurm("scontrol", "--oneliner", "show", "job", job))[0] for job in (a, b, c)]
    assert states == ["COMPLETED", "FAILED", "FAILED"]
    record_property("outcome", "b gave up, c ended with b's reason, nothing is left in the queue")
