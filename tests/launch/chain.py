"""A chain of data jobs on the cluster of cluster.sh, as a scenario disturbs and judges it."""

import json
import os
import re
import subprocess
from pathlib import Path

from megatron_mathcoder.launching.attempts import AttemptLog, job_names
from tests.launch.scenario import Pair, slurm, wait_until
from tests.repository import ROOT

PARTS = 4
ALL = 2 * PARTS * 50
"""Documents."""
WHOLE = 4_294_967_294
"""What Slurm writes for the task of a job that is no array."""


class Chain:
    """The folder of a chain of data jobs, and the ids of its jobs."""

    def __init__(self, folder: Path, pair: Pair) -> None:
        self.folder = folder / "chain"
        self.output = folder / "prepared"
        self.fault = folder / "fault"
        self._pair = pair
        self.inputs = folder / "raw"
        self.inputs.mkdir()
        for number in range(2 * PARTS):
            rows = (json.dumps({"text": f"document {number} of part {row}"}) for row in range(50))
            (self.inputs / f"{number}.jsonl").write_text("\n".join(rows) + "\n")
        python = re.findall(r"^PYTHON=(.*)", pair.site.read_text(), flags=re.MULTILINE)[0]
        wrapper = folder / "python"
        # What stands in `fault` is run before the part it names.
        wrapper.write_text(f'#!/bin/sh\nfault={self.fault}\n[ -f $fault ] && . $fault\nexec {python} "$@"\n')
        wrapper.chmod(0o755)
        self.site = folder / "site.sh"
        self.site.write_text(pair.site.read_text().replace("HOST_PYTHON=$PYTHON", f"HOST_PYTHON=$PYTHON PYTHON={wrapper}"))

    def submit(self, stage: str, parts: int, verb: list[str], *options: str, needs: str = "", model: str = "") -> str:
        """Submit a stage by launch/data.sbatch, or with a ``model`` by launch/translate.sbatch; return the job's id."""
        command = ["sbatch", "--parsable", f"--partition={self._pair.low}", f"--output={self.folder}-{stage}-%a.log", *options]
        script = [f"launch/{'translate' if model else 'data'}.sbatch", str(self.folder), stage, str(parts)]
        script += [*([model] if model else []), *([f"--needs={needs}"] if needs else []), "--"]
        environment = {"CLUSTER_ENV": str(self.site)}
        answer = subprocess.run(
            [*command, *script, *verb], cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=True
        )
        return answer.stdout.strip()

    def prepare(self, array: str = f"1-{PARTS}") -> str:
        """Submit the array that turns the raw files into documents."""
        verb = ["prepare", str(self.inputs), "--output", str(self.output), "--workers", "1"]
        return self.submit("prepare", PARTS, verb, f"--array={array}")

    def count(self, after: str) -> str:
        """Submit a job that needs all parts; it waits for the array to end, well or not."""
        needs = f"{self.folder}:prepare/{PARTS}"
        return self.submit("count", 1, ["--version"], f"--dependency=afterany:{after}", needs=needs)

    def wait(self) -> None:
        """Wait until no job of the chain is left in Slurm's queue."""
        wait_until(lambda: not slurm("squeue", "--noheader", f"--partition={self._pair.low}"), "all jobs over", 240)

    def log(self, stage: str, task: int = WHOLE) -> str:
        """Return what a stage has printed."""
        return Path(f"{self.folder}-{stage}-{task}.log").read_text()

    def outcomes(self) -> dict[str, list[str]]:
        """Return each job's outcomes, attempt by attempt."""
        return {
            name: [each.end.outcome for each in AttemptLog(self.folder, name).read() if each.end]
            for name in job_names(self.folder)
        }

    def documents(self) -> int:
        """Return the number of documents that the stage says it made."""
        return int(json.loads((self.output / "manifest.json").read_text())["documents"])
