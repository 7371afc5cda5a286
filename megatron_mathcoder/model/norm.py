"""RMSNorm that works under sequence parallelism and takes the residual addition before it along.

Decides: the module megatron-core builds for every norm. Its stock wrapper of ``torch.nn.RMSNorm`` refuses sequence
parallelism; all it takes is the mark on the weight that asks for an all-reduce of its gradient over tensor-parallel ranks.
Does not: compute; the kernels do.
"""

import torch
from megatron.core.transformer import TransformerConfig
from torch import Tensor

from megatron_mathcoder.kernels.kernel_set import KernelSet


class RMSNorm(torch.nn.Module):
    """``x / sqrt(mean(x²) + eps) · weight`` over the last dimension (Zhang & Sennrich 2019, eq. 4), reduced in fp32."""

    def __init__(
        self, config: TransformerConfig, hidden_size: int, kernels: KernelSet, eps: float = 1e-5, **_unused: object
    ) -> None:
        """Build a norm of ``hidden_size`` weights; further keywords of megatron-core's norm builders have no meaning here."""
        super().__init__()
        self.eps = eps
        self.kernels = kernels
        self.weight = torch.nn.Parameter(torch.ones(hidden_size, dtype=config.params_dtype))
        self.weight.sequence_parallel = config.sequence_parallel  # type: ignore[attr-defined]

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``x`` [sequence, batch, hidden]; same shape and dtype."""
        return self.kernels.rms_norm(x, self.weight, self.eps)

    def add(self, x: Tensor, residual: Tensor) -> tuple[Tensor, Tensor]:
        """Return the normalised sum of both and the sum itself, each [sequence, batch, hidden]."""
        return self.kernels.add_rms_norm(x, residual, self.weight, self.eps)
