"""How what the CPU has made reaches the device.

Decides: that nobody waits for it. A copy from ordinary memory holds the CPU until the device has done all that is queued before;
from page-locked memory it is queued like any other operation. A micro-batch that waited would find the device idle behind it.
Does not: say what is copied.
"""

import torch
from torch import Tensor


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a CPU tensor's copy on ``device``, in the order of its work; the tensor itself where it is there already."""
    if tensor.device == device:
        return tensor
    # torch keeps page-locked memory for the next copy, and does not give it away before this one is done.
    source = tensor.pin_memory() if device.type == "cuda" else tensor
    return source.to(device, non_blocking=True)
