"""Batch arithmetic: from a recipe's sizes to samples, ranks, micro-batches and steps.

Decides: how the numbers of ``training``, ``dataset`` and ``parallel`` give the ones that every room derives from them.
Does not: check that they divide (``rules``); each function assumes a configuration that passed.
"""

from megatron_mathcoder.config.schema import DatasetSection, ParallelSection, TrainingSection


def model_parallel_size(parallel: ParallelSection) -> int:
    """Return the ranks that hold one copy of the model together: tensor x pipeline x context."""
    return parallel.tensor_model_parallel_size * parallel.pipeline_model_parallel_size * parallel.context_parallel_size


def data_parallel_size(parallel: ParallelSection, world_size: int) -> int:
    """Return the copies of the model among ``world_size`` ranks."""
    return world_size // model_parallel_size(parallel)


def global_batch_size(training: TrainingSection, dataset: DatasetSection) -> int:
    """Return the samples of one optimizer step, whether the recipe says it in samples or in tokens."""
    return training.global_batch_size or training.global_batch_tokens // dataset.seq_length


def num_microbatches(training: TrainingSection, dataset: DatasetSection, parallel: ParallelSection, world_size: int) -> int:
    """Return the micro-batches one data-parallel rank runs in one optimizer step."""
    samples_at_once = training.micro_batch_size * data_parallel_size(parallel, world_size)
    return global_batch_size(training, dataset) // samples_at_once


def planned_steps(training: TrainingSection, dataset: DatasetSection) -> int:
    """Return the run's length in optimizer steps, or 0 when it is given in epochs and only the data can tell."""
    if training.tokens:
        tokens_per_step = global_batch_size(training, dataset) * dataset.seq_length
        return -(-training.tokens // tokens_per_step)
    return training.steps
