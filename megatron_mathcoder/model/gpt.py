"""The model chunks of this rank.

Decides: how ``GPTModel`` is built from a ``ModelConfig`` for this rank's pipeline stage, and how it is wrapped for mixed
precision and data parallelism.
Does not: choose modules (``layer_spec.py``) or fields (``transformer_config.py``), nor load weights.
"""

from dataclasses import replace
from typing import Any

import torch
from megatron.core import tensor_parallel
from megatron.core.distributed import DistributedDataParallel, DistributedDataParallelConfig
from megatron.core.models.common.embeddings.rotary_pos_embedding import RotaryEmbedding
from megatron.core.models.gpt import GPTModel
from megatron.core.process_groups_config import ProcessGroupCollection
from megatron.core.tensor_parallel import ColumnParallelLinear, RowParallelLinear
from megatron.core.transformer import TransformerConfig
from megatron.core.transformer.module import Float16Module
from megatron.core.transformer.transformer_block import get_num_layers_to_build
from torch import Tensor

from megatron_mathcoder.config.architectures import padded_vocab_size
from megatron_mathcoder.config.schema import ModelConfig, ParallelSection
from megatron_mathcoder.kernels.kernel_set import KernelSet
from megatron_mathcoder.kernels.linear_cross_entropy import VocabularyShare, linear_cross_entropy
from megatron_mathcoder.model.attention import DocumentBounds
from megatron_mathcoder.model.layer_spec import block_spec
from megatron_mathcoder.platforms.transfer import to_device
from megatron_mathcoder.platforms.weight_gradient_registration import register_weight_gradient


class CausalLM(GPTModel):
    """``GPTModel`` with positions given by the caller, and a loss that does not see the padding of its vocabulary.

    ``GPTModel`` numbers a sequence's tokens itself, on a GPU, from 0: it can neither begin again at a document nor number the
    share of a context-parallel rank on a CPU. The padding grows with the tensor-parallel size; a softmax over it would make
    the loss depend on the layout.
    """

    def __init__(self, vocabulary: int, rotary_embedding: RotaryEmbedding, kernels: KernelSet, **arguments: Any) -> None:
        """Build a decoder with ``vocabulary`` real rows in its padded embedding; the rest goes to ``GPTModel``."""
        super().__init__(position_embedding_type="none", **arguments)
        self.vocabulary = vocabulary
        self.rotary_embedding = rotary_embedding
        self.kernels = kernels

    def forward(
        self,
        input_ids: Tensor,
        position_ids: Tensor | None,
        attention_mask: None,
        labels: Tensor | None = None,
        packed_seq_params: DocumentBounds | None = None,
    ) -> Tensor:
        """Compute this stage's share of the model.

        Args:
            input_ids: [b, s] int64.
            position_ids: [b, s] int64, what to rotate by; None counts from 0.
            attention_mask: None; causality is built in.
            labels: [b, s] int64; None asks for logits.
            packed_seq_params: where documents begin; None = each sample is one document.

        Returns:
            The last stage: losses [b, s] fp32, or logits [b, s, vocabulary of this rank]. Others: the residual stream [s, b, h].
        """
        if position_ids is None:
            position_ids = torch.arange(input_ids.shape[1], device=input_ids.device)[None]
        # Neither a parameter nor a buffer, which bf16 would round: it stays on the CPU until it is used.
        self.rotary_embedding.inv_freq = to_device(self.rotary_embedding.inv_freq, position_ids.device)
        angles = position_ids.t()[:, :, None] * self.rotary_embedding.inv_freq
        bounds = packed_seq_params or DocumentBounds.one_document(len(input_ids))
        bounds = replace(bounds, cosine=angles.cos(), sine=angles.sin())
        output: Tensor = super().forward(input_ids, None, attention_mask, labels=labels, packed_seq_params=bounds)
        return output

    def _postprocess(self, hidden_states: Tensor, *arguments: Any, labels: Tensor | None = None, **named: Any) -> Tensor:
        """Compute the loss without the logits of all tokens, where labels are given; else as ``GPTModel`` does."""
        if labels is None or not self.post_process:
            output: Tensor = super()._postprocess(hidden_states, *arguments, labels=labels, **named)
            return output
        return self._losses(hidden_states, labels)

    def _losses(self, hidden_states: Tensor, labels: Tensor) -> Tensor:
        """Return the cross entropy over the real vocabulary, [b, s] fp32, of [s or s/t, b, h] and labels [b, s]."""
        group = self.pg_collection.tp
        if self.config.sequence_parallel:
            hidden_states = tensor_parallel.gather_from_sequence_parallel_region(hidden_states, group=group)
        else:
            hidden_states = tensor_parallel.copy_to_tensor_model_parallel_region(hidden_states, group=group)
        weight = self.output_layer.weight
        if self.share_embeddings_and_output_weights:
            weight = self.shared_embedding_or_output_weight()
        first = len(weight) * group.rank()
        share = VocabularyShare(first, min(max(self.vocabulary - first, 0), len(weight)), group)
        length, batch, hidden = hidden_states.shape
        losses = linear_cross_entropy(hidden_states.reshape(-1, hidden), weight, labels.t().reshape(-1), share, self.kernels)
        return losses.view(length, batch).t()


