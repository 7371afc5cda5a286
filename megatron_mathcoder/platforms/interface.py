"""What the rest of the project may ask of the hardware.

Decides: the questions (device, collective backend, memory, peak arithmetic rate).
Does not: answer them; ``cpu.py`` and ``cuda.py`` do, and ``select.py`` chooses one once per process.
"""

from abc import ABC, abstractmethod
from typing import Any

import torch


class Platform(ABC):
    """One kind of hardware, chosen once at start and passed down."""

    name: str
    """``cpu`` or ``cuda``."""
    collective_backend: str
    """Name of the torch.distributed backend."""
    adds_gloo_groups: bool
    """Whether megatron-core shall make gloo groups beside that backend's, for collectives on host memory."""

    sends_from_queue: bool
    """Whether a send is queued on the device like any other operation, so that its tensor may be freed at once (NCCL); gloo
    reads the memory later, from a thread of its own."""

    @property
    @abstractmethod
    def runs_triton(self) -> bool:
        """Whether kernels written in Triton can run here."""

    @abstractmethod
    def prepare(self, local_rank: int, tensor_parallel: bool) -> None:
        """Make this process ready: choose the device, set what must be set before it starts.

        Must run before megatron-core is imported. ``tensor_parallel`` says whether collectives and matrix products
        of one layer will overlap.
        """

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """The device of this process's tensors."""

    @property
    @abstractmethod
    def has_flash_attention(self) -> bool:
        """Whether torch's flash-attention kernels run on the device."""

    @abstractmethod
    def synchronize(self) -> None:
        """Wait until all queued device work is done (before a clock is read)."""

    @abstractmethod
    def mark(self) -> Any:
        """Return this moment of the work queued so far, without waiting for it."""

    @abstractmethod
    def seconds_between(self, first: Any, second: Any) -> float:
        """Return the seconds from one mark to another; both must have been reached (``synchronize``)."""

    @abstractmethod
    def peak_memory_bytes(self) -> int:
        """Largest memory this process has held so far: device memory, or resident memory on a CPU."""

    @abstractmethod
    def peak_flops(self) -> float | None:
        """Dense bf16 floating-point operations per second of one device by its data sheet; None where unknown."""
