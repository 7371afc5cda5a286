"""The CPU platform: gloo, host memory, and the stand-in for torch.cuda.

Decides: that a CPU rank computes on ``torch.device("cpu")`` with one thread per share of the cores.
Does not: contain the stand-in itself (``cuda_standin.py``).
"""

import resource
import time

import torch

from megatron_mathcoder.platforms import cuda_standin
from megatron_mathcoder.platforms.interface import Platform


class CpuPlatform(Platform):
    """Any machine with torch: correctness on a laptop, and the tests."""

    name = "cpu"
    collective_backend = "gloo"
    adds_gloo_groups = False
    sends_from_queue = False
    runs_triton = False

    def prepare(self, local_rank: int, tensor_parallel: bool) -> None:
        """Install the stand-in; nothing depends on the rank."""
        cuda_standin.install()

    @property
    def device(self) -> torch.device:
        """The CPU."""
        return torch.device("cpu")

    @property
    def has_flash_attention(self) -> bool:
        """The kernels are a GPU's."""
        return False

    def synchronize(self) -> None:
        """Nothing is queued on a CPU."""

    def mark(self) -> float:
        """The clock: nothing is queued."""
        return time.perf_counter()

    def seconds_between(self, first: float, second: float) -> float:
        """Subtract."""
        return second - first

    def peak_memory_bytes(self) -> int:
        """Peak resident set size of this process in bytes (``getrusage`` counts KiB on Linux)."""
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    def peak_flops(self) -> float | None:
        """Unknown: a data sheet's rate says little about a shared CPU, so MFU is left out."""
        return None
