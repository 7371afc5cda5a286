"""Megatron's legacy layout: which part of the model each rank's file holds, under which names.

Decides: the division by tensor parallel rank, pipeline stage and virtual stage, and the modules' names in the local and the
Transformer Engine layer spec. Does not: read or write files (``legacy``).

Sources: Megatron-LM 0.16.1 ``training/checkpointing.py`` (``get_checkpoint_name``), ``transformer/transformer_layer.py``
(``get_transformer_layer_offset``), ``tensor_parallel/layers.py``.
"""

from collections.abc import Iterator
from itertools import product
from typing import Literal, NamedTuple

from checkpoints_convert.param_mapping import FuseGateUp, PadVocabulary, Rule
from megatron_mathcoder.config.architectures import padded_vocab_size
from megatron_mathcoder.config.errors import CheckpointError
from megatron_mathcoder.config.schema import ModelConfig

Spec = Literal["local", "te"]
LOCAL_NAMES = {
    "self_attention.linear_qkv.layer_norm_weight": "input_layernorm.weight",
    "mlp.linear_fc1.layer_norm_weight": "pre_mlp_layernorm.weight",
}
"""Only the norms' names differ between the two layer specs."""
FIRST_STAGE, LAST_STAGE = "embedding.", ("decoder.final_layernorm.", "output_layer.")


class Layout(NamedTuple):
    """Ranks of each kind; megatron's tensor_, pipeline_ and virtual_pipeline_model_parallel_size."""

    tp: int = 1
    pp: int = 1
    vpp: int = 1


class Part(NamedTuple):
    """One tensor of one rank: ``spans`` are (row, rows, column, columns) of the layer's matrix, one below the other."""

    tp_rank: int
    pp_rank: int
    chunk: int
    name: str
    rule: Rule
    layer: int
    spans: tuple[tuple[int, int, int, int], ...]


def check_layout(model: ModelConfig, layout: Layout) -> None:
    """Refuse a layout that Megatron cannot build. Raises ``CheckpointError``."""
    if min(layout) < 1:
        raise CheckpointError(f"tp {layout.tp}, pp {layout.pp}, vpp {layout.vpp}: each is a number of at least 1; choose others")
    rules = (
        (model.num_layers % (layout.pp * layout.vpp) == 0, f"num_layers {model.num_layers} is no multiple of pp × vpp"),
        (layout.vpp == 1 or layout.pp > 1, "vpp needs pp of 2 or more"),
        (model.num_attention_heads % layout.tp == 0, f"num_attention_heads {model.num_attention_heads} is no multiple of tp"),
        (
            model.num_query_groups % layout.tp == 0 or layout.tp % model.num_query_groups == 0,
            f"num_query_groups {model.num_query_groups} and tp do not divide each other",
        ),
        (model.ffn_hidden_size % layout.tp == 0, f"ffn_hidden_size {model.ffn_hidden_size} is no multiple of tp"),
    )
    for holds, reason in rules:
        if not holds:
            raise CheckpointError(f"tp {layout.tp}, pp {layout.pp}, vpp {layout.vpp}: {reason}; choose others")


def rank_folder(tp_rank: int, pp_rank: int, layout: Layout) -> str:
    """Name of a rank's folder."""
    return f"mp_rank_{tp_rank:02d}" + (f"_{pp_rank:03d}" if layout.pp > 1 else "")


def parts(rules: tuple[Rule, ...], model: ModelConfig, layout: Layout, spec: Spec) -> Iterator[Part]:
    """Every tensor of every rank. A tensor tied to another of a distant stage is stored there too, as ``output_layer``."""
    for tp_rank, rule in product(range(layout.tp), rules):
        spans = rank_spans(rule, model, layout.tp, tp_rank)
        if not rule.layers(model):
            pp_rank, chunk = (0, 0) if rule.key.startswith(FIRST_STAGE) else (layout.pp - 1, layout.vpp - 1)
            yield Part(tp_rank, pp_rank, chunk, rule.key, rule, 0, spans)
            if rule.key.startswith(FIRST_STAGE) and model.share_embeddings_and_output_weights and layout.pp > 1:
                yield Part(tp_rank, layout.pp - 1, layout.vpp - 1, "output_layer.weight", rule, 0, spans)
            continue
        each = model.num_layers // (layout.pp * layout.vpp)
        for layer in range(model.num_layers):
            stage, own_layer = divmod(layer, each)
            yield Part(tp_rank, stage % layout.pp, stage // layout.pp, layer_name(rule.key, own_layer, spec), rule, layer, spans)


def layer_name(key: str, layer: int, spec: Spec) -> str:
    """The name in a rank's state dict of a stacked key's layer."""
    inner = key.removeprefix("decoder.layers.")
    return f"decoder.layers.{layer}.{LOCAL_NAMES.get(inner, inner) if spec == 'local' else inner}"


def rank_spans(rule: Rule, model: ModelConfig, tp: int, rank: int) -> tuple[tuple[int, int, int, int], ...]:
    """What a tensor-parallel rank holds of one layer's matrix."""
    own = rule.key_shape(model)[1 if rule.layers(model) else 0 :]
    rows, columns = own[0], own[1] if len(own) == 2 else 1
    if rule.shard_axis == 1:
        return ((0, rows, rank * columns // tp, columns // tp),)
    if rule.shard_axis is None:
        return ((0, rows, 0, columns),)
    if isinstance(rule, PadVocabulary):
        rows = padded_vocab_size(model, tp)
    fused = len(rule.hf) if isinstance(rule, FuseGateUp) else 1
    size = rows // fused
    return tuple((part * size + rank * size // tp, size // tp, 0, columns) for part in range(fused))
