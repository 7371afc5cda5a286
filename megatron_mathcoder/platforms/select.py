"""The one place where a platform is chosen.

Decides: which platform ``platform.name`` means on this machine, and prepares it.
Does not: know what a platform does.
"""

import importlib
import warnings

import torch

from megatron_mathcoder.config.errors import PlatformError
from megatron_mathcoder.config.schema import ParallelSection, PlatformSection
from megatron_mathcoder.platforms.apex import refuse_wrong_apex
from megatron_mathcoder.platforms.cpu import CpuPlatform
from megatron_mathcoder.platforms.cuda import CudaPlatform
from megatron_mathcoder.platforms.interface import Platform
from megatron_mathcoder.platforms.local_ranks import local_ranks_have_gpus
from megatron_mathcoder.platforms.ranks import Rank


def select_platform(section: PlatformSection, parallel: ParallelSection, rank: Rank) -> Platform:
    """Return the prepared platform of this process. Call once, before anything imports megatron-core.

    Raises:
        PlatformError: the platform asked for is not here, has fewer GPUs than local ranks, or the wrong ``apex`` is installed.
    """
    refuse_wrong_apex()
    use_cuda = section.name == "cuda" or (section.name == "auto" and torch.cuda.is_available())
    if use_cuda and (error := local_ranks_have_gpus(parallel.processes, torch.cuda.device_count())):
        raise PlatformError(error)
    platform: Platform = CudaPlatform() if use_cuda else CpuPlatform()
    # megatron-core warns of each optional package it does not find, and calls what torch has deprecated: nothing that the
    # person who started the run could mend.
    warnings.filterwarnings("ignore", module=r"(megatron\.core|torch\.distributed|torch\.jit)\b.*")
    platform.prepare(rank.local_rank, parallel.tensor_model_parallel_size > 1 or parallel.context_parallel_size > 1)
    importlib.import_module("megatron.core.models.gpt")
    importlib.import_module("megatron.core.optimizer")
    return platform
