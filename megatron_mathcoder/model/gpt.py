"""The model chunks of this rank.

Decides: how ``GPTModel`` is built from a ``ModelConfig`` for this rank's pipeline stage, and how it is wrapped for mixed
precision and data parallelism.
Does not: choose modules (``layer_spec.py``) or fields (``transformer_config.py``), nor load weights.
"""

import torch
from megatron.core import tensor_parallel
from megatron.core.distributed import DistributedDataParallel, DistributedDataParallelConfig
from megatron.core.models.common.embeddings.rotary_pos_embedding import RotaryEmbedding
from megatron.core.models.gpt import GPTModel
from megatron.core.process_groups_config import ProcessGroupCollection
from megatron.core.transformer import TransformerConfig
from megatron.core.transformer.module import Float16Module
from megatron.core.transformer.transformer_block import get_num_layers_to_build
from torch import Tensor

from megatron_mathcoder.config.architectures import padded_vocab_size
from megatron_mathcoder.config.schema import ModelConfig, ParallelSection
from megatron_mathcoder.model.attention import VarlenKernel, torch_varlen_kernel
from megatron_mathcoder.model.layer_spec import block_spec


class CausalLM(GPTModel):
    """``GPTModel`` with positions given by the caller, and a loss that does not see the padding of its vocabulary.

    ``GPTModel`` numbers a sequence's tokens itself, on a GPU, from 0: it can neither begin again at a document nor number the
    share of a context-parallel rank on a CPU. The padding grows with the tensor-parallel size; a softmax over it would make
    the loss depend on the layout.
    """

    def __init__(self, vocabulary: int, rotary_embedding: RotaryEmbedding, **arguments: object) -> None:
        """Build a decoder with ``vocabulary`` real rows in its padded embedding; the rest goes to ``GPTModel``."""
        super().__init__(position_embedding_type="none", **arguments)
        self.vocabulary = vocabulary
        self.rotary_embedding = rotary_embedding

    def _preprocess(self, input_ids: Tensor, position_ids: Tensor | None, **arguments: object) -> tuple[object, ...]:
        """Add to what ``GPTModel`` prepares the rotary angles [s, b, 1, d] of ``position_ids`` [b, s]; None counts from 0."""
        prepared = super()._preprocess(input_ids=input_ids, position_ids=None, **arguments)
        if position_ids is None:
            position_ids = torch.arange(input_ids.shape[1], device=input_ids.device)[None]
        angles = position_ids.t()[:, :, None, None] * self.rotary_embedding.inv_freq.to(position_ids.device)
        return (prepared[0], torch.cat((angles, angles), dim=-1), *prepared[2:])

    def compute_language_model_loss(self, labels: Tensor, logits: Tensor) -> Tensor:
        """Cross entropy per token, [batch, sequence] fp32, over the real vocabulary.

        Args:
            labels: [batch, sequence] token ids.
            logits: [sequence, batch, vocabulary of this tensor-parallel rank]; its padding columns are overwritten.
        """
        columns = logits.shape[-1]
        first_padding = self.vocabulary - columns * self.pg_collection.tp.rank()
        if first_padding < columns:
            logits[..., max(0, first_padding) :] = float("-inf")
        return super().compute_language_model_loss(labels, logits)


def build_chunks(
    model: ModelConfig,
    transformer: TransformerConfig,
    groups: ProcessGroupCollection,
    device: torch.device,
    *,
    flash_attention: bool = False,
) -> list[CausalLM]:
    """Build this rank's pipeline chunks, in order, on ``device``; one unless the schedule is interleaved.

    ``flash_attention`` = torch's flash kernels run on the device (``Platform.has_flash_attention``); they are 16-bit kernels.
    """
    varlen = torch_varlen_kernel() if flash_attention and transformer.bf16 else None
    return [_build_chunk(model, transformer, groups, chunk, varlen).to(device) for chunk in range(_num_chunks(transformer))]


def _num_chunks(transformer: TransformerConfig) -> int:
    return transformer.virtual_pipeline_model_parallel_size or 1


def _build_chunk(
    model: ModelConfig, transformer: TransformerConfig, groups: ProcessGroupCollection, chunk: int, varlen: VarlenKernel | None
) -> CausalLM:
    stage, stages, chunks = groups.pp.rank(), groups.pp.size(), _num_chunks(transformer)
    vp_stage = chunk if chunks > 1 else None
    module = CausalLM(
        vocabulary=model.vocab_size,
        rotary_embedding=_rotary_embedding(model),
        config=transformer,
        transformer_layer_spec=block_spec(get_num_layers_to_build(transformer, vp_stage, stage), varlen),
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


def wrap_chunks(
    chunks: list[CausalLM], transformer: TransformerConfig, parallel: ParallelSection, groups: ProcessGroupCollection
) -> list[DistributedDataParallel]:
    """Wrap the chunks for training: bf16 inputs and outputs where asked, gradient buffers in fp32, reduction over DP."""
    # megatron-core writes a bucket size into the config it is given; later chunks must not be bucketed at all, since
    # their reductions are not on the critical path.
    return [
        DistributedDataParallel(
            config=transformer,
            ddp_config=_ddp_config(parallel),
            module=Float16Module(transformer, chunk) if transformer.bf16 else chunk,
            disable_bucketing=number > 0,
            pg_collection=groups,
        )
        for number, chunk in enumerate(chunks)
    ]


def _ddp_config(parallel: ParallelSection) -> DistributedDataParallelConfig:
    return DistributedDataParallelConfig(
        grad_reduce_in_fp32=True,
        overlap_grad_reduce=parallel.overlap_grad_reduce,
        overlap_param_gather=parallel.overlap_param_gather,
        use_distributed_optimizer=parallel.use_distributed_optimizer,
        check_for_nan_in_grad=False,
        average_in_collective=False,
    )
