"""Where the time of a step went, and which rank was the slowest.

Decides: the parts of a step (waiting for data, forward and backward, optimizer) and what counts as a rank's own time: from the
step's start until its gradients are complete, before it waits for other data-parallel ranks.
Does not: see inside a group whose ranks wait for each other in every layer or message (tensor, context, pipeline): those come
out alike, and only what one of them waits for data tells them apart.
"""

import socket
import statistics
import time
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeVar

import torch
import torch.distributed as dist

from megatron_mathcoder.parallel import world_gather
from megatron_mathcoder.platforms.interface import Platform

Item = TypeVar("Item")


class StepSeconds(NamedTuple):
    """The parts of one step on this rank; they add up to the whole."""

    data: float
    """Reading micro-batches and queueing their copies. Where work is queued, it goes on meanwhile: then only the first is waited
    for, and what a device lacks shows in ``forward_backward``."""
    forward_backward: float
    """Until the loss of all ranks is summed, as the device counts; holds the waiting for other ranks."""
    optimizer: float
    """Norm, clipping, update."""
    own: float
    """Until this rank's gradients were complete, as its device counts."""


class SlowestRank(NamedTuple):
    """The rank whose own time was the longest."""

    rank: int
    over_median: float
    """Its time as a multiple of the median rank's."""
    data: float
    """The longest wait for data of any rank, in seconds."""


class StepClock:
    """Takes the times of one step after another."""

    def __init__(self, platform: Platform) -> None:
        """Read the clock of ``platform``."""
        self._platform = platform
        self._begin: Any = None
        self._gradients: Any = None
        self._loss: Any = None
        self._started = self._data = 0.0

    def start(self) -> None:
        """Begin a step; nothing of the one before is queued any more."""
        self._platform.synchronize()
        self._started = time.perf_counter()
        self._data = 0.0
        self._begin = self._gradients = self._platform.mark()

    def reading(self, batches: Iterator[Item]) -> Iterator[Item]:
        """Pass ``batches`` on, counting the time until each is there."""
        while True:
            before = time.perf_counter()
            batch = next(batches, None)
            self._data += time.perf_counter() - before
            if batch is None:
                return
            yield batch

    def gradients_complete(self) -> None:
        """This rank has differentiated its last micro-batch; from here on it waits for others."""
        self._gradients = self._platform.mark()

    def loss_summed(self) -> None:
        """All ranks have differentiated."""
        self._loss = self._platform.mark()

    def stop(self) -> StepSeconds:
        """End the step."""
        self._platform.synchronize()
        until_loss = self._platform.seconds_between(self._begin, self._loss)
        return StepSeconds(
            data=self._data,
            forward_backward=until_loss - self._data,
            optimizer=time.perf_counter() - self._started - until_loss,
            own=self._platform.seconds_between(self._begin, self._gradients),
        )


def slowest_rank(seconds: StepSeconds, device: torch.device) -> SlowestRank:
    """Compare the ranks' own times. A collective of two numbers a rank."""
    everyone = world_gather([seconds.own, seconds.data], device)
    own = [each[0] for each in everyone]
    slowest = max(range(len(own)), key=own.__getitem__)
    median = statistics.median(own)
    return SlowestRank(slowest, own[slowest] / median if median > 0 else 1.0, max(each[1] for each in everyone))


def host_names() -> list[str]:
    """Return each rank's host. A collective, once a run."""
    names = [""] * dist.get_world_size()
    dist.all_gather_object(names, socket.gethostname())
    return names
