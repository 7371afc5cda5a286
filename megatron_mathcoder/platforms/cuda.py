"""The CUDA platform: one NVIDIA GPU per rank, NCCL.

Decides: which GPU a rank takes, and what it answers of itself.
Does not: tune anything (kernels are chosen in the model) or hold data sheets (``config/gpus.py``).
"""

import os
from importlib.util import find_spec

import torch

from megatron_mathcoder.config.errors import PlatformError
from megatron_mathcoder.config.gpus import peak_bf16_flops
from megatron_mathcoder.platforms.interface import Platform


class CudaPlatform(Platform):
    """NVIDIA GPUs."""

    name = "cuda"
    collective_backend = "nccl"
    adds_gloo_groups = True
    sends_from_queue = True

    def prepare(self, local_rank: int, tensor_parallel: bool) -> None:
        """Take GPU number ``local_rank`` of this host.

        Raises:
            PlatformError: torch sees no GPU, or fewer than ranks.
        """
        count = torch.cuda.device_count()
        if local_rank >= count:
            raise PlatformError(
                f"platform.name = 'cuda': local rank {local_rank} needs GPU {local_rank}, torch sees {count}; "
                "start one rank per GPU, or use --set platform.name=cpu"
            )
        if tensor_parallel:
            # One hardware queue keeps the order in which a layer's collective and its matrix product were issued,
            # which is what lets megatron-core overlap them; it is read when the CUDA context starts.
            os.environ.setdefault("CUDA_DEVICE_MAX_CONNECTIONS", "1")
        torch.cuda.set_device(local_rank)

    @property
    def runs_triton(self) -> bool:
        """Whether the package is installed."""
        return find_spec("triton") is not None

    @property
    def device(self) -> torch.device:
        """This rank's GPU."""
        return torch.device("cuda", torch.cuda.current_device())

    @property
    def has_flash_attention(self) -> bool:
        """From Ampere on."""
        return torch.cuda.get_device_capability() >= (8, 0)

    def synchronize(self) -> None:
        """Wait for this rank's GPU."""
        torch.cuda.synchronize()

    def mark(self) -> torch.cuda.Event:
        """An event on the stream that computes; collectives on streams of their own do not delay it."""
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def seconds_between(self, first: torch.cuda.Event, second: torch.cuda.Event) -> float:
        """The GPU's own count."""
        return first.elapsed_time(second) / 1e3

    def peak_memory_bytes(self) -> int:
        """Peak bytes held by torch's allocator on this rank's GPU."""
        return torch.cuda.max_memory_allocated()

    def peak_flops(self) -> float | None:
        """Data-sheet rate by device name; None for a GPU not in the table."""
        return peak_bf16_flops(torch.cuda.get_device_name())
