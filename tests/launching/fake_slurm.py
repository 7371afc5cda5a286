"""``sbatch``, ``srun``, ``scontrol`` and ``squeue`` for a machine without Slurm: the ranks are local processes.

``sbatch`` runs the script at once and again after each ``scontrol requeue``, and returns when the job has ended. It knows no
partitions, limits or signals; what needs those is tried on a real Slurm (``tests/launch``). State lies in $FAKE_SLURM.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

STATE = Path(os.environ.get("FAKE_SLURM", "."))


def install(folder: Path) -> None:
    """Write the four commands into ``folder``, to be put first on PATH."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("sbatch", "srun", "scontrol", "squeue"):
        (folder / name).write_text(f'#!/bin/sh\nexec {sys.executable} {__file__} {name} "$@"\n')
        (folder / name).chmod(0o755)


def option(words: list[str], name: str, default: str) -> str:
    values = [word.partition("=")[2] for word in words if word.startswith(f"--{name}=")]
    return values[-1] if values else default


def sbatch(words: list[str]) -> int:
    with (STATE / "sbatch.log").open("a") as log:
        log.write(" ".join(words) + "\n")
    if option(words, "partition", "") == "closed":
        print("sbatch: error: invalid partition specified: closed", file=sys.stderr)
        return 1
    if "--test-only" in words:
        print("sbatch: Job 7 to start at 2026-11-24T12:00:00", file=sys.stderr)
        return 0
    script = next(number for number, word in enumerate(words) if not word.startswith("-"))
    tasks = int(option(words[:script], "nodes", "1")) * int(option(words[:script], "ntasks-per-node", "1"))
    environment = os.environ | {"SLURM_JOB_ID": "8", "SLURM_NTASKS": str(tasks)}
    with Path(option(words, "output", "/dev/null")).open("a") as output:
        for restart in range(10):
            (STATE / "requeue").unlink(missing_ok=True)
            count = {"SLURM_RESTART_COUNT": str(restart)} if restart else {}
            subprocess.run(["bash", *words[script:]], env=environment | count, stdout=output, stderr=output, check=False)
            if not (STATE / "requeue").exists():
                break
    print("Submitted batch job 8")
    return 0


def srun(words: list[str]) -> int:
    start = next(number for number, word in enumerate(words) if not word.startswith("-"))
    count = int(os.environ["SLURM_NTASKS"])
    environment = os.environ | {"SLURM_STEP_NUM_TASKS": str(count), "SLURM_STEP_NODELIST": "localhost"}
    ranks = [
        subprocess.Popen(words[start:], env=environment | {"SLURM_PROCID": str(number), "SLURM_LOCALID": str(number)})
        for number in range(count)
    ]
    signal.signal(signal.SIGTERM, lambda *_: [rank.terminate() for rank in ranks])
    while None in (states := [rank.poll() for rank in ranks]):
        if any(states):  # --kill-on-bad-exit
            time.sleep(0.5)
            for rank in ranks:
                rank.terminate()
        time.sleep(0.05)
    return max(state if state >= 0 else 128 - state for state in states)


def scontrol(words: list[str]) -> int:
    if words[0] == "requeue":
        (STATE / "requeue").write_text(words[1])
        with (STATE / "requeues.log").open("a") as log:
            log.write(f"{words[1]}\n")
    elif words[:2] == ["show", "hostnames"]:
        print(words[2])
    elif words[:2] == ["--oneliner", "show"]:
        print(f"JobId={words[-1]} JobState=COMPLETING Reason={os.environ.get('FAKE_REASON', 'None')}")
    return 0


def squeue(words: list[str]) -> int:
    if (STATE / "running").exists():
        print("RUNNING")
    return 0


if __name__ == "__main__":
    sys.exit({"sbatch": sbatch, "srun": srun, "scontrol": scontrol, "squeue": squeue}[sys.argv[1]](sys.argv[2:]))
