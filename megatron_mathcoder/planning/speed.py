"""How long a step and a run take: an estimate that states what it assumes.

Decides: one share of the GPU's peak for all arithmetic (``Machine.mfu``), and what a layout loses besides it.
Does not: know kernels. Differences between layouts of the same sum of losses below some percent mean nothing.

Counted as lost time: recomputed arithmetic; the pipeline's bubble (pp - 1)/(m·v) and its slowest stage (Narayanan et al.
2021, arXiv 2104.04473, section 2.2); tensor-parallel traffic and the keys and values that context-parallel ranks gather, none of
it hidden; stage-to-stage messages unless interleaved; data-parallel traffic beyond what the recipe's overlaps hide. Not
counted: the optimizer's step, data, validation, stragglers.
"""

from dataclasses import dataclass

from megatron_mathcoder.config.flops import training_flops_per_token
from megatron_mathcoder.config.gpus import Gpu
from megatron_mathcoder.config.schema import RunConfig
from megatron_mathcoder.planning.weights import DTYPE_BYTES, GRADIENT_BYTES

LINK_EFFICIENCY = 0.8
"""Assumed share of a link's data-sheet rate that a large collective reaches."""
BACKWARD_SHARE = 2 / 3
"""Of a micro-batch's arithmetic."""
USUAL_MFU, USUAL_HEADROOM, USUAL_WRITE_BYTES_PER_SECOND = 0.4, 0.08, 2e9
"""What is assumed of GPUs until it is measured (``Machine``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The GPUs of a run and what is assumed of them."""

    gpu: Gpu
    gpus: int
    gpus_per_node: int
    mfu: float = USUAL_MFU
    """Share of the GPU's peak that the model's arithmetic reaches while it computes."""
    headroom: float = USUAL_HEADROOM
    """Share of a GPU's memory left to the CUDA context, NCCL and the allocator's fragments."""
    write_bytes_per_second: float = USUAL_WRITE_BYTES_PER_SECOND
    """Of a checkpoint, all ranks together."""

    @property
    def usable_bytes(self) -> int:
        """Memory of one GPU that a plan may fill."""
        return int(self.gpu.memory_bytes * (1 - self.headroom))


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTime:
    """Seconds of one optimizer step, by what they are spent on."""

    compute: float
    """The model's own arithmetic on the slowest stage."""
    recompute: float
    bubble: float
    tensor_parallel: float
    pipeline_parallel: float
    context_parallel: float
    data_parallel: float

    @property
    def total(self) -> float:
        """Seconds from step to step."""
        traffic = self.tensor_parallel + self.pipeline_parallel + self.context_parallel + self.data_parallel
        return self.compute + self.recompute + self.bubble + traffic


def step_time(config: RunConfig, machine: Machine, data_parallel: int, num_microbatches: int, rank_weights: int) -> StepTime:
    """Estimate one step; ``rank_weights`` are the weights, in elements, whose gradients one rank reduces."""
    parallel = config.parallel
    stages, chunks = parallel.pipeline_model_parallel_size, parallel.virtual_pipeline_model_parallel_size
    own, again = _microbatch_seconds(config, machine)
    messages = _tensor_parallel_seconds(config, machine)
    sends = _pipeline_seconds(config, machine)
    gathers = _context_parallel_seconds(config, machine)
    at_once = own + again + messages + gathers
    return StepTime(
        compute=num_microbatches * own,
        recompute=num_microbatches * again,
        bubble=(stages - 1) / chunks * at_once,
        tensor_parallel=num_microbatches * messages,
        pipeline_parallel=num_microbatches * sends,
        context_parallel=num_microbatches * gathers,
        data_parallel=_data_parallel_seconds(config, machine, data_parallel, rank_weights, own + again),
    )


def _microbatch_seconds(config: RunConfig, machine: Machine) -> tuple[float, float]:
    """Return the slowest stage's own and repeated arithmetic for one micro-batch, in seconds."""
    model, parallel = config.model, config.parallel
    head = 2 * model.hidden_size * model.vocab_size
    layers = training_flops_per_token(model, config.dataset.seq_length) / 3 - head
    swiglu = 6 * model.hidden_size * model.ffn_hidden_size * model.num_layers
    again = {"none": 0, "selective": swiglu, "full": layers}[config.training.recompute]
    tokens = config.dataset.seq_length * config.training.micro_batch_size
    # Each context-parallel rank has an early and a late chunk of every sample, and so an equal share of attention too.
    rate = machine.gpu.peak_flops * machine.mfu * parallel.tensor_model_parallel_size * parallel.context_parallel_size
    stages = parallel.pipeline_model_parallel_size
    return tokens * 3 * (layers / stages + head) / rate, tokens * again / stages / rate


