"""How parameters correspond: invertible rules that become intervals of rows.

Decides: the four ways a Hugging Face tensor sits in a Megatron tensor. Every one is a permutation of contiguous rows, so import,
export, the legacy split, the coverage proof and verification are all read off the same intervals, in either direction.
Does not: name a family's parameters (``llama_family``) or touch files.

A Megatron tensor of the decoder has a leading layer axis; here it is folded into the rows: row = layer × rows per layer + row.
Layouts are those of megatron-core 0.16.1: ``transformer/attention.py`` (``get_query_key_value_tensors``: each query group is its
query heads, then its key head, then its value head) and ``transformer/mlp.py`` (``apply_swiglu_sharded_factory``: gate, then up).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from megatron_mathcoder.config.schema import ModelConfig

Size = Callable[[ModelConfig], int]


class Interval(NamedTuple):
    """``rows`` rows of ``hf_name`` from ``hf_row`` are the rows of ``key`` from ``key_row``."""

    hf_name: str
    hf_row: int
    key: str
    key_row: int
    rows: int


class Piece(NamedTuple):
    """Within one layer: rows of the ``part``-th Hugging Face tensor of a rule, from ``hf_row``."""

    part: int
    hf_row: int
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(ABC):
    """One Megatron parameter and the Hugging Face tensors it is made of. ``{layer}`` in a name makes it one per layer.

    ``columns`` is None for vectors (norms, biases). ``shard_axis`` is the axis tensor parallelism divides: 0 rows, 1
    columns, None neither. ``row_blocks`` is the number of pieces a row-sharded matrix is stored in, so that a rank reads
    little beyond its own.
    """

    key: str
    hf: tuple[str, ...]
    columns: Size | None = None
    shard_axis: int | None = None
    row_blocks: ClassVar[int] = 8

    @abstractmethod
    def pieces(self, model: ModelConfig) -> list[Piece]:
        """The pieces of one layer in the order of the Megatron tensor's rows, without gaps."""

    def layers(self, model: ModelConfig) -> int:
        """Length of the layer axis; 0 when the parameter has none."""
        return model.num_layers if "{layer}" in self.hf[0] else 0

    def hf_shapes(self, model: ModelConfig) -> dict[str, tuple[int, ...]]:
        """Name and shape of every Hugging Face tensor of this rule, layer by layer."""
        rows = [0] * len(self.hf)
        for piece in self.pieces(model):
            rows[piece.part] += piece.rows
        columns = () if self.columns is None else (self.columns(model),)
        return {
            name.format(layer=layer): (rows[part], *columns)
            for layer in range(max(1, self.layers(model)))
            for part, name in enumerate(self.hf)
        }

    def key_shape(self, model: ModelConfig) -> tuple[int, ...]:
        """Shape of the Megatron tensor as stored, layer axis included, vocabulary padding not."""
        columns = () if self.columns is None else (self.columns(model),)
        layers = (self.layers(model),) if self.layers(model) else ()
        return (*layers, sum(piece.rows for piece in self.pieces(model)), *columns)

    def intervals(self, model: ModelConfig) -> Iterator[Interval]:
        """The rule as row intervals, in the order of the Megatron tensor's rows."""
        row = 0
        for layer in range(max(1, self.layers(model))):
            for piece in self.pieces(model):
                yield Interval(self.hf[piece.part].format(layer=layer), piece.hf_row, self.key, row, piece.rows)
                row += piece.rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Rename(Rule):
    """The same tensor under another name."""

    rows: Size

    def pieces(self, model: ModelConfig) -> list[Piece]:
        """One piece: all rows."""
        return [Piece(0, 0, self.rows(model))]


@dataclass(frozen=True, slots=True, kw_only=True)
class PadVocabulary(Rename):
    """The same tensor, but rows beyond the vocabulary may follow on the Megatron side; they mean nothing and are dropped.

    A rank's rows depend on that padding, so they seldom end where a stored piece ends: the pieces are small.
    """

    row_blocks: ClassVar[int] = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class FuseQKV(Rule):
    """Query, key and value projections, interleaved by query group: its query heads, its key head, its value head."""

    def pieces(self, model: ModelConfig) -> list[Piece]:
        """Three pieces a query group."""
        head, per_group = model.kv_channels, model.num_attention_heads // model.num_query_groups
        pieces = []
        for group in range(model.num_query_groups):
            pieces.append(Piece(0, group * per_group * head, per_group * head))
            pieces += [Piece(1, group * head, head), Piece(2, group * head, head)]
        return pieces


@dataclass(frozen=True, slots=True, kw_only=True)
class FuseGateUp(Rule):
    """Gate and up projections of a SwiGLU: all gate rows, then all up rows. A rank holds a slice of each."""

    row_blocks: ClassVar[int] = 16

    def pieces(self, model: ModelConfig) -> list[Piece]:
        """Two pieces."""
        return [Piece(0, 0, model.ffn_hidden_size), Piece(1, 0, model.ffn_hidden_size)]
