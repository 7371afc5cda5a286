"""What the run is made of is damaged or gone: it says so, and goes on from what is whole."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.launch.scenario import CRASH_LOSES, INTERVAL, Run

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(600)]
Record = Callable[[str, str], None]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 24 MB and return where."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"this machine allows no mounts: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_disk(run: Run, whole: list[float], record_property: Record, small_disk: Path) -> None:
    """A save finds no space; once somebody has made some, the run goes on."""
    run.folder = small_disk / "run"
    run.submit()
    run.at_step(12)
    filler = small_disk / "somebody-else"
    subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=64k"], stderr=subprocess.DEVNULL, check=False)
    run.wait_for_outcome("crashed")
    filler.unlink()
    run.wait()
    record_property("outcome", run.judge(whole, lost=CRASH_LOSES))


def kill_after(run: Run, step: int) -> Path:
    """Kill a rank after ``step`` and hold the job; return the newest checkpoint."""
    run.at_step(step)[0].kill()
    run.wait_for_requeue()
    return max((run.folder / "checkpoints").glob("iter_*[0-9]"))


def test_a_torn_newest_checkpoint(run: Run, whole: list[float], record_property: Record) -> None:
    """Files cut short, as a file system leaves them after a power failure."""
    run.submit()
    newest = kill_after(run, 2 * INTERVAL + 2)
    for part in newest.glob("*.distcp"):
        part.write_bytes(part.read_bytes()[:1000])
    run.wait()
    record_property("outcome", run.judge(whole, lost=CRASH_LOSES + INTERVAL))
    assert f"{newest.name}: " in run.log()
    assert "is not what was written (checksum); taking the checkpoint before" in run.log()


def test_a_flipped_bit_in_the_newest_checkpoint(run: Run, whole: list[float], record_property: Record) -> None:
    """A silent error of a disk."""
    run.submit()
    newest = kill_after(run, 2 * INTERVAL + 2)
    content = bytearray((newest / "__0_0.distcp").read_bytes())
    content[len(content) // 2] ^= 1
    (newest / "__0_0.distcp").write_bytes(content)
    run.wait()
    record_property("outcome", run.judge(whole, lost=CRASH_LOSES + INTERVAL))
    assert "taking the checkpoint before" in run.log()


def test_data_that_disappears(run: Run, whole: list[float], record_property: Record, dataset: Path, tmp_path: Path) -> None:
    """Every attempt fails: after three the job stays down, and the run goes on when it is submitted again."""
    for ending in (".bin", ".idx"):
        (tmp_path / f"data{ending}").write_bytes(dataset.with_suffix(ending).read_bytes())
    run.dataset = tmp_path / "data"
    run.submit()
    ranks = run.at_step(12)
    (tmp_path / "data.idx").rename(tmp_path / "gone.idx")
    ranks[1].kill()
    run.wait("FAILED")
    assert [each.end.outcome for each in run.attempts()] == ["crashed", "crashed", "crashed", "gave up"]
    assert "data.idx is missing" in run.log()
    (tmp_path / "gone.idx").rename(tmp_path / "data.idx")
    run.seen.clear()
    run.submit()
    run.wait()
    record_property("outcome", run.judge(whole, lost=CRASH_LOSES))


def test_a_recipe_edited_while_the_job_runs(run: Run, whole: list[float], record_property: Record) -> None:
    """A requeued job runs the copy that was submitted."""
    run.submit()
    ranks = run.at_step(12)
    run.folder.with_suffix(".toml").write_text("[run]\n")
    ranks[1].kill()
    run.wait()
    record_property("outcome", run.judge(whole, lost=CRASH_LOSES))
