"""How many steps a recipe's run has, and how large its checkpoints are.

Decides: steps from the recipe's own numbers, or, for a length in epochs, from a number of tokens given or counted from the
sizes of the blend's files. Does not: open the data as training does; held-out tokens are taken off by their share, so that
the count is right to a few samples.
"""

import math
from pathlib import Path

from megatron_mathcoder.config.architectures import padded_vocab_size, parameter_count
from megatron_mathcoder.config.batch import global_batch_size, planned_steps
from megatron_mathcoder.config.errors import DataError
from megatron_mathcoder.config.index_header import read_index_header
from megatron_mathcoder.config.schema import BlendPart, RunConfig
from megatron_mathcoder.planning.weights import DTYPE_BYTES, MOMENT_BYTES

STORED_MASTER_BYTES = 4
"""A checkpoint holds fp32 masters whatever the precision."""


def run_steps(config: RunConfig, epoch_tokens: float = 0.0) -> int:
    """Return the steps of the run, or 0 where only data that is not here could tell.

    Raises:
        DataError: a file of the blend is there but is no dataset.
    """
    if not config.training.epochs:
        return planned_steps(config.training, config.dataset)
    tokens = epoch_tokens or _blend_tokens(config)
    samples = int(tokens // config.dataset.seq_length)
    return math.ceil(config.training.epochs * samples / global_batch_size(config.training, config.dataset))


def _blend_tokens(config: RunConfig) -> float:
    """Return the training tokens of one epoch of the run; 0 when a part's files are not here."""
    parts = config.dataset.blend
    if not all(Path(f"{part.prefix}{ending}").is_file() for part in parts for ending in (".bin", ".idx")):
        return 0.0
    weighted = any(part.weight for part in parts)
    tokens = sum(_part_tokens(part) * (1.0 if weighted else part.epochs) for part in parts)
    return tokens * (1 - config.dataset.validation_fraction)


def _part_tokens(part: BlendPart) -> int:
    header = read_index_header(Path(f"{part.prefix}.idx"))
    if header is None:
        raise DataError(
            f"{part.prefix}.idx: is no whole Megatron index; write it with `mathcoder tokenize`, or give --epoch-tokens"
        )
    return Path(f"{part.prefix}.bin").stat().st_size // header.token_bytes


def checkpoint_bytes(config: RunConfig) -> int:
    """Return the size of one checkpoint: weights in the run's precision, fp32 masters and Adam's two moments."""
    model = config.model
    tables = 1 if model.share_embeddings_and_output_weights else 2
    padding = padded_vocab_size(model, config.parallel.tensor_model_parallel_size) - model.vocab_size
    weights = parameter_count(model) + tables * padding * model.hidden_size
    return weights * (DTYPE_BYTES[config.training.precision] + STORED_MASTER_BYTES + MOMENT_BYTES)


def saves(config: RunConfig, steps: int) -> int:
    """Return how many checkpoints a run of ``steps`` writes: one per interval, and one at the end."""
    interval = config.checkpoint.interval_steps
    return math.ceil(steps / interval) if interval else 1