def _tensor_parallel_seconds(config: RunConfig, machine: Machine) -> float:
    """Return one micro-batch's tensor-parallel traffic on one stage.

    A layer has two all-reduces of s·b·h elements forward and two backward, with sequence parallelism as gathers and scatters
    of the same volume (Korthikanti et al. 2022, section 4.2.2); recomputing a SwiGLU adds one, a layer two.
    """
    parallel = config.parallel
    t = parallel.tensor_model_parallel_size
    if t == 1:
        return 0.0
    per_layer = 4 + {"none": 0, "selective": 1, "full": 2}[config.training.recompute]
    layers = config.model.num_layers / parallel.pipeline_model_parallel_size
    return layers * per_layer * 2 * (t - 1) / t * _sequence_bytes(config) / _rate(machine, t, 1)


def _context_parallel_seconds(config: RunConfig, machine: Machine) -> float:
    """Return one micro-batch's context-parallel traffic on one stage.

    A layer gathers the keys and values of all ranks and scatters their gradients back; recomputing a layer gathers again.
    """
    model, parallel = config.model, config.parallel
    c, t = parallel.context_parallel_size, parallel.tensor_model_parallel_size
    if c == 1:
        return 0.0
    width = max(model.num_query_groups // t, 1) * model.kv_channels
    tokens = config.dataset.seq_length * config.training.micro_batch_size
    gathered = 2 * tokens * width * DTYPE_BYTES[config.training.precision]
    times = 2 + (config.training.recompute == "full")
    layers = model.num_layers / parallel.pipeline_model_parallel_size
    return layers * times * (c - 1) / c * gathered / _rate(machine, c, t)


def _pipeline_seconds(config: RunConfig, machine: Machine) -> float:
    """Return one micro-batch's messages between two stages in two nodes: hidden where stages are interleaved."""
    parallel = config.parallel
    stages = parallel.pipeline_model_parallel_size
    if stages == 1 or parallel.virtual_pipeline_model_parallel_size > 1:
        return 0.0
    share = parallel.tensor_model_parallel_size if parallel.sequence_parallel else 1
    one_node = machine.gpus <= machine.gpus_per_node
    link = machine.gpu.nvlink_bytes_per_second if one_node else machine.gpu.network_bytes_per_second
    return 2 * _sequence_bytes(config) / share / (link * LINK_EFFICIENCY)


def _data_parallel_seconds(
    config: RunConfig, machine: Machine, data_parallel: int, rank_weights: int, microbatch_seconds: float
) -> float:
    """Return what the fp32 gradients' reduction and the new weights' gathering add to a step.

    Context-parallel ranks hold the same weights and take part.
    """
    parallel = config.parallel
    copies = data_parallel * parallel.context_parallel_size
    if copies == 1:
        return 0.0
    seconds_per_byte = (copies - 1) / copies / _rate(machine, copies, parallel.tensor_model_parallel_size)
    reduce = rank_weights * GRADIENT_BYTES * seconds_per_byte
    if not parallel.use_distributed_optimizer:
        gather = reduce
    else:
        gather = rank_weights * DTYPE_BYTES[config.training.precision] * seconds_per_byte
    if parallel.overlap_grad_reduce:
        reduce = max(0.0, reduce - BACKWARD_SHARE * microbatch_seconds)
    if parallel.overlap_param_gather:
        gather = max(0.0, gather - (1 - BACKWARD_SHARE) * microbatch_seconds)
    return reduce + gather


def _rate(machine: Machine, size: int, stride: int) -> float:
    """Return bytes a second of a ring over ``size`` ranks that lie ``stride`` apart.

    Inside a node it runs over NVLink; between nodes over the network cards of all GPUs that the group has in a node.
    """
    link = machine.gpu.nvlink_bytes_per_second
    if size * stride > machine.gpus_per_node:
        cards = max(machine.gpus_per_node // stride, 1)
        link = min(link, cards * machine.gpu.network_bytes_per_second)
    return link * LINK_EFFICIENCY


def _sequence_bytes(config: RunConfig) -> int:
    tokens = config.dataset.seq_length * config.training.micro_batch_size // config.parallel.context_parallel_size
    return tokens * config.model.hidden_size * DTYPE_BYTES[config.training.precision]
