"""What is known of each GPU without one: memory, peak rate and link speed.

Decides: the numbers by which MFU is measured on a GPU that is here, and a run planned for GPUs that are not.
Does not: ask a device anything (``platforms/cuda.py``), or say which part of a peak is reached.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from megatron_mathcoder.config.binding import nearest
from megatron_mathcoder.config.errors import ConfigError

MIB = 2**20

PEAK_BF16_FLOPS: Mapping[str, float] = MappingProxyType(
    {
        "B200": 2250e12,
        "GB200": 2250e12,
        "H200": 989e12,
        "GH200": 989e12,
        "H100 PCIe": 756e12,
        "H100": 989e12,
        "H800": 989e12,
        "A100": 312e12,
        "A800": 312e12,
        "L40S": 362e12,
    }
)
"""Dense bf16 tensor-core FLOP/s by a part of the device name, from NVIDIA's data sheets (SXM unless named)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One GPU of a node whose GPUs are connected by NVLink (SXM boards)."""

    name: str
    """As ``mathcoder plan --gpu`` writes it."""
    memory_bytes: int
    """All of its memory as the driver reports it."""
    peak_flops: float
    """Dense bf16 operations per second."""
    nvlink_bytes_per_second: float
    """To the other GPUs of the node, in one direction: half of the data sheet's number, which adds both."""
    network_bytes_per_second: float
    """To other nodes, in one direction, with the network card per GPU that its DGX system has."""


GPUS: Mapping[str, Gpu] = MappingProxyType(
    {
        name: Gpu(
            name=name,
            memory_bytes=memory_mib * MIB,
            peak_flops=PEAK_BF16_FLOPS[device],
            nvlink_bytes_per_second=nvlink * 1e9,
            network_bytes_per_second=network * 1e9,
        )
        for name, device, memory_mib, nvlink, network in (
            ("a100-40", "A100", 40_960, 300, 25),
            ("a100-80", "A100", 81_920, 300, 25),
            ("a800", "A800", 81_920, 200, 25),
            ("h100", "H100", 81_559, 450, 50),
            ("h200", "H200", 143_771, 450, 50),
            ("b200", "B200", 183_359, 900, 50),
        )
    }
)
"""By name. Links in GB/s from the data sheets: an A800 is an A100 of 80 GB with 400 instead of 600 GB/s of NVLink."""


def gpu_named(name: str) -> Gpu:
    """Return the GPU that ``name`` means, in capitals or not.

    Raises:
        ConfigError: it is not in the table.
    """
    if name.lower() in GPUS:
        return GPUS[name.lower()]
    near = nearest(name.lower(), GPUS)
    raise ConfigError(f"--gpu {name}: no such GPU; {f'did you mean {near}? ' if near else ''}known are {', '.join(GPUS)}")


def peak_bf16_flops(device_name: str) -> float | None:
    """Return the data-sheet rate of the device that calls itself ``device_name``; None for one not in the table."""
    matches = [part for part in PEAK_BF16_FLOPS if part in device_name]
    return PEAK_BF16_FLOPS[max(matches, key=len)] if matches else None
