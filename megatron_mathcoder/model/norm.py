"""RMSNorm that works under sequence parallelism.

Decides: the module megatron-core builds for every norm. Its stock wrapper of ``torch.nn.RMSNorm`` refuses sequence
parallelism; all it takes is the mark on the weight that asks for an all-reduce of its gradient over tensor-parallel ranks.
Does not: fuse anything.
"""

import torch
from megatron.core.transformer import TransformerConfig
from torch import Tensor


class RMSNorm(torch.nn.Module):
    """``x / sqrt(mean(x²) + eps) · weight`` over the last dimension (Zhang & Sennrich 2019, eq. 4), reduced in fp32."""

    def __init__(self, config: TransformerConfig, hidden_size: int, eps: float = 1e-5, **_unused: object) -> None:
        """Build a norm of ``hidden_size`` weights; further keywords of megatron-core's norm builders have no meaning here."""
        super().__init__()
        self.eps = eps
        self.weight = torch.nn.Parameter(torch.ones(hidden_size, dtype=config.params_dtype))
        self.weight.sequence_parallel = config.sequence_parallel  # type: ignore[attr-defined]

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``x`` [sequence, batch, hidden]; same shape and dtype."""
        return torch.nn.functional.rms_norm(x, (x.shape[-1],), self.weight, self.eps)
