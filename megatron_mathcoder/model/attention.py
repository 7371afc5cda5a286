"""Core attention by torch's scaled_dot_product_attention.

Decides: causal attention with grouped queries and an optional sliding window, without ever building s × s scores
(megatron-core's local module does, and cannot group queries).
Does not: context parallelism, packed documents, attention bias or dropout; each raises.
"""

import math

import torch
import torch.nn.functional as F
from megatron.core.process_groups_config import ProcessGroupCollection
from megatron.core.transformer import TransformerConfig
from megatron.core.transformer.enums import AttnMaskType
from torch import Tensor


class SDPAttention(torch.nn.Module):
    """The ``core_attention`` of megatron-core's ``SelfAttention``."""

    def __init__(
        self,
        config: TransformerConfig,
        layer_number: int,
        attn_mask_type: AttnMaskType,
        attention_type: str,
        attention_dropout: float | None = None,
        softmax_scale: float | None = None,
        cp_comm_type: str | None = None,
        pg_collection: ProcessGroupCollection | None = None,
    ) -> None:
        """Take megatron-core's builder arguments; those without effect on causal self-attention are not kept."""
        super().__init__()
        if config.context_parallel_size > 1:
            raise NotImplementedError("SDPAttention does not divide a sequence; parallel.context_parallel_size must be 1")
        self.window = config.window_size[0] + 1 if config.window_size is not None else 0
        self.softmax_scale = softmax_scale if softmax_scale is not None else 1.0 / math.sqrt(config.kv_channels)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None,
        attn_mask_type: AttnMaskType | None = None,
        attention_bias: Tensor | None = None,
        packed_seq_params: object | None = None,
    ) -> Tensor:
        """Attend causally.

        Args:
            query: [s, b, heads, d].
            key: [s, b, groups, d]; heads is a multiple of groups.
            value: [s, b, groups, d].
            attention_mask: must be None; causality is built in.
            attn_mask_type: unused.
            attention_bias: must be None.
            packed_seq_params: must be None.

        Returns:
            [s, b, heads · d].
        """
        if attention_mask is not None or attention_bias is not None or packed_seq_params is not None:
            raise NotImplementedError("SDPAttention takes no mask, bias or packed sequences")
        length, batch = query.shape[:2]
        query, key, value = (tensor.permute(1, 2, 0, 3) for tensor in (query, key, value))
        if self.window and self.window < length:
            context = self._windowed(query, key, value)
        else:
            context = self._attend(query, key, value, is_causal=True)
        return context.permute(2, 0, 1, 3).reshape(length, batch, -1)

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, is_causal: bool = False) -> Tensor:
        return F.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, is_causal=is_causal, scale=self.softmax_scale, enable_gqa=True
        )

    def _windowed(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attend block by block: queries of one window length see at most the block before theirs and their own.

        The mask is [window, 2 · window], whatever the sequence length.
        """
        window, length = self.window, query.shape[2]
        distance = torch.arange(window, device=query.device)[:, None] + window - torch.arange(2 * window, device=query.device)
        allowed = (distance >= 0) & (distance < window)
        outputs = [self._attend(query[:, :, :window], key[:, :, :window], value[:, :, :window], is_causal=True)]
        for start in range(window, length, window):
            end = min(start + window, length)
            keys = slice(start - window, end)
            mask = allowed[: end - start, : end - start + window]
            outputs.append(self._attend(query[:, :, start:end], key[:, :, keys], value[:, :, keys], mask=mask))
        return torch.cat(outputs, dim=2)
