"""Every fused operation in plain torch: the definition of right; norms and loss run so where there is no Triton.

Decides: the mathematics and where it is rounded: sums and products in fp32, one rounding to the input's dtype at the end.
Does not: fuse anything; gradients come from autograd. Logits are taken a block of rows at a time, since on a CPU a pass over more
than its cache costs more than the arithmetic.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK_LOGITS = 2**20
"""Logits of one block of rows: 4 MiB in fp32."""


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """Return ``x / sqrt(mean(x²) + eps) · weight`` over the last dimension, as x (Zhang & Sennrich 2019, eq. 4)."""
    return F.rms_norm(x, (x.shape[-1],), weight, eps)


def add_rms_norm(x: Tensor, residual: Tensor, weight: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """Return ``(rms_norm(x + residual), x + residual)``; the sum is rounded to x's dtype before it is normalised."""
    total = x + residual
    return rms_norm(total, weight, eps), total


def rotary(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Rotate each pair ``(x[i], x[i + d/2])`` by its position's angle (Su et al. 2021, section 3.4.2, in Llama's halves).

    Args:
        x: [s, b, heads, d].
        cosine: [s, b or 1, d/2] fp32.
        sine: as ``cosine``.

    Returns:
        [s, b, heads, d] in x's dtype.
    """
    cosine, sine = cosine.unsqueeze(2), sine.unsqueeze(2)
    first, second = x.float().chunk(2, dim=-1)
    return torch.cat((first * cosine - second * sine, second * cosine + first * sine), dim=-1).to(x.dtype)


def swiglu(gate_up: Tensor) -> Tensor:
    """Return ``silu(gate) · up`` [..., f] of [..., 2f] (Shazeer 2020, eq. 6), where gate is the first half."""
    gate, up = gate_up.float().chunk(2, dim=-1)
    return (F.silu(gate) * up).to(gate_up.dtype)


def softmax_statistics(logits: Tensor, labels: Tensor, columns: int) -> Tensor:
    """Return [2, n] fp32: the logarithm of each row's sum of exponentials, and its logit at its label.

    Args:
        logits: [n, v], this rank's columns of the vocabulary; those from ``columns`` on are padding and do not count.
        labels: [n] int64, counted from this rank's first column; outside 0 … columns - 1 the second statistic is 0.
        columns: real columns here; with 0 the first statistic is -inf.
    """
    if columns == 0:
        nothing = torch.zeros(2, len(logits), dtype=torch.float32, device=logits.device)
        nothing[0] = float("-inf")
        return nothing
    statistics = torch.empty(2, len(logits), dtype=torch.float32, device=logits.device)
    for rows in _blocks(logits):
        real, label = logits[rows, :columns].float(), labels[rows]
        # log_softmax is one pass of torch's, logsumexp is three.
        statistics[0, rows] = real[:, 0] - torch.log_softmax(real, dim=-1)[:, 0]
        at_label = real.gather(1, label.clamp(0, columns - 1)[:, None]).squeeze(1)
        statistics[1, rows] = torch.where((label >= 0) & (label < columns), at_label, 0.0)
    return statistics


def softmax_gradient_(logits: Tensor, labels: Tensor, log_sum: Tensor, scale: Tensor, columns: int) -> Tensor:
    """Overwrite ``logits`` [n, v] with ``(softmax - onehot(label)) · scale``, 0 in padding columns; return them.

    Args:
        logits: as for ``softmax_statistics``.
        labels: as for ``softmax_statistics``.
        log_sum: [n] fp32, the logarithm of the sum of exponentials over the whole vocabulary.
        scale: [n] fp32, the gradient of each row's loss.
        columns: as for ``softmax_statistics``.
    """
    here = ((labels >= 0) & (labels < columns)).to(torch.float32)
    for rows in _blocks(logits) if columns else ():
        real = logits[rows, :columns]
        gradient = real.float().sub_(log_sum[rows, None]).exp_()  # in place where the logits are fp32
        gradient.scatter_add_(1, labels[rows, None].clamp(0, columns - 1), -here[rows, None])
        gradient.mul_(scale[rows, None])
        if gradient.dtype != logits.dtype:
            real.copy_(gradient)
    logits[:, columns:] = 0
    return logits


def _blocks(logits: Tensor) -> Iterator[slice]:
    """Yield ranges of rows [n, v] that are a block together; elsewhere than on a CPU all rows are one."""
    rows = max(1, BLOCK_LOGITS // logits.shape[1] if logits.device.type == "cpu" else len(logits))
    return (slice(begin, begin + rows) for begin in range(0, len(logits), rows))


def accumulate_weight_gradient_(main_grad: Tensor, output_gradient: Tensor, layer_input: Tensor) -> None:
    """Add ``output_gradientᵀ @ layer_input`` to ``main_grad`` [out, in] fp32, for factors [n, out] and [n, in] of any dtype."""
    main_grad.addmm_(output_gradient.t().to(main_grad.dtype), layer_input.to(main_grad.dtype))
