"""World to process groups: the one place where ranks are divided.

Decides: the order of the parallel dimensions (tensor, context, data, pipeline: megatron-core's default), the initial
seeds, and that every group is made and torn down together.
Does not: choose sizes (the recipe does) or say who this process is (``platforms/ranks.py``).
"""

import contextlib
from collections.abc import Iterator, Sequence
from datetime import timedelta

import torch
import torch.distributed as dist
from megatron.core import parallel_state, tensor_parallel
from megatron.core.process_groups_config import ProcessGroupCollection
from torch.distributed.rendezvous import rendezvous

from megatron_mathcoder.config.errors import PlatformError
from megatron_mathcoder.config.schema import ParallelSection
from megatron_mathcoder.platforms.interface import Platform
from megatron_mathcoder.platforms.ranks import START_SECONDS, Rank
from megatron_mathcoder.platforms.transfer import to_device

PIPELINE_SEED_STRIDE = 100
"""Seeds of neighbouring pipeline stages differ by this (megatron-core's own stride), so that stages get different weights."""


@contextlib.contextmanager
def process_groups(platform: Platform, parallel: ParallelSection, rank: Rank, seed: int) -> Iterator[ProcessGroupCollection]:
    """Form all process groups, seed the generators, and tear the groups down at exit.

    Tensor-parallel ranks share the default generator's seed, so that each takes its slice of the same initial matrix.

    Raises:
        PlatformError: the ranks cannot meet, because their port is taken.
    """
    timeout = timedelta(minutes=parallel.distributed_timeout_minutes)
    if rank.init_method:
        store = _meet(rank)
        dist.init_process_group(
            platform.collective_backend, store=store, rank=rank.rank, world_size=rank.world_size, timeout=timeout
        )
    else:
        dist.init_process_group(platform.collective_backend, store=dist.HashStore(), rank=0, world_size=1)
    try:
        interleaved = parallel.virtual_pipeline_model_parallel_size
        parallel_state.initialize_model_parallel(
            tensor_model_parallel_size=parallel.tensor_model_parallel_size,
            pipeline_model_parallel_size=parallel.pipeline_model_parallel_size,
            virtual_pipeline_model_parallel_size=interleaved if interleaved > 1 else None,
            context_parallel_size=parallel.context_parallel_size,
            distributed_timeout_minutes=parallel.distributed_timeout_minutes,
            create_gloo_process_groups=platform.adds_gloo_groups,
        )
        groups = ProcessGroupCollection.use_mpu_process_groups()
        stage_seed = seed + PIPELINE_SEED_STRIDE * groups.pp.rank()
        torch.manual_seed(stage_seed)
        tensor_parallel.model_parallel_cuda_manual_seed(stage_seed, force_reset_rng=True)
        yield groups
    finally:
        parallel_state.destroy_model_parallel()
        dist.destroy_process_group()


def _meet(rank: Rank) -> dist.Store:
    """Return the store through which the ranks form their groups; one of them is its server.

    It has a patience of its own: ranks do not start together, however soon a collective shall give up.
    """
    try:
        store, _number, _count = next(
            rendezvous(rank.init_method, rank.rank, rank.world_size, timeout=timedelta(seconds=START_SECONDS))
        )
    except dist.DistNetworkError as error:
        if "EADDRINUSE" not in str(error):
            raise
        raise PlatformError(
            f"{rank.init_method}: rank {rank.rank} cannot listen there, another process of this machine has the port; "
            "set MASTER_PORT to a free one, the same on all ranks, or end that process"
        ) from error
    return store


def is_writer(groups: ProcessGroupCollection) -> bool:
    """Return whether this rank writes the run's files and speaks for it."""
    return groups.dp_cp.rank() == groups.tp.rank() == groups.pp.rank() == 0


def sequence_chunks(length: int, context_group: dist.ProcessGroup) -> list[tuple[int, int]]:
    """Return the ranges of a sequence of ``length`` tokens that this context-parallel rank holds, in its order: all, or two.

    Rank r of n has chunk r and chunk 2n - 1 - r of 2n (megatron-core's order): causal attention costs more at the end, and so
    every rank has a cheap chunk and a dear one.
    """
    size, rank = context_group.size(), context_group.rank()
    if size == 1:
        return [(0, length)]
    chunk = length // (2 * size)
    return [(number * chunk, (number + 1) * chunk) for number in (rank, 2 * size - 1 - rank)]


def world_maximum(values: Sequence[float], device: torch.device) -> list[float]:
    """Return the largest of each of ``values`` over all ranks, on all ranks. A collective."""
    tensor = to_device(torch.tensor(values, dtype=torch.float64), device)
    dist.all_reduce(tensor, op=dist.ReduceOp.MAX)
    return tensor.tolist()


def world_gather(values: Sequence[float], device: torch.device) -> list[list[float]]:
    """Return every rank's ``values``, in rank order, on all ranks. A collective."""
    mine = to_device(torch.tensor(values, dtype=torch.float64), device)
    gathered = mine.new_empty(dist.get_world_size(), len(values))
    dist.all_gather(list(gathered), mine)
    rows: list[list[float]] = gathered.tolist()
    return rows
