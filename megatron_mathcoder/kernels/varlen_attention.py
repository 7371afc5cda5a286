"""Attention over sequences of several lengths in one call: torch's own kernel, where this torch has it.

Decides: what its arguments must be called for us to use it.
Does not: say which sequences there are (``model/attention.py``), or whether the hardware runs it (``kernel_set.py``).
"""

import inspect
from collections.abc import Callable
from typing import Any

VarlenKernel = Callable[..., Any]
"""``torch.nn.attention.varlen.varlen_attn``, or what computes the same."""
VARLEN_ARGUMENTS = ("cu_seq_q", "cu_seq_k", "max_q", "max_k", "scale", "window_size", "enable_gqa")


def torch_varlen_kernel() -> VarlenKernel | None:
    """Return torch's kernel for sequences of several lengths; None where this torch has none that takes what is needed here."""
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:  # before torch 2.10
        return None
    return varlen_attn if set(VARLEN_ARGUMENTS) <= set(inspect.signature(varlen_attn).parameters) else None
