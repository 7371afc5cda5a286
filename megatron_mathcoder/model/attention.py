"""Core attention by torch's own kernels.

Decides: that queries and keys are rotated here, and what a query sees: keys before it, of its own document, inside the sliding
window if there is one. Scores of a whole sequence are never built (megatron-core's local module does, and can neither group
queries nor divide a sequence).
Under context parallelism the keys and values of all ranks are gathered, as in Llama 3 (Dubey et al. 2024, section 3.3.2); with
grouped queries they are small. Each rank holds two chunks of the sequence, one from either end, so that all do equal work.
Two ways to compute the same: all documents of a micro-batch in one call of the kernel for sequences of several lengths
(``torch.nn.attention.varlen``, on GPUs, 16-bit), or document by document through scaled_dot_product_attention, anywhere.
Does not: attention bias or dropout.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple, Self

import torch
import torch.nn.functional as F
from megatron.core.packed_seq_params import PackedSeqParams
from megatron.core.process_groups_config import ProcessGroupCollection
from megatron.core.tensor_parallel import gather_from_sequence_parallel_region
from megatron.core.transformer import TransformerConfig
from megatron.core.transformer.enums import AttnMaskType
from torch import Tensor

from megatron_mathcoder.kernels.kernel_set import KernelSet
from megatron_mathcoder.parallel import sequence_chunks
from megatron_mathcoder.platforms.transfer import to_device


class _Piece(NamedTuple):
    """Neighbouring queries of one document, and the keys they may see, which end where the queries end."""

    sample: int
    queries: int
    first_key: int
    end_key: int


class Packing(NamedTuple):
    """A micro-batch's pieces as the varlen kernel wants them; int32 tensors [pieces + 1] on the device."""

    pieces: tuple[_Piece, ...]
    query_ends: Tensor
    key_ends: Tensor
    most_queries: int
    most_keys: int


