"""A data tool's process starts no threads of its own accord."""

import os
import subprocess
import sys

import pytest

THREADS = "import os, data_tools.dedup.signatures, numpy; print(len(os.listdir('/proc/self/task')))"


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
def test_numpy_starts_no_threads():
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    done = subprocess.run([sys.executable, "-c", THREADS], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"
