"""Attention over sequences of several lengths in one call: torch's own kernel, where this torch has it.

Decides: what its arguments must be called for us to use it, and whether it has to be told of grouped queries: it takes
``enable_gqa`` in some releases and groups by the tensors' shapes in the ones before.
Does not: say which sequences there are (``model/attention.py``), or whether the hardware runs it (``kernel_set.py``).
"""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

VarlenKernel = Callable[..., Any]
"""``torch.nn.attention.varlen.varlen_attn``, or what computes the same."""
VARLEN_ARGUMENTS = ("cu_seq_q", "cu_seq_k", "max_q", "max_k", "scale", "window_size")


def torch_varlen_kernel() -> VarlenKernel | None:
    """Return torch's kernel for sequences of several lengths; None where this torch has none that takes what is needed here."""
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:  # before torch 2.10
        return None
    return _for_grouped_queries(varlen_attn)


def _for_grouped_queries(kernel: VarlenKernel) -> VarlenKernel | None:
    taken = inspect.signature(kernel).parameters
    if not set(VARLEN_ARGUMENTS) <= set(taken):
        return None
    return partial(kernel, enable_gqa=True) if "enable_gqa" in taken else kernel