@dataclass
class DocumentBounds(PackedSeqParams):
    """Where documents begin in the samples of a micro-batch, and by how much each position is rotated; travels through
    megatron-core's layers untouched."""

    qkv_format: str = "sbhd"
    """Tells megatron-core that tensors keep their sequence and batch dimensions."""
    starts: tuple[tuple[int, ...], ...] = ()
    """Per sample, the ascending positions in the whole sequence at which a document begins; the first is 0."""
    packing: Packing | None = None
    """Made by the first layer that needs it; the same in every layer."""
    cosine: Tensor | None = None
    """[s, b or 1, d/2] fp32, of the rotary angles of this rank's positions; None = nothing is rotated."""
    sine: Tensor | None = None
    """As ``cosine``."""

    @classmethod
    def one_document(cls, samples: int) -> Self:
        """Return the bounds of samples that are one document each."""
        return cls(starts=((0,),) * samples)


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
        *,
        kernels: KernelSet,
    ) -> None:
        """Take megatron-core's builder arguments; those without effect on causal self-attention are not kept."""
        super().__init__()
        self.window = config.window_size[0] + 1 if config.window_size is not None else 0
        self.softmax_scale = softmax_scale if softmax_scale is not None else 1.0 / math.sqrt(config.kv_channels)
        self.kernels = kernels
        self.context_group = pg_collection.cp if pg_collection is not None and config.context_parallel_size > 1 else None

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None,
        attn_mask_type: AttnMaskType | None = None,
        attention_bias: Tensor | None = None,
        packed_seq_params: DocumentBounds | None = None,
    ) -> Tensor:
        """Attend causally within documents.

        Args:
            query: [s, b, heads, d], not rotated; s is this context-parallel rank's share of the sequence.
            key: [s, b, groups, d]; heads is a multiple of groups.
            value: [s, b, groups, d].
            attention_mask: must be None; causality is built in.
            attn_mask_type: unused.
            attention_bias: must be None.
            packed_seq_params: where documents begin and how positions are rotated; None = one document, no rotation.

        Returns:
            [s, b, heads · d].
        """
        if attention_mask is not None or attention_bias is not None:
            raise NotImplementedError("SDPAttention takes no mask and no bias; it is causal within documents")
        length, batch = query.shape[:2]
        bounds = packed_seq_params if packed_seq_params is not None else DocumentBounds.one_document(batch)
        if bounds.cosine is not None and bounds.sine is not None:
            query, key = (self.kernels.rotary(tensor, bounds.cosine, bounds.sine) for tensor in (query, key))
        chunks = [(0, length)]
        if self.context_group is not None:
            chunks = sequence_chunks(length * self.context_group.size(), self.context_group)
            key, value = self._gather(key), self._gather(value)
        if self.kernels.varlen_attention is not None:
            return self._attend_packed(query, key, value, chunks, bounds)
        query, key, value = (tensor.permute(1, 2, 0, 3) for tensor in (query, key, value))
        starts = bounds.starts
        if all(each == starts[0] for each in starts):
            context = self._attend_samples(query, key, value, chunks, starts[0])
        else:
            context = torch.cat(
                [
                    self._attend_samples(query[i : i + 1], key[i : i + 1], value[i : i + 1], chunks, each)
                    for i, each in enumerate(starts)
                ]
            )
        return context.permute(2, 0, 1, 3).reshape(length, batch, -1)

    def _gather(self, tensor: Tensor) -> Tensor:
        """Gather a [s, b, groups, d] tensor of all context-parallel ranks into the order of the sequence."""
        group = self.context_group
        assert group is not None
        gathered = gather_from_sequence_parallel_region(tensor.contiguous(), group=group)
        pieces = gathered.chunk(2 * group.size())  # rank 0's early and late chunk, rank 1's, …
        return torch.cat([*pieces[0::2], *reversed(pieces[1::2])])

    def _attend_packed(
        self, query: Tensor, key: Tensor, value: Tensor, chunks: list[tuple[int, int]], bounds: DocumentBounds
    ) -> Tensor:
        """Attend for all documents at once; tensors as in ``forward``, keys and values of the whole sequence."""
        length, batch, heads, width = query.shape
        if bounds.packing is None:
            bounds.packing = _pack(bounds.starts, chunks, key.shape[0], query.device)
        packing = bounds.packing
        assert self.kernels.varlen_attention is not None
        context = self.kernels.varlen_attention(
            query.transpose(0, 1).reshape(batch * length, heads, width),
            _keys_of(packing, key, whole=self.context_group is None),
            _keys_of(packing, value, whole=self.context_group is None),
            cu_seq_q=packing.query_ends,
            cu_seq_k=packing.key_ends,
            max_q=packing.most_queries,
            max_k=packing.most_keys,
            scale=self.softmax_scale,
            # The kernel counts from the ends of queries and keys, as a chunk in the middle of a document needs it.
            window_size=(self.window - 1 if self.window else -1, 0),
        )
        return context.view(batch, length, heads * width).transpose(0, 1)

    def _attend_samples(
        self, query: Tensor, key: Tensor, value: Tensor, chunks: list[tuple[int, int]], starts: tuple[int, ...]
    ) -> Tensor:
        """Attend for samples whose documents begin at the same places, one chunk and one document at a time."""
        outputs = []
        offset = 0
        for begin, end in chunks:
            for first, last in zip(starts, (*starts[1:], key.shape[2]), strict=True):
                low, high = max(begin, first), min(end, last)
                if low < high:
                    queries = query[:, :, offset + low - begin : offset + high - begin]
                    outputs.append(self._attend_document(queries, key, value, low, first))
            offset += end - begin
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=2)

    def _attend_document(self, query: Tensor, key: Tensor, value: Tensor, position: int, first: int) -> Tensor:
        """Attend from queries at ``position`` and on to the keys of their document, which begins at ``first``.

        A window is walked in blocks of its own length, so that a mask is at most [window, 2 · window].
        """
        block = self.window or query.shape[2]
        outputs = []
        for begin in range(0, query.shape[2], block):
            queries = query[:, :, begin : begin + block]
            low = max(first, position + begin - self.window + 1) if self.window else first
            high = position + begin + queries.shape[2]
            outputs.append(self._attend_block(queries, key[:, :, low:high], value[:, :, low:high]))
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=2)

    def _attend_block(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attend from queries to the keys that end where they end."""
        queries, keys = query.shape[2], key.shape[2]
        if queries == keys and (not self.window or keys <= self.window):
            return F.scaled_dot_product_attention(query, key, value, is_causal=True, scale=self.softmax_scale, enable_gqa=True)
        distance = torch.arange(keys - queries, keys, device=query.device)[:, None] - torch.arange(keys, device=query.device)
        allowed = distance >= 0
        if self.window:
            allowed &= distance < self.window
        # With a mask and grouped queries torch has no fused kernel and would build the scores; with equal heads it has one.
        sharers = query.shape[1] // key.shape[1]
        if sharers > 1:
            key, value = (tensor.repeat_interleave(sharers, dim=1) for tensor in (key, value))
        return F.scaled_dot_product_attention(query, key, value, attn_mask=allowed, scale=self.softmax_scale)


def _pack(starts: tuple[tuple[int, ...], ...], chunks: list[tuple[int, int]], length: int, device: torch.device) -> Packing:
    """Cut each sample of ``length`` tokens, of which ``chunks`` are here, at its documents' starts."""
    pieces = tuple(piece for sample, bounds in enumerate(starts) for piece in _pieces(sample, bounds, chunks, length))
    queries, keys = [each.queries for each in pieces], [each.end_key - each.first_key for each in pieces]

    def ends(lengths: list[int]) -> Tensor:
        return to_device(torch.tensor(list(accumulate(lengths, initial=0)), dtype=torch.int32), device)

    return Packing(pieces, ends(queries), ends(keys), max(queries), max(keys))


def _pieces(sample: int, starts: tuple[int, ...], chunks: list[tuple[int, int]], length: int) -> Iterator[_Piece]:
    for begin, end in chunks:
        for first, last in zip(starts, (*starts[1:], length), strict=True):
            low, high = max(begin, first), min(end, last)
            if low < high:
                yield _Piece(sample, high - low, first, high)


def _keys_of(packing: Packing, tensor: Tensor, whole: bool) -> Tensor:
    """Return the keys (or values) [s, b, groups, d] of the pieces, one after the other; ``whole`` = they are all there is."""
    if whole:
        return tensor.transpose(0, 1).flatten(0, 1)
    return torch.cat([tensor[each.first_key : each.end_key, each.sample] for each in packing.pieces])