def build_chunks(
    model: ModelConfig, transformer: TransformerConfig, groups: ProcessGroupCollection, kernels: KernelSet, device: torch.device
) -> list[CausalLM]:
    """Build this rank's pipeline chunks, in order, on ``device``; one unless the schedule is interleaved."""
    return [_build_chunk(model, transformer, groups, kernels, chunk).to(device) for chunk in range(_num_chunks(transformer))]


def _num_chunks(transformer: TransformerConfig) -> int:
    return transformer.virtual_pipeline_model_parallel_size or 1


def _build_chunk(
    model: ModelConfig, transformer: TransformerConfig, groups: ProcessGroupCollection, kernels: KernelSet, chunk: int
) -> CausalLM:
    stage, stages, chunks = groups.pp.rank(), groups.pp.size(), _num_chunks(transformer)
    vp_stage = chunk if chunks > 1 else None
    module = CausalLM(
        vocabulary=model.vocab_size,
        rotary_embedding=_rotary_embedding(model),
        kernels=kernels,
        config=transformer,
        transformer_layer_spec=block_spec(get_num_layers_to_build(transformer, vp_stage, stage), kernels),
        vocab_size=padded_vocab_size(model, transformer.tensor_model_parallel_size),
        max_sequence_length=model.max_position_embeddings,
        pre_process=stage == 0 and chunk == 0,
        post_process=stage == stages - 1 and chunk == chunks - 1,
        share_embeddings_and_output_weights=model.share_embeddings_and_output_weights,
        pg_collection=groups,
        vp_stage=vp_stage,
    )
    for parameter in module.parameters():
        tensor_parallel.set_defaults_if_not_set_tensor_model_parallel_attributes(parameter)
    return module


def _rotary_embedding(model: ModelConfig) -> RotaryEmbedding:
    return RotaryEmbedding(
        kv_channels=model.kv_channels,
        rotary_percent=1.0,
        rotary_base=model.rotary_base,
        rope_scaling=model.rope_scaling_factor > 0,
        rope_scaling_factor=model.rope_scaling_factor or 1.0,
        use_cpu_initialization=True,
    )


class DataParallel(DistributedDataParallel):
    """megatron-core's wrapper, which does not gather weights from a rank that is alone: gloo copies all of them to do so."""

    def start_param_sync(self, *arguments: Any, **options: Any) -> None:
        """Gather the weights that the optimizer's ranks have updated."""
        if self.ddp_config.overlap_param_gather or self.intra_dp_cp_group.size() > 1:
            super().start_param_sync(*arguments, **options)


def wrap_chunks(
    chunks: list[CausalLM],
    transformer: TransformerConfig,
    parallel: ParallelSection,
    groups: ProcessGroupCollection,
    kernels: KernelSet,
) -> list[DistributedDataParallel]:
    """Wrap the chunks for training: bf16 inputs and outputs where asked, gradient buffers in fp32, reduction over DP."""
    _add_to_gradient_buffers(chunks, kernels)
    # megatron-core writes a bucket size into the config it is given; later chunks must not be bucketed at all, since
    # their reductions are not on the critical path.
    return [
        DataParallel(
            config=transformer,
            ddp_config=_ddp_config(parallel),
            module=Float16Module(transformer, chunk) if transformer.bf16 else chunk,
            disable_bucketing=number > 0,
            pg_collection=groups,
        )
        for number, chunk in enumerate(chunks)
    ]


def _add_to_gradient_buffers(chunks: list[CausalLM], kernels: KernelSet) -> None:
    """Let linear layers add their weights' gradients to the fp32 buffers, which exist from here on."""
    register_weight_gradient(kernels.accumulate_weight_gradient_)
    for chunk in chunks:
        for module in chunk.modules():
            if isinstance(module, (ColumnParallelLinear, RowParallelLinear)):
                module.gradient_accumulation_fusion = True


def _ddp_config(parallel: ParallelSection) -> DistributedDataParallelConfig:
    return DistributedDataParallelConfig(
        grad_reduce_in_fp32=True,
        overlap_grad_reduce=parallel.overlap_grad_reduce,
        overlap_param_gather=parallel.overlap_param_gather,
        use_distributed_optimizer=parallel.use_distributed_optimizer,
        check_for_nan_in_grad=False,
        average_in_collective=False,
    )
