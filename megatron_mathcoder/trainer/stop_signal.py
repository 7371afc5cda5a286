"""Stopping on request, at the end of a step, on all ranks at once.

Decides: which signals ask for a stop, and that all ranks agree on the step at which they stop.
Does not: save or exit; the trainer does.
"""

import signal
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

STOPPED_EXIT_STATUS = 85
"""Exit status of a run that saved and stopped because it was asked to: the launcher may start it again."""

STOP_SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)


class StopSignal:
    """A flag raised by SIGTERM (preemption), SIGUSR1 (time limit ahead) or the first Ctrl-C; a second Ctrl-C interrupts."""

    def __init__(self) -> None:
        """Install the handlers. Needs no torch, so that a rank can do this before it imports anything."""
        self._received = False
        for number in STOP_SIGNALS:
            signal.signal(number, self._raise_flag)

    def _raise_flag(self, number: int, _frame: FrameType | None) -> None:
        self._received = True
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def agreed(self, device: "torch.device", unwritten: bool) -> tuple[bool, bool]:
        """Return whether any rank was asked to stop, and whether any still has something ``unwritten``.

        A collective of two numbers on ``device``, once per step.
        """
        from megatron_mathcoder.parallel import world_maximum

        stop, waiting = world_maximum((self._received, unwritten), device)
        return stop > 0, waiting > 0
