"""The script that compares a GPU with the CPU, comparing the CPU with itself, so that it works on the day a GPU is there."""

import os
import subprocess
import sys

from tests.repository import ROOT


def test_the_cpu_follows_itself() -> None:
    command = [sys.executable, "-m", "tests.gpu.follow_cpu", "--platform", "cpu", "--steps", "4"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=240)
    assert result.returncode == 0, result.stderr
    assert "cpu fp32 follows the CPU: loss differs by 0.0e+00" in result.stdout
    assert "cpu bf16 follows the CPU: loss differs by " in result.stdout
    assert "cpu bf16 follows the CPU: loss differs by 0.0e+00" not in result.stdout
