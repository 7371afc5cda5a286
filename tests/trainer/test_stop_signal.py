"""A rank can be asked to stop from its first moment on."""

import subprocess
import sys

PROGRAM = """
import os, signal, sys
from megatron_mathcoder.trainer.stop_signal import StopSignal
stop = StopSignal()
os.kill(os.getpid(), signal.SIGTERM)
sys.exit("torch was imported before" if "torch" in sys.modules else 0)
"""


def test_the_handlers_stand_before_torch_is_imported() -> None:
    """Importing takes seconds to minutes, in which a job may be preempted."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
