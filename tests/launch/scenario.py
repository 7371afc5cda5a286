"""A training run on the cluster of cluster.sh, as a scenario disturbs and judges it.

A scenario submits a run by ``mathcoder submit``, disturbs it at a step, waits for Slurm to be done with it, and compares every
loss with the same run without Slurm. Nothing else touches the job: no requeue, no release, no second command.
"""

import contextlib
import fcntl
import itertools
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from megatron_mathcoder.config.loader import dump_config
from megatron_mathcoder.config.run_folder import METRICS_FILE, read_rows
from megatron_mathcoder.launching.attempts import Attempt, AttemptLog
from tests.trainer.runs import small_config, train

MATHCODER = (sys.executable, "-m", "megatron_mathcoder")
INTERVAL = 5
"""Steps between saves."""
OVER = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "DEADLINE")
# A constant rate, so that a run of any length has the losses of the reference's first steps.
RECIPE = (
    "model.num_layers=2",
    "dataset.seq_length=32",
    "training.global_batch_size=4",
    "optimizer.lr_decay_style=constant",
    "optimizer.lr_warmup_steps=0",
    "optimizer.min_lr=0.0",
    f"checkpoint.interval_steps={INTERVAL}",
    "checkpoint.keep_last=3",
    "parallel.distributed_timeout_minutes=0.5",
)
CRASH_LOSES = INTERVAL + 1
"""A save interval, and the step that was under way when the last row was read."""
REFERENCE_STEPS = 240
TP2 = "parallel.tensor_model_parallel_size=2"


