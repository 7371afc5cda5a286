"""Nodes that are really apart: cables are pulled."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.launch.scenario import CRASH_LOSES, Run, wait_until

NAMESPACES = pytest.mark.skipif(
    not Path("/run/netns/mathcoder-1").exists(), reason="the nodes have no network namespaces here (NETWORK=namespaces)"
)
pytestmark = [pytest.mark.slurm, pytest.mark.timeout(600), NAMESPACES]
Record = Callable[[str, str], None]


def cable(namespace: int, interface: str, state: str) -> None:
    """Pull a cable (``down``) or plug it in again (``up``)."""
    subprocess.run(["ip", "-n", f"mathcoder-{namespace}", "link", "set", interface, state], check=True)


def test_the_fabric_is_cut(run: Run, whole: list[float], record_property: Record) -> None:
    """The network of the collectives fails in the middle of a step, that of Slurm does not."""
    second = 2 * run.pair.number
    run.submit()
    run.at_step(12)
    cable(second, "fabric", "down")
    try:
        run.wait_for_outcome("crashed", 120)
    finally:
        cable(second, "fabric", "up")
    run.wait()
    record_property("outcome", run.judge(whole, lost=CRASH_LOSES))
    assert "waited 30 s for another rank (parallel.distributed_timeout_minutes = 0.5)" in run.log()
    assert "Traceback" not in run.log()


def test_a_node_is_cut_off(run: Run, whole: list[float], record_property: Record) -> None:
    """No network at all to one node: Slurm gives it up and requeues, and takes it back when it answers."""
    second = 2 * run.pair.number
    run.submit("--set=parallel.distributed_timeout_minutes=10.0")
    run.at_step(12)
    cable(0, f"node-{second}", "down")
    cable(second, "fabric", "down")
    try:
        wait_until(lambda: run.state() in ("PENDING", "COMPLETING", "REQUEUED", "NODE_FAIL"), "given up", 120)
    finally:
        cable(0, f"node-{second}", "up")
        cable(second, "fabric", "up")
    run.wait()
    record_property("outcome", run.judge(whole, lost=CRASH_LOSES))
