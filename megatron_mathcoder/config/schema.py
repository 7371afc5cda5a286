"""What a run is: ``RunConfig`` and its sections, frozen.

Decides: the keys of a recipe, their types, units and defaults.
Does not: read files (``loader``), check keys against each other (``rules``), or know any model's numbers (``architectures``).

A field without a default must be in the recipe. TOML has no null, so "off" is 0 or "" and each docstring says so.
Derived numbers are functions in the rooms that use them, never fields.
"""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSection:
    """Where the run lives and what makes it repeatable."""

    folder: str
    """Folder of the run: run.toml, metrics.jsonl, checkpoints/, tensorboard/. Relative paths start at the working directory."""
    seed: int = 3407
    """Seed of the initial weights and of the data order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformSection:
    """The hardware to run on."""

    name: Literal["auto", "cpu", "cuda"] = "auto"
    """``auto`` takes CUDA where torch sees a GPU, else the CPU."""
    kernels: Literal["auto", "torch", "triton"] = "auto"
    """Norms, rotation, SwiGLU, loss and AdamW: fused in Triton, or torch's; ``auto`` takes Triton on a GPU that has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParallelSection:
    """How the model and the batch are divided among ranks; Megatron's names and meanings."""

    processes: int = 0
    """Local ranks to start on this machine; 0 = the ranks were started by torchrun or srun, or there is one."""
    tensor_model_parallel_size: int = 1
    """Ranks that share each weight matrix."""
    sequence_parallel: bool = False
    """Divide norms and residuals along the sequence among the tensor-parallel ranks."""
    pipeline_model_parallel_size: int = 1
    """Pipeline stages."""
    virtual_pipeline_model_parallel_size: int = 1
    """Model chunks per pipeline stage (interleaved schedule); 1 = not interleaved."""
    context_parallel_size: int = 1
    """Ranks that share each sequence."""
    use_distributed_optimizer: bool = True
    """Divide optimizer state and fp32 master weights among data-parallel ranks; a run saved so resumes on any layout."""
    overlap_grad_reduce: bool = False
    """Reduce gradients bucket by bucket while the backward pass still runs."""
    overlap_param_gather: bool = False
    """Gather updated parameters while the forward pass runs; needs the distributed optimizer and overlap_grad_reduce."""
    distributed_timeout_minutes: float = 30.0
    """A collective that waits longer than this fails the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """A Llama-family decoder; megatron-core's field names."""

    architecture: str
    """Name of a constant in ``config/architectures.py``; keys beside it replace that constant's values."""
    num_layers: int
    """Transformer layers."""
    hidden_size: int
    """Width of the residual stream."""
    ffn_hidden_size: int
    """Width of the SwiGLU's gate and of its up projection."""
    num_attention_heads: int
    """Query heads."""
    num_query_groups: int
    """Key/value heads; equal to num_attention_heads for multi-head attention."""
    kv_channels: int
    """Width of one head."""
    vocab_size: int
    """Rows of the embedding before padding, as in the Hugging Face config (not the tokenizer's length)."""
    max_position_embeddings: int
    """Longest sequence the architecture was made for, in tokens."""
    rotary_base: int
    """RoPE theta."""
    rope_scaling_factor: float
    """Factor of Llama-3.1's RoPE scaling (low 1, high 4, original length 8192); 0 = no scaling."""
    layernorm_epsilon: float
    """Epsilon of RMSNorm."""
    sliding_window: int
    """Keys a query sees, itself included, as in Hugging Face's ``sliding_window``; 0 = all before it."""
    add_qkv_bias: bool
    """Bias on the query, key and value projections (Qwen2)."""
    share_embeddings_and_output_weights: bool
    """One matrix for the embedding and the output layer."""
    init_method_std: float
    """Standard deviation of the initial weights."""
    make_vocab_size_divisible_by: int = 128
    """The vocabulary is padded to a multiple of this times tensor_model_parallel_size; the padding has no part in the loss."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlendPart:
    """One .bin/.idx dataset of the blend."""

    name: str
    """Short name, used for its validation loss."""
    prefix: str
    """Path of the dataset without .bin/.idx."""
    epochs: float = 1.0
    """How often this part is seen in one epoch of the run; ignored when weights are given."""
    weight: float = 0.0
    """Share of the samples drawn from this part, relative to the other parts' weights; 0 everywhere = use epochs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSection:
    """Which tokens are trained on, and how they become samples."""

    seq_length: int
    """Tokens of one sample."""
    blend: tuple[BlendPart, ...]
    """The datasets, as ``[[dataset.blend]]`` tables."""
    validation_fraction: float = 0.01
    """Share of each part, taken from its end in whole documents, that is held out for validation; 0 = none."""
    document_mask: bool = True
    """Documents packed into one sample do not see each other and each begins at position 0; false = one stream (MathCoder2)."""
    tokenizer: str = ""
    """Tokenizer file or folder the datasets were made with; exported beside the weights. "" = not exported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSection:
    """How long and in what batches. Exactly one of steps, tokens, epochs, and one of the two global batch sizes, is not 0."""

    micro_batch_size: int
    """Samples of one forward pass on one data-parallel rank."""
    global_batch_size: int = 0
    """Samples of one optimizer step; 0 = global_batch_tokens says it."""
    global_batch_tokens: int = 0
    """Tokens of one optimizer step, a multiple of seq_length; 0 = global_batch_size says it."""
    steps: int = 0
    """Length of the run in optimizer steps."""
    tokens: int = 0
    """Length of the run in tokens, rounded up to whole steps."""
    epochs: float = 0.0
    """Length of the run in passes over the blend, rounded up to whole steps."""
    precision: Literal["fp32", "bf16"] = "bf16"
    """bf16 keeps fp32 master weights and reduces gradients in fp32."""
    recompute: Literal["none", "selective", "full"] = "none"
    """Activations to recompute in the backward pass: none, the SwiGLU blocks (selective), or whole layers (full)."""
    recompute_num_layers: int = 1
    """Layers of one recomputed group when recompute is full."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizerSection:
    """AdamW and its schedule."""

    lr: float
    """Peak learning rate."""
    min_lr: float = 0.0
    """Learning rate at the end of the decay."""
    lr_decay_style: Literal["cosine", "linear", "constant", "WSD"] = "cosine"
    """Shape of the schedule after warm-up."""
    lr_warmup_steps: int = 0
    """Steps of linear warm-up from 0."""
    lr_decay_steps: int = 0
    """Step at which the decay ends; 0 = the run's last step."""
    decay_ends_with_run: bool = True
    """Refuse a decay that ends before or after the run's last step; false = it is meant to (lr_decay_steps)."""
    wsd_decay_steps: int = 0
    """Last steps of the WSD schedule in which the learning rate decays."""
    lr_wsd_decay_style: Literal["linear", "cosine", "exponential", "minus_sqrt"] = "linear"
    """Shape of that decay."""
    weight_decay: float = 0.1
    """Decoupled weight decay; norms and biases have none."""
    adam_beta1: float = 0.9
    """Decay of the first moment."""
    adam_beta2: float = 0.999
    """Decay of the second moment."""
    adam_eps: float = 1e-8
    """Added to the root of the second moment."""
    clip_grad: float = 1.0
    """Largest global gradient norm; 0 = no clipping."""
    use_precision_aware_optimizer: bool = False
    """Keep moments in bf16, and of the fp32 master the 16 bits its bf16 weight has not: 12 bytes a parameter instead of 18."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationSection:
    """Held-out loss during the run."""

    interval_steps: int = 0
    """Steps between validations; one more is made before the first and after the last step. 0 = never."""
    samples: int = 0
    """Samples of each blend part's held-out share to use, 0 = all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointSection:
    """What is saved, when, and what the run starts from."""

    interval_steps: int = 0
    """Steps between saves; the last step is always saved. 0 = only the last."""
    keep_last: int = 2
    """Newest checkpoints to keep; 0 = all."""
    in_background: bool = False
    """Go on training while a checkpoint is written; the host keeps a copy of the rank's state for so long."""
    export_interval_steps: int = 0
    """Steps between exports to Hugging Face folders in RUN/hf, made in the background from the checkpoints saved then; the last
    step's is always exported. 0 = none."""
    initial: str = ""
    """Checkpoint folder whose weights (not optimizer) a new run starts from; "" = random weights. Ignored on resume."""
    allow_changes: tuple[str, ...] = ()
    """Keys or tables that may differ from the checkpoint a run resumes from, beside those that always may (``resume_rules``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardSection:
    """What is watched while a run runs, and what is done about it."""

    spike_sigma: float = 0.0
    """Skip a step whose loss is more standard deviations than this above its running mean; 0 = only one that is not finite."""
    spike_window_steps: int = 100
    """Steps that mean and deviation look back; the first so many steps of a run are not judged."""
    rewind_after_skips: int = 3
    """Skipped steps in a row after which the run goes back to its last good checkpoint, without the data since; 0 = never."""
    max_rewinds: int = 3
    """Rewinds after which the run ends with an error instead."""
    stall_minutes: float = 10.0
    """Write the stacks of all threads to logs/ when no step ends for so long; 0 = never."""
    end_on_stall: bool = False
    """End the run then, so that a launcher can start it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggingSection:
    """What the run shows while it runs; metrics.jsonl is always written."""

    tensorboard: bool = True
    """Write TensorBoard events to the run folder."""
    progress_bar: bool = True
    """Draw a progress bar on rank 0 when standard error is a terminal, else print a line now and then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """One run: the whole recipe, resolved."""

    run: RunSection
    model: ModelConfig
    dataset: DatasetSection
    training: TrainingSection
    optimizer: OptimizerSection
    platform: PlatformSection = field(default_factory=PlatformSection)
    parallel: ParallelSection = field(default_factory=ParallelSection)
    validation: ValidationSection = field(default_factory=ValidationSection)
    checkpoint: CheckpointSection = field(default_factory=CheckpointSection)
    guard: GuardSection = field(default_factory=GuardSection)
    logging: LoggingSection = field(default_factory=LoggingSection)
