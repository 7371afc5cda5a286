"""The batch scripts that no scenario runs: what they start, and what their record says."""

import os
import socket
import subprocess
from pathlib import Path

import pytest

from megatron_mathcoder import __version__
from megatron_mathcoder.launching.attempts import AttemptLog
from tests.repository import ROOT

SERVER = """#!/usr/bin/env python3
import http.server, sys
print("serves", *sys.argv[1:], flush=True)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[-1])), type("Ok", (http.server.BaseHTTPRequestHandler,), {
    "do_GET": lambda self: (self.send_response(200), self.end_headers())
})).serve_forever()
"""


@pytest.fixture
def environment(slurm: Path, site: Path) -> dict[str, str]:
    """Return the environment of a batch script: one task of an array."""
    with site.open("a") as stream:
        stream.write("CPU_OPTIONS=() LLM_OPTIONS=()\n")
    task = {"SLURM_JOB_ID": "8", "SLURM_NTASKS": "1", "SLURM_ARRAY_TASK_ID": "2"}
    return os.environ | {"CLUSTER_ENV": str(site)} | task


def script(environment: dict[str, str], *words: object) -> subprocess.CompletedProcess[str]:
    command = ["bash", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(
    ("name", "arguments", "job"),
    [
        ("data", ["2"], "stage-2-of-2"),
        ("data", ["1"], "stage"),
        ("translate", ["2", "-"], "stage-2-of-2"),
        ("convert", [], "stage"),
        ("evaluate", [], "stage"),
    ],
)
def test_each_runs_its_verb_and_records_it(
    name: str, arguments: list[str], job: str, environment: dict[str, str], tmp_path: Path
) -> None:
    chain = tmp_path / "chain"
    done = script(environment, f"launch/{name}.sbatch", chain, "stage", *arguments, "--", "--version")
    assert done.returncode == 0, done.stderr
    assert f"mathcoder {__version__}" in done.stdout
    assert AttemptLog(chain, job).finished()
    refused = script(environment, f"launch/{name}.sbatch", chain, "next", *arguments, f"--needs={chain}:other", "--", "--version")
    assert refused.returncode == 2
    assert f"needs {chain}:other, where 1 did not finish: other: never started" in refused.stderr


@pytest.fixture
def server(tmp_path: Path, environment: dict[str, str]) -> dict[str, str]:
    """Return the environment with a pretended LLM server on a free port."""
    program = tmp_path / "server"
    program.write_text(SERVER)
    program.chmod(0o755)
    with Path(environment["CLUSTER_ENV"]).open("a") as site:
        site.write(f"LLM_SERVER=({program} --option)\nSERVER_SECONDS=30\n")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return environment | {"PORT": str(probe.getsockname()[1]), "SLURM_JOB_NODELIST": "n1"}


def test_a_translation_has_its_server(server: dict[str, str], tmp_path: Path) -> None:
    done = script(server, "launch/translate.sbatch", tmp_path / "chain", "translate", "2", "some/model", "--", "--version")
    assert done.returncode == 0, done.stderr
    assert "serves --option some/model --host 127.0.0.1" in done.stdout
    assert f"mathcoder {__version__}" in done.stdout
    with socket.socket() as probe:  # the server has ended with its client
        assert probe.connect_ex(("127.0.0.1", int(server["PORT"]))) != 0


def test_a_server_that_ends_before_it_answers(server: dict[str, str]) -> None:
    with Path(server["CLUSTER_ENV"]).open("a") as site:
        site.write("LLM_SERVER=(false)\n")
    done = script(server, "launch/with_server.sh", "some/model", "echo", "never")
    assert done.returncode == 1
    assert f"with_server.sh: false some/model ended before it answered at http://127.0.0.1:{server['PORT']}/v1" in done.stderr
    assert "never" not in done.stdout


def test_a_chain_without_its_arguments_names_them(environment: dict[str, str]) -> None:
    done = script(environment, "launch/submit_all.sh", "runs/chain")
    assert done.returncode != 0
    assert "missing: CHAIN RAW BENCHMARKS HF_MODEL RECIPE" in done.stderr


def test_an_attempt_that_is_killed_is_requeued(environment: dict[str, str], slurm: Path, tmp_path: Path) -> None:
    """With another exit status than its own: the batch script is still there."""
    with Path(environment["CLUSTER_ENV"]).open("a") as site:
        site.write(f"PYTHON={tmp_path}/verb\n")
    (tmp_path / "verb").write_text("#!/bin/sh\nkill -9 $(cut -d ' ' -f 4 /proc/$PPID/stat)\n")
    (tmp_path / "verb").chmod(0o755)
    done = script(environment, "launch/convert.sbatch", tmp_path / "chain", "stage", "--", "verb")
    assert done.returncode == 1
    [only] = AttemptLog(tmp_path / "chain", "stage").read()
    assert only.end is not None
    assert (only.end.outcome, only.end.reason) == ("crashed", "mathcoder attempt was killed, 1 of 3 without a new checkpoint")
    assert (slurm / "requeues.log").read_text() == "8\n"
