"""Ending with the process that started this one, however that ends.

Decides: how a child learns of it: by a signal of its choice, from the kernel.
Does not: start anything (``local_ranks.py``, ``checkpoint_writer.py``). Without Linux nothing is sent.
"""

import contextlib
import ctypes
import os

_SET_DEATH_SIGNAL = 1
"""``PR_SET_PDEATHSIG`` of prctl(2)."""


def signal_at_end_of(parent: int, number: int) -> None:
    """Have this process sent the signal ``number`` when ``parent``, which started it, is gone; now, if it is already."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, number)
    if os.getppid() != parent:
        os.kill(os.getpid(), number)