def reference(cache: Path, dataset: Path, *layout: str, data_parallel_size: int = 1) -> list[float]:
    """Return the losses of an undisturbed run in this layout, without Slurm; computed once for all workers."""
    name = re.sub(r"\W+", "-", "-".join(("losses", *layout, str(data_parallel_size))))
    path = cache / f"{name}.json"
    with (cache / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            steps = f"training.steps={REFERENCE_STEPS}"
            config = small_config(cache / name, dataset, *RECIPE, "checkpoint.interval_steps=0", steps, *layout)
            path.write_text(json.dumps([row["loss"] for row in train(config, data_parallel_size)]))
    return json.loads(path.read_text())


def slurm(*words: str) -> str:
    """Run a command of Slurm and return what it prints."""
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def wait_until(condition: Callable[[], Any], what: str, seconds: float = 180.0) -> None:
    """Wait until ``condition`` holds; the scenario fails with ``what`` if it does not."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        time.sleep(0.02)


def resume(node: str) -> None:
    """Take a node that is down or drained back, as soon as Slurm allows it; wait until it answers and its last job has gone."""

    def is_back() -> bool:
        subprocess.run(["scontrol", "update", f"nodename={node}", "state=resume"], capture_output=True, check=False)
        # An asterisk or a flag (IDLE*, IDLE+COMPLETING …) says what keeps it from a new job.
        return bool(re.search(r"State=(IDLE|ALLOCATED|MIXED)\s", slurm("scontrol", "show", "node", node)))

    wait_until(is_back, f"{node} back", 60)


@dataclass(slots=True)
class Pair:
    """The two nodes and two partitions that belong to one test worker."""

    number: int
    site: Path

    @property
    def nodes(self) -> tuple[str, str]:
        """Names of the nodes."""
        return f"n{2 * self.number - 1}", f"n{2 * self.number}"

    @property
    def low(self) -> str:
        """The partition whose jobs are preempted."""
        return f"low-{self.number}"

    @property
    def high(self) -> str:
        """The partition that preempts."""
        return f"high-{self.number}"


def high_job(pair: Pair, seconds: int) -> str:
    """Submit a job that preempts what runs on the pair's nodes; return its id."""
    options = [f"--partition={pair.high}", "--nodes=2", "--exclusive", "--output=/dev/null", "--parsable"]
    return slurm("sbatch", *options, f"--wrap=sleep {seconds}").strip()


@dataclass(slots=True)
class Run:
    """One training run and its job."""

    folder: Path
    dataset: Path
    pair: Pair
    steps: int = 60
    overrides: tuple[str, ...] = ()
    job: str = ""
    seen: list[int] = field(default_factory=list)
    """Steps at which the run was disturbed."""
    _attempts: int = 0
    """Attempts begun when it was last disturbed; counted later, the next might be among them."""
    _state: tuple[float, str, str] = (0.0, "", "")

    def command(self, *words: str, nodes: int = 2) -> subprocess.CompletedProcess[str]:
        """Call ``mathcoder submit`` for this run."""
        recipe = self.folder.with_suffix(".toml")
        config = small_config(self.folder, self.dataset, *RECIPE, f"training.steps={self.steps}", *self.overrides)
        recipe.write_text(dump_config(config))
        site = (f"--site={self.pair.site}", f"--sbatch=--partition={self.pair.low}")
        command = [*MATHCODER, "submit", str(recipe), f"--nodes={nodes}", *site, *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=self.folder.parent)

    def submit(self, *words: str, nodes: int = 2) -> "Run":
        """Submit the run; return it."""
        answer = self.command(*words, nodes=nodes)
        assert answer.returncode == 0, answer.stdout + answer.stderr
        self.job = re.findall(r"^job +(\d+)", answer.stdout, flags=re.MULTILINE)[0]
        return self

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows of metrics.jsonl."""
        return read_rows(self.folder / METRICS_FILE)

    def attempts(self) -> list[Attempt]:
        """Return the job's record."""
        return AttemptLog(self.folder, "train").read()

    def log(self) -> str:
        """Return what the job has printed."""
        return "".join(path.read_text() for path in sorted((self.folder / "logs").glob("slurm-*.log")))

    def at_step(self, step: int) -> list[psutil.Process]:
        """Wait until the run has done ``step`` and return its ranks; what happens next is counted as a disturbance there."""
        # Looked for beforehand: steps are faster than a look at all processes.
        wait_until(lambda: (len(self.ranks()) > 0 and self.rows()) or self.state() in OVER, "a first step")
        ranks = self.ranks()
        wait_until(lambda: len(self.rows()) >= step or self.state() in OVER, f"step {step}")
        assert self.state() not in OVER, f"it ended before it was disturbed:\n{self.log()}"
        self.seen.append(len(self.rows()))
        self._attempts = len(self.attempts())
        return ranks

    def ranks(self) -> list[psutil.Process]:
        """Return the processes of the running ranks, in rank order."""
        found = {}
        for process in psutil.process_iter(["cmdline"]):
            words = process.info["cmdline"] or []
            # srun and the batch step have the same last words.
            if words[1:4] == ["-m", "megatron_mathcoder", "train"] and words[-1].startswith(f"{self.folder}/"):
                found[int(process.environ()["SLURM_PROCID"])] = process
        return [found[number] for number in sorted(found)]

    @contextlib.contextmanager
    def time_limit(self, minutes_left: int) -> Iterator[None]:
        """Let this attempt's time end within the minute after ``minutes_left``, however long it took to start.

        Afterwards the job has its old limit again, for the next attempt.
        """
        minutes = 1 + minutes_left + int(time.time() - self.attempts()[-1].started) // 60
        slurm("scontrol", "update", f"jobid={self.job}", f"timelimit={minutes}")
        yield
        slurm("scontrol", "update", f"jobid={self.job}", "timelimit=30")

    def hang(self, ranks: list[psutil.Process]) -> None:
        """Hold the ranks until Slurm has killed them: it lets stopped processes go on before it signals them."""

        def are_held() -> bool:
            for rank in ranks:
                with contextlib.suppress(psutil.NoSuchProcess):
                    rank.suspend()
            return not self.ranks()

        wait_until(are_held, "killed", 240)

    def state(self) -> str:
        """Return Slurm's word for the job's state, as it was at most half a second ago."""
        asked, job, state = self._state
        if job != self.job or time.monotonic() - asked > 0.5:
            state = re.findall(r"JobState=(\w+)", slurm("scontrol", "--oneliner", "show", "job", self.job))[0]
            self._state = (time.monotonic(), self.job, state)
        return state

    def wait_for_requeue(self) -> None:
        """Wait until the job is back in the queue after the attempt that ``at_step`` saw, or has already left it again."""
        wait_until(lambda: self.state() == "PENDING" or len(self.attempts()) > self._attempts, "requeued")

    def wait_for_outcome(self, outcome: str, seconds: float = 180.0) -> None:
        """Wait until the newest ended attempt has ``outcome``."""
        wait_until(lambda: any(each.end and each.end.outcome == outcome for each in self.attempts()), outcome, seconds)

    def wait(self, state: str = "COMPLETED", seconds: float = 300.0) -> None:
        """Wait until Slurm is done with the job, in ``state``."""
        wait_until(lambda: self.state() in OVER, f"job {self.job} over", seconds)
        assert self.state() == state, self.log()[-4000:]

    def judge(self, losses: list[float], lost: int, exact: bool = True) -> str:
        """Compare the finished run with the undisturbed one; at most ``lost`` steps may have been done again at a time.

        Returns what happened, for the table of outcomes.
        """
        rows = self.rows()
        assert [row["step"] for row in rows] == list(range(1, self.steps + 1))
        differences = [abs(row["loss"] - loss) for row, loss in zip(rows, losses, strict=False)]
        assert max(differences) == 0 if exact else max(differences) < 1e-5
        attempts = self.attempts()
        assert attempts[-1].end is not None
        assert attempts[-1].end.outcome == "finished"
        pairs = list(itertools.pairwise(attempts))
        again = [before.end.last_step - after.start.saved_step for before, after in pairs if before.end]
        again += [step - after.start.saved_step for step, (_, after) in zip(self.seen, pairs, strict=False)]
        assert max(again, default=0) <= lost
        outcomes = ", ".join(each.end.outcome if each.end else "gone with its node" for each in attempts)
        return f"{outcomes}; step {len(rows)}, {max([0, *again])} steps done again"


def worker_number() -> int:
    """Return the number of this pytest worker, counted from 1."""
    return int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) + 1
