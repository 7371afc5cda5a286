"""The one place that constructs megatron-core's ``TransformerConfig``.

Decides: every field that matters to a dense Llama-family model, stated even where it equals megatron-core's default, since
some defaults are dangerous (both dropouts are 0.1).
Does not: check the recipe (``config/rules.py``). The resolved object of each recipe is kept as a golden file in the tests.
"""

import torch
import torch.nn.functional as F
from megatron.core.transformer import TransformerConfig

from megatron_mathcoder.config.schema import ModelConfig, ParallelSection, TrainingSection

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}

INIT_METHODS = ("init_method", "output_layer_init_method", "embedding_init_method")


def leave_unwritten(weight: torch.Tensor) -> torch.Tensor:
    """Initialise a weight that is about to be loaded: do nothing."""
    return weight


def build_transformer_config(
    model: ModelConfig,
    parallel: ParallelSection,
    training: TrainingSection,
    *,
    initialize: bool = True,
    free_sent_tensors: bool = False,
) -> TransformerConfig:
    """Translate the recipe's sections into megatron-core's terms.

    ``initialize`` = False leaves the weights unwritten, on their device, for a run that loads them from a checkpoint.
    ``free_sent_tensors`` frees a stage's output as soon as it is sent (``Platform.sends_from_queue``).
    """
    return TransformerConfig(
        **_decoder_fields(model),
        **_initialization_fields(model, initialize),
        **_precision_fields(training),
        **_layout_fields(parallel, free_sent_tensors),
        **_operation_fields(),
        **_recompute_fields(training),
    )


def _decoder_fields(model: ModelConfig) -> dict[str, object]:
    return {
        "num_layers": model.num_layers,
        "hidden_size": model.hidden_size,
        "ffn_hidden_size": model.ffn_hidden_size,
        "num_attention_heads": model.num_attention_heads,
        "num_query_groups": model.num_query_groups,
        "kv_channels": model.kv_channels,
        # Hugging Face counts the query's own position in the window; megatron-core's left bound does not.
        "window_size": (model.sliding_window - 1, 0) if model.sliding_window else None,
        "add_qkv_bias": model.add_qkv_bias,
        "add_bias_linear": False,
        "normalization": "RMSNorm",
        "layernorm_epsilon": model.layernorm_epsilon,
        "layernorm_zero_centered_gamma": False,
        "gated_linear_unit": True,
        "activation_func": F.silu,
        "rotary_interleaved": False,
        "hidden_dropout": 0.0,
        "attention_dropout": 0.0,
        "attention_softmax_in_fp32": True,
    }


def _initialization_fields(model: ModelConfig, initialize: bool) -> dict[str, object]:
    return {
        "init_method_std": model.init_method_std,
        # Drawn on the CPU: the same numbers on every platform, whatever the tensor-parallel size.
        "use_cpu_initialization": initialize,
        # Not "perform_initialization=False": that also skips the marks by which the gradient norm knows that a weight is
        # divided among tensor-parallel ranks, and the norm comes out too small (1.29 instead of 1.96 at TP 2).
        "perform_initialization": True,
        **({} if initialize else dict.fromkeys(INIT_METHODS, leave_unwritten)),
    }


def _precision_fields(training: TrainingSection) -> dict[str, object]:
    dtype = DTYPES[training.precision]
    return {"params_dtype": dtype, "pipeline_dtype": dtype, "bf16": training.precision == "bf16", "fp16": False}


def _layout_fields(parallel: ParallelSection, free_sent_tensors: bool) -> dict[str, object]:
    interleaved = parallel.virtual_pipeline_model_parallel_size
    return {
        "tensor_model_parallel_size": parallel.tensor_model_parallel_size,
        "sequence_parallel": parallel.sequence_parallel,
        "pipeline_model_parallel_size": parallel.pipeline_model_parallel_size,
        "virtual_pipeline_model_parallel_size": interleaved if interleaved > 1 else None,
        "context_parallel_size": parallel.context_parallel_size,
        # Interleaved stages need one message per call: batched sends and receives of two stages pair up wrongly and
        # give a wrong gradient without an error (grad norm 1.73 instead of 0.95 with two stages).
        "overlap_p2p_comm": interleaved > 1,
        "batch_p2p_comm": interleaved == 1,
        # With a send still reading, the interleaved schedule computes on freed memory (loss 6.03 instead of 6.00 on gloo).
        "deallocate_pipeline_outputs": free_sent_tensors,
        # Sum of token losses over all ranks divided by all tokens: exact whatever the layout and the masks.
        "calculate_per_token_loss": True,
    }


def _operation_fields() -> dict[str, object]:
    """Of megatron-core's own fused operations none: a layer's operations are those of its spec (``layer_spec.py``)."""
    return {
        "gradient_accumulation_fusion": False,
        "bias_activation_fusion": False,
        "bias_dropout_fusion": False,
        "masked_softmax_fusion": False,
        "use_te_activation_func": True,  # the MLP takes its activation from the layer's spec
        "apply_rope_fusion": False,
        "persist_layer_norm": False,
        "cross_entropy_loss_fusion": False,
        "transformer_impl": "local",
        "cuda_graph_impl": "none",
        "cuda_graph_scope": [],
    }


def _recompute_fields(training: TrainingSection) -> dict[str, object]:
    if training.recompute == "full":
        return {
            "recompute_granularity": "full",
            "recompute_method": "uniform",
            "recompute_num_layers": training.recompute_num_layers,
        }
    if training.recompute == "selective":
        return {"recompute_granularity": "selective", "recompute_modules": ["mlp"]}
    return {"recompute_granularity": None}
