"""Peak memory of a rank, by term.

Decides: which terms exist at the same time, and which pipeline stage has the largest peak.
Does not: know the allocator's fragments, the CUDA context or NCCL's buffers; the plan keeps a share of the memory free for
them (``--headroom``).

The peak of a step lies in its first backward pass: everything in flight is there, and besides it either the logits and the
loss, or, just after they are freed, one layer being recomputed and differentiated. The larger of the two counts.
"""

from dataclasses import dataclass
from typing import Literal

from megatron_mathcoder.config.architectures import padded_vocab_size
from megatron_mathcoder.config.loss_chunk import chunk_tokens
from megatron_mathcoder.config.schema import ModelConfig, RunConfig
from megatron_mathcoder.planning import activations as saved
from megatron_mathcoder.planning.weights import static_bytes

Norm = Literal["fused", "composite"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RankMemory:
    """Bytes of one rank of one pipeline stage at the peak of a step."""

    stage: int
    weights: int
    gradients: int
    """fp32, reduced in place."""
    optimizer: int
    """Adam's moments and, in bf16, fp32 masters or what makes them of the weights."""
    activations: int
    """Saved tensors of all micro-batches in flight, without the logits."""
    logits: int
    """Final norm and loss, with one chunk of logits or the output matrix's gradient; last stage only."""
    recomputed: int
    """What the backward pass makes again at a time."""
    workspace: int
    """Gradients of one layer's activations, and what autograd is given for a weight's. An upper estimate."""
    communication: int
    """Gathered sequence, gathered keys and values, received activations and gradients."""

    @property
    def peak(self) -> int:
        """The largest sum of terms that exist together."""
        always = self.weights + self.gradients + self.optimizer + self.activations + self.communication
        return always + max(self.logits, self.recomputed + self.workspace)


def rank_memory(config: RunConfig, data_parallel: int, num_microbatches: int, norm: Norm = "fused") -> RankMemory:
    """Return the memory of the pipeline stage with the largest peak.

    That is the first, which has the embedding and the most in flight, or the last, which has the output layer and the loss.
    """
    last = config.parallel.pipeline_model_parallel_size - 1
    ends = [stage_memory(config, data_parallel, num_microbatches, stage, norm) for stage in sorted({0, last})]
    return max(ends, key=lambda memory: memory.peak)


def stage_memory(config: RunConfig, data_parallel: int, num_microbatches: int, stage: int, norm: Norm = "fused") -> RankMemory:
    """Return the memory of the first data-parallel rank of one pipeline stage."""
    model, parallel = config.model, config.parallel
    shape = saved.shape_of(config, norm)
    last = stage == parallel.pipeline_model_parallel_size - 1
    # megatron-core divides the optimizer among context-parallel ranks too: they hold the same weights.
    copies = data_parallel * parallel.context_parallel_size
    compact = config.optimizer.use_precision_aware_optimizer
    static = static_bytes(model, parallel, config.training.precision, copies, stage, compact=compact)
    return RankMemory(
        stage=stage,
        weights=static.weights,
        gradients=static.gradients,
        optimizer=static.optimizer,
        activations=activation_bytes(config, shape, stage, num_microbatches),
        logits=logits_bytes(model, shape) if last else 0,
        recomputed=saved.recomputed_bytes(config, shape),
        workspace=_workspace_bytes(model, shape),
        communication=_communication_bytes(config, shape),
    )


def activation_bytes(config: RunConfig, shape: saved.Shape, stage: int, num_microbatches: int) -> int:
    """Return the saved tensors of a stage's layers and embedding, for all micro-batches in flight."""
    parallel = config.parallel
    chunks = parallel.virtual_pipeline_model_parallel_size
    layers = config.model.num_layers // (parallel.pipeline_model_parallel_size * chunks)
    in_flight = saved.chunks_in_flight(parallel, stage, num_microbatches)
    ids = saved.embedding_bytes(shape) * min(in_flight, num_microbatches) if stage == 0 else 0
    return in_flight * saved.layers_bytes(config, shape, layers) + ids


def logits_bytes(model: ModelConfig, shape: saved.Shape) -> int:
    """Return the final norm and the loss at their largest: what they keep, the gradient of the hidden states, and one chunk of
    logits or, after the last, what autograd is given for the output matrix's gradient, which is in the fp32 buffer by then."""
    columns = padded_vocab_size(model, shape.tensor_parallel) // shape.tensor_parallel
    chunk = 0 if saved.kept_logits_bytes(model, shape) else min(shape.tokens, chunk_tokens(columns)) * columns
    largest = max(chunk, columns * model.hidden_size) + shape.tokens * model.hidden_size
    return saved.head_bytes(model, shape) + largest * shape.element_bytes


def _workspace_bytes(model: ModelConfig, shape: saved.Shape) -> int:
    """Return the gradients alive while a SwiGLU is differentiated: 4f/t and 2h a token, and a weight's own."""
    t, h = shape.tensor_parallel, model.hidden_size
    activations = shape.tokens * (4 * model.ffn_hidden_size // t + 2 * h)
    return (activations + 2 * model.ffn_hidden_size // t * h) * shape.element_bytes


def _communication_bytes(config: RunConfig, shape: saved.Shape) -> int:
    """Return megatron-core's buffer for gathered sequences, a stage's received activation and gradient, and a layer's gathered
    keys and values, as they arrive and in the order of the sequence."""
    gathered = shape.tokens * config.model.hidden_size * shape.element_bytes if config.parallel.sequence_parallel else 0
    received = 2 * saved.residual_bytes(config.model, shape) if config.parallel.pipeline_model_parallel_size > 1 else 0
    keys_and_values = 0
    if shape.context_parallel > 1:
        width = max(config.model.num_query_groups // shape.tensor_parallel, 1) * config.model.kv_channels
        keys_and_values = 4 * shape.tokens * shape.context_parallel * width * shape.element_bytes
    return gathered + received + keys_and_values
