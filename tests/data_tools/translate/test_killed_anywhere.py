"""``kill -9`` at moments drawn by chance, again and again, from a misbehaving server to verified documents: nothing is lost and
nothing comes twice."""

import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.data_tools.conftest import command, write_documents
from tests.data_tools.llm.fake_server import FakeServer
from tests.data_tools.test_prepare import rows_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

DOCUMENTS = 240
IN_FLIGHT = 8
FAULTS = ["429", "503", "reset", "cut", "malformed", "wrong n", "no choices", "html"]


def misbehaves(number: int, body: dict[str, Any]) -> str | None:
    return FAULTS[number // 7 % len(FAULTS)] if number % 7 == 3 else None


def computation_of(body: dict[str, Any]) -> str:
    """A reply whose computation is the document's own."""
    number = int(body["messages"][-1]["content"].rsplit(" ", 1)[1])
    row = {"title": "Sum", "conditions": [], "expression": f"{number} + 1", "result": str(number + 1)}
    return json.dumps({"computations": [row | {"code": f"print({number} + 1)"}]})


def run_killing(arguments: list[str], folder: Path, output: str, seconds: random.Random) -> int:
    """Run a command, killing it until it ends by itself; return how often it was killed."""
    kills = 0
    while True:
        with subprocess.Popen(
            arguments, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        ) as run:
            try:
                run.wait(1.0 + 0.2 * kills + 3 * seconds.random())
            except subprocess.TimeoutExpired:
                os.killpg(run.pid, signal.SIGKILL)
                run.wait()
                kills += 1
                continue
        assert run.returncode == 0
        assert (folder / output / "manifest.json").exists()
        return kills


def test_translate_and_execute_survive_kills_at_any_moment(tmp_path: Path) -> None:
    chance = random.Random(6)
    write_documents(tmp_path / "in.jsonl", [f"document number {index}" for index in range(DOCUMENTS)])
    with FakeServer(misbehaves, delay_seconds=0.15) as server:
        server.answer = computation_of
        asked = ["--translator", "openai", "--base-url", server.url, "--model", "m", "--reply-format", "json"]
        arguments = command(
            "translate", "in.jsonl", "--output", "out", "--workers", "2", "--requests-in-flight", IN_FLIGHT, *asked
        )
        kills = run_killing(arguments, tmp_path, "out", chance)
        time.sleep(0.3)
        assert kills >= 2
        # A request is sent again when the server failed it or a kill took its answer away, and never otherwise.
        failed = sum(misbehaves(number, {}) is not None for number in range(len(server.bodies)))
        assert DOCUMENTS <= len(server.bodies) <= DOCUMENTS + failed + kills * 2 * IN_FLIGHT
    logged = [json.loads(line) for line in (tmp_path / "out.requests/log.jsonl").read_bytes().splitlines()]
    assert Counter(row["key"] for row in logged).most_common(1)[0][1] == 1
    assert Counter(row["outcome"] for row in logged) == {"ok": DOCUMENTS}
    names = [f"d{index}" for index in range(DOCUMENTS)]
    rows = rows_of(tmp_path / "out/completions")
    assert [(row["id"], row["completion"]["computations"][0]["result"]) for row in rows] == [
        (name, str(index + 1)) for index, name in enumerate(names)
    ]

    run_killing(command("execute", "out", "--output", "code", "--workers", "2"), tmp_path, "code", chance)
    assert [row["id"] for row in rows_of(tmp_path / "code/documents")] == names
    assert [row["id"] for row in rows_of(tmp_path / "code/provenance")] == names
    funnel = json.loads((tmp_path / "code/funnel.json").read_text())
    assert {step: funnel[step]["count"] for step in ("documents", "parsed", "ran", "verified", "kept")} == dict.fromkeys(
        ("documents", "parsed", "ran", "verified", "kept"), DOCUMENTS
    )
